"""A new kind is one class: what docs/extending.md shows works everywhere, with nothing else touched.

The class is the document's own, imported from a module outside the package.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import torch
from editor import CURSOR, Editor
from shell import Shell
from torch import nn

import archc
from archc.kinds import KINDS, Kind, register
from archc.language.schema import spec_schema
from docs.generate.kinds import groups, kind_page

ROOT = Path(__file__).parents[1]
SPEC = """\
input: [3, 32, 32]
layers:
  conv: {conv2d: {out_channels: 16, kernel_size: 3, padding: same}}
  norm: {rms_norm: {eps: 0.1}}
  relu: relu
init:
  - {match: rms_norm, weight: 0.5}
"""

pytestmark = pytest.mark.usefixtures("kinds_of_this_test")


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Kind]]:
    """The class of the document, from a module on the path."""
    text = (ROOT / "docs" / "extending.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    (tmp_path / "my_kinds.py").write_text(code[1], "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("my_kinds").RMSNorm
    del sys.modules["my_kinds"]


def test_build_and_initial_weights(kind: type[Kind]) -> None:
    model = archc.loads(SPEC).build()
    assert type(model.norm) is nn.RMSNorm
    assert model.norm.eps == 0.1
    assert torch.equal(model.norm.weight, torch.full((16, 32, 32), 0.5))
    assert model(torch.ones(2, 3, 32, 32)).shape == (2, 16, 32, 32)


def test_emit(kind: type[Kind]) -> None:
    """The class that is emitted is the module that is built, weights and all."""
    architecture = archc.loads(SPEC)
    source = architecture.emit()
    assert "self.norm = nn.RMSNorm((16, 32, 32), eps=0.1)" in source
    names: dict[str, object] = {}
    exec(source, names)
    emitted = names["Network"]
    assert isinstance(emitted, type)
    torch.manual_seed(0)
    model = emitted().eval()
    torch.manual_seed(0)
    built = architecture.build().eval()
    x = torch.ones(1, 3, 32, 32)
    assert torch.equal(model(x), built(x))


def test_init_refuses_what_the_class_does_not_have(kind: type[Kind]) -> None:
    for rule, code, message in (
        ("weight: kaiming_normal", "E0222", "needs a fan-in and fan-out, which the weight of `rms_norm` does not have"),
        ("bias: 0", "E0222", "`rms_norm` has no bias"),
    ):
        with pytest.raises(archc.SpecError) as caught:
            archc.loads(SPEC.replace("weight: 0.5", rule))
        assert [problem.code for problem in caught.value.problems] == [code]
        assert message in caught.value.problems[0].message


def test_requirements(kind: type[Kind]) -> None:
    with pytest.raises(archc.SpecError) as caught:
        archc.loads("input: [1, 1, 1]\nlayers: [rms_norm]\n")
    assert [problem.code for problem in caught.value.problems] == ["E0316"]


def test_schema(kind: type[Kind]) -> None:
    schema = spec_schema()
    validator = jsonschema.Draft202012Validator(schema)
    good = {"input": [3, 8, 8], "layers": [{"rms_norm": {"eps": 0.1}}], "init": [{"match": "rms_norm", "weight": 1}]}
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "layers": [{"rms_norm": {"epsilon": 0.1}}]})
    eps = schema["$defs"]["rms_norm"]["anyOf"][0]["properties"]["eps"]
    assert eps["description"].startswith("Added to the mean square")


def test_completion_and_hover(kind: type[Kind], tmp_path: Path) -> None:
    with Editor(tmp_path, here=True) as editor:
        offered = editor.completion("a.yaml", f"input: [3, 8, 8]\nlayers: {{a: {CURSOR}}}\n")
        assert "rms_norm" in [item.label for item in offered]
        arguments = editor.completion("b.yaml", f"input: [3, 8, 8]\nlayers: {{a: {{rms_norm: {{{CURSOR}}}}}}}\n")
        assert [item.label for item in arguments] == ["eps", "elementwise_affine"]
        initialized = editor.completion("c.yaml", f"input: [3, 8, 8]\nlayers: [relu]\ninit: [{{match: {CURSOR}")
        assert "rms_norm" in [item.label for item in initialized]
        said = editor.hover("d.yaml", SPEC.replace("rms_norm: {", f"rms_{CURSOR}norm: {{"))
        assert "root mean square of all values" in said


def test_drawing(kind: type[Kind]) -> None:
    """A normalization stands in the box of the convolution before it; alone it has its own color and label."""
    assert ">RMS · ReLU<" in archc.loads(SPEC)._repr_svg_()
    alone = archc.loads("input: [3, 8, 8]\nlayers: [rms_norm]\n")._repr_svg_()
    assert ">RMS norm<" in alone
    assert 'class="box norm"' in alone


def test_summary(kind: type[Kind], tmp_path: Path, sh: Shell) -> None:
    architecture = archc.loads(SPEC)
    (tmp_path / "net.yaml").write_text(SPEC, "utf-8")
    layer = architecture.summary().layers[1]
    assert (layer.kind, layer.parameters, layer.output) == ("rms_norm", 16 * 32 * 32, (16, 32, 32))
    assert "RMS norm" in sh("summary", str(tmp_path / "net.yaml"))[1]
    assert architecture.summary().memory(2).kept > architecture.summary().memory(1).kept > 0
    assert "rms_norm" in [row["name"] for row in json.loads(sh("list", "--kinds", "--format", "json")[1])]


def test_difference(kind: type[Kind]) -> None:
    """With another spec, and with a module of the same class."""
    one, other = archc.loads(SPEC), archc.loads(SPEC.replace("0.1", "0.2"))
    assert "eps" in str(archc.diff(one, other))
    assert archc.diff(one, other.build(), input=(3, 32, 32)).changes
    assert archc.diff(one, one.build(), input=(3, 32, 32)).equal


def test_reference_page(kind: type[Kind]) -> None:
    page = kind_page(kind)
    assert page.path == "kinds/rms_norm.md"
    for text in (
        "nn.RMSNorm",
        "root mean square of all values",
        "Added to the mean square",
        "state: `weight`",
        "E0316",
    ):
        assert text in page.text
    assert kind in groups()["norm"]


# The registry


def test_a_name_is_taken_once(kind: type[Kind]) -> None:
    with pytest.raises(ValueError, match=r"my_kinds\.RMSNorm is registered as `rms_norm` already"):
        register(kind)
    assert KINDS["rms_norm"] is kind


def test_a_class_that_says_too_little_is_refused() -> None:
    class Nameless(Kind):
        """Has no name."""

        torch = "nn.ReLU"

    class Loud(Kind):
        """Has a name that no spec can tell from a block's."""

        kind, torch = "Loud", "nn.ReLU"

    class Silent(Kind):
        kind, torch = "silent", "nn.ReLU"

    for wrong, why in (
        (Nameless, "needs a class attribute `kind`"),
        (Loud, "lowercase"),
        (Silent, "needs a docstring"),
    ):
        with pytest.raises(ValueError, match=why):
            register(wrong)
    assert not {"Loud", "silent"} & KINDS.keys()


def test_nothing_but_registering_changes_the_registry() -> None:
    with pytest.raises(TypeError):
        KINDS["rms_norm"] = Kind  # type: ignore[index]
