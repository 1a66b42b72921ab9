"""archc.testing as others use it: what it needs, what it prints, what it costs those who do not."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import archc
from archc.kinds import KINDS, Kind, Shape
from archc.testing import Draft, assert_layer, dump, layers, specs, valid_arguments, wrong_specs
from archc.testing.arguments import fault_of, kinds_for

SHAPES: list[Shape] = [(4, 6, 5), (1, 1, 1), (6, 12, 12), (3,), (12,)]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_archc_itself_imports_neither_hypothesis_nor_its_own_testing() -> None:
    code = "import sys, archc.cli.main, archc.architecture; print({'hypothesis', 'torch'} & {*sys.modules})"
    assert python(code).stdout == "set()\n"


def test_without_hypothesis_it_says_what_to_install() -> None:
    done = python("import sys; sys.modules['hypothesis'] = None; import archc.testing")
    assert "ImportError: archc.testing needs hypothesis: pip install 'archc-nn[testing]'" in done.stderr


@given(st.data(), st.sampled_from(SHAPES))
def test_layers_of_every_kind_are_drawn_sound(data: st.DataObject, x: Shape) -> None:
    """Arguments are legal by the kind's own rules, and torch agrees."""
    kind = data.draw(st.sampled_from(kinds_for(x)))
    assert fault_of(kind, data.draw(valid_arguments(kind, x)), x) is None
    assert_layer(data.draw(layers(kind, x)), x)


INPUTS = ((4, 6, 6), (4,), (4, 6), (4, 12, 12, 12))
DRAWN = [kind for kind in KINDS.values() if any(kind in kinds_for(x) for x in INPUTS)]


@pytest.mark.parametrize("kind", DRAWN, ids=lambda kind: kind.kind)
def test_every_argument_is_drawn(kind: type[Kind]) -> None:
    """Each of them in at least one of 20 layers: one that is hardly ever given would be held against nothing."""
    given_ones: Counter[str] = Counter()

    @settings(max_examples=600, database=None, phases=[Phase.generate])
    @given(valid_arguments(kind, next(x for x in INPUTS if kind in kinds_for(x))))
    def check(arguments: dict[str, Any]) -> None:
        given_ones.update(arguments.keys())

    check()
    assert {name: given_ones[name] for name in kind.model_fields if given_ones[name] < 30} == {}


def test_a_kind_that_takes_no_such_input_is_said_to_be_so() -> None:
    @settings(max_examples=1)
    @given(layers(KINDS["conv2d"], (8,)))
    def check(_layer: object) -> None:
        raise AssertionError("nothing should be drawn")

    with pytest.raises(ValueError, match="`conv2d` takes no input of shape"):
        check()


def test_likely_values_name_arguments_that_there_are() -> None:
    for kind in KINDS.values():
        assert kind.likely((6, 4, 4)).keys() <= kind.model_fields.keys()


def test_the_mutants_change_lines_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """benchmarks/mutants.py plants each of its faults in exactly one place of the package."""
    root = Path(archc.__file__).parent
    monkeypatch.syspath_prepend(root.parent / "benchmarks")
    from mutants import MUTANTS

    assert [fault for file, old, _, fault in MUTANTS if (root / file).read_text("utf-8").count(old) != 1] == []


@settings(max_examples=20)
@given(specs(most=10), wrong_specs(most=10))
def test_examples_print_as_specs(draft: Draft, wrong: archc.testing.WrongSpec) -> None:
    """What a failing test shows can be saved and checked."""
    assert repr(draft) == f"\n{draft.text}"
    assert archc.loads(repr(draft)).outputs == draft.load().outputs
    assert repr(wrong).startswith(f"\n# {wrong.code} in line {wrong.line}")


def test_dumped_texts_are_quoted_where_they_must_be() -> None:
    data = {"description": "a: b # c", "name": "true", "paper": "it's", "layers": ["relu", {"relu": None}]}
    assert dump(data) == "description: 'a: b # c'\nname: 'true'\npaper: 'it''s'\nlayers:\n  - relu\n  - {relu: }\n"
