"""What holds for the import of any network: of the modules of a drawn spec, built and emitted, the spec comes back."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from torch import nn

import archc
from archc.problems import SpecError
from archc.testing import Draft, specs
from archc.testing.agreement import modules

pytestmark = pytest.mark.usefixtures("one_thread")


def reimported(architecture: archc.Architecture, model: nn.Module) -> str:
    """How the import of a spec's module ends: empty if it has the same keys and meaning, or the reason why not.

    A name that a spec cannot have, such as the 2 of an incomplete list of branches, is changed with a note.
    The importer compares the outputs itself, to the last bit; `archc diff` compares all that a spec says of the layers.
    """
    try:
        found = archc.import_(model, architecture.input)
    except SpecError as error:
        return f"{error.problems[0].code}: {error.problems[0].message}"
    assert "largest difference 0 " in found.report
    assert archc.loads(found.text).outputs == architecture.outputs
    renamed = "Names that are not valid in a spec were changed" in found.text
    if not renamed and set(found.keys) != set(model.state_dict()):
        return "other keys"
    difference = archc.diff(architecture, model)
    if difference.equal:
        return ""
    sorts = {
        f"{change.sort} {'/'.join(part.kind for part in (change.one, change.other) if part)}"
        for change in difference.changes
    }
    return f"another meaning: {', '.join(sorted(sorts)) or 'outputs or keys'}"


def test_the_modules_of_specs_come_back() -> None:
    """The same keys, outputs and meaning for 19 of 20 networks; one with constant outputs can't be compared."""
    reasons: list[str] = []

    @settings(max_examples=20, derandomize=True, database=None, phases=[Phase.generate])
    @given(specs(most=15, shares=True))
    def check(draft: Draft) -> None:
        architecture = draft.load()
        reasons.extend(reimported(architecture, model) for model in modules(architecture))

    check()
    failed = [reason for reason in reasons if reason and "constant or not finite" not in reason]
    assert len(reasons) >= 40
    assert len(failed) * 20 <= len(reasons), failed
