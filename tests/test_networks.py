"""Properties of whole networks: whatever sound spec is drawn, archc, the module and the source agree with PyTorch."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from archc import SpecError
from archc.testing import Coverage, Folder, assert_agreement, folders, specs

MANY = settings().max_examples * 5
DRAWS = 1200
"""As many as are sure to hold every kind and every feature."""


pytestmark = pytest.mark.usefixtures("one_thread")


def test_built_and_emitted_are_one_network(covered: Coverage) -> None:
    """Of every sound spec, the built and the emitted module have equal keys, weights, outputs and gradients.

    The shape and the parameters of every layer are those that archc inferred. Gradients cost the most time and
    are compared for every eighth.
    """

    @settings(max_examples=MANY)
    @given(folders(specs(most_inputs=3, shares=True)))
    def check(folder: Folder) -> None:
        covered.add(folder)
        assert_agreement(folder.load(), gradients=covered.networks % 8 == 0)

    check()


def test_drawn_specs_are_sound_and_cover_the_language() -> None:
    """archc finds more than 95 % of the draws sound, none is filtered out, and no kind and no feature is left out."""
    seen = Coverage()
    count = Counter[str]()

    @st.composite
    def counted(draw: st.DrawFn, shares: bool) -> Folder:
        try:
            return draw(folders(specs(ranks=(2, 0, 1, 3), most_inputs=3, shares=shares)))
        except UnsatisfiedAssumption:
            count["filtered"] += 1
            raise

    def check(folder: Folder) -> None:
        count["drawn"] += 1
        with suppress(SpecError):
            folder.load()
            seen.add(folder)

    settings(max_examples=DRAWS)(given(counted(shares=False))(check))()
    settings(max_examples=DRAWS // 4)(given(counted(shares=True))(check))()
    assert count["filtered"] == 0
    assert seen.networks > 0.95 * count["drawn"]
    assert seen.missing() == []
