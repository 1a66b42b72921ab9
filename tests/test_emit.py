"""The emitted source: what a reader sees, and that nothing of a spec escapes into code."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from parity import assert_equal_modules, class_of, emitted_class, seeded
from test_form import TYPES

import archc
from archc.emit.layout import WIDTH
from archc.library import bundled, is_row
from archc.testing.agreement import assert_agreement
from archc.testing.contract import Emitted, Tally

ROOT = Path(__file__).parents[1]
NETWORKS = {path.stem: path for path in sorted((ROOT / "tests/networks").glob("*.yaml"))}
GENERATED = sorted((ROOT / "generated").glob("*.py"))


def classes(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]


def imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def test_googlenet_reads_like_a_hand_written_file() -> None:
    """At most 200 lines, one class a block, nine uses of one Inception, parameters kept, shapes as comments."""
    source = (ROOT / "generated/googlenet.py").read_text("utf-8")
    assert len(source.splitlines()) <= 200
    assert classes(source) == ["BasicConv2d", "Inception", "InceptionAux", "GoogLeNet"]
    assert source.count(" = Inception(") == 9
    assert "self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)  # 256×28×28\n" in source
    assert "self.fc = nn.Linear(1024, num_classes)" in source
    signature = "in_channels: int, c1: int, c3_reduce: int, c3: int, c5_reduce: int, c5: int, pool: int"
    assert f"def __init__(self, {signature}) -> None:" in source


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_generated_files_stand_alone(path: Path) -> None:
    """Nothing but torch and the standard library is imported; no line is too long."""
    source = path.read_text("utf-8")
    assert imports(source) <= {"torch", "collections"}
    assert max(map(len, source.splitlines())) <= WIDTH


def test_every_bundled_spec_with_classes_of_its_own_has_its_generated_file() -> None:
    """A spec that gives another one other values is that one's class with other arguments."""
    assert [path.stem for path in GENERATED] == [name for name, path in bundled().items() if not is_row(path)]


EXPECTED_CLASSES = {
    "expressions": ["Signs", "Expressions"],
    "heads_without_modules": ["Within", "HeadsWithoutModules"],
    "heads_named_as_parameters": ["HeadsNamedAsParameters"],
    "convnext": ["StochasticDepth", "Block", "ConvNeXtish"],
    "densenet": ["DenseLayer", "DenseBlock", "Transition", "DenseNet"],
    "indexed": ["Indexed"],
    "init_of_an_optional_layer": ["Optional"],
    "loops": ["Fold", "Optional", "Turns", "Tower_2", "PartBody", "Loops"],
    "mobilenet_v2": ["ConvNormActivation", "InvertedResidual", "Residual", "MobileNetV2"],
    "mobilenet_v3": ["StochasticDepth", "SqueezeExcitation", "Bneck", "MobileNetV3"],
    "multi_output": ["Mean", "Down", "Mixed", "TwoHeads"],
    "names": ["Nested", "Deeper", "Names"],
    "outputs_by_argument": ["Outputs"],
    "part_handed_on": ["PartHandedOn"],
    "shufflenet": ["Unit", "ShuffleNetV2"],
    "stages": ["Stage", "Drops", "Unit", "Shortcut", "Stages"],
    "structure": ["Opt", "Conv", "Structure"],
    "unet": ["DoubleConv", "UNet"],
    "mlp": ["Mlp"],
    "m5": ["Stage", "M5"],
    "video": ["Residual", "Video"],
    "values": ["Split", "Values"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_one_class_a_block_however_its_instances_differ(name: str) -> None:
    """Conditions become `if`, repeats of different length a loop: never a class an instance."""
    assert classes(archc.load(NETWORKS[name]).emit()) == EXPECTED_CLASSES[name]


def test_a_block_for_another_rank_is_called_after_it() -> None:
    """Whether the spec is a file or a text, and whatever the file is called."""
    source = archc.loads("""
name: Net
input: [4, 6, 6]
blocks: {Unit: {layers: [flatten, sigmoid]}}
layers: [{adaptive_avg_pool2d: 2}, Unit, Unit]
""").emit()
    assert re.findall(r"(?m)^class (\w+)", source) == ["Unit", "UnitVector", "Net"]


def test_a_repeat_of_growing_layers_becomes_a_loop() -> None:
    source = archc.load(NETWORKS["densenet"]).emit()
    assert "*(DenseLayer(in_channels + i * growth_rate, growth_rate) for i in range(num_layers))," in source


def test_a_condition_that_differs_becomes_an_if() -> None:
    source = archc.load("resnet18").emit()
    assert "        if stride != 1 or in_channels != out_channels:\n            self.downsample = nn.Seq" in source


def test_a_flag_of_the_network_stays_an_argument() -> None:
    source = archc.load("googlenet").emit()
    assert "aux_logits: bool = True" in source
    assert "self.aux1 = InceptionAux(512, num_classes, dropout=dropout_aux) if aux_logits else None" in source


def assert_other_values(architecture: archc.Architecture, settings: list[dict[str, Any]]) -> None:
    """The network's class, made with each of these, is the network that archc builds for them."""
    emitted, tally = Emitted(architecture), Tally()
    assert not emitted.literal
    for values in [{}, *settings]:
        emitted.network_with(tally, **values)
    assert tally.counts["networks"] == 1 + len(settings)


def test_a_parameter_that_decides_the_structure_stays_an_argument() -> None:
    """`width` in a `when`, `depth` in a repeat, `widths` in a for-each."""
    architecture = archc.loads("""
name: Net
input: [3, 16, 16]
arguments: {width: 32, depth: 2, widths: [4, 8], se: true, p: 0.1}
layers:
  conv: {conv2d: {out_channels: $width, kernel_size: 1}}
  extra: {conv2d: {out_channels: 8, kernel_size: 1}, when: $(width > 16)}
  list:
    - {conv2d: {out_channels: $(depth * 8), kernel_size: 3}, repeat: $depth}
    - {for: w, in: $widths,
       layers: [{conv2d: {out_channels: $w, kernel_size: 1}},
                {conv2d: {out_channels: "$(widths[-1])", kernel_size: 1}}]}
  gate: {sigmoid: , when: $se}
  drop: {dropout: $p, when: $(p > 0)}
""")
    signature = "width: int = 32, depth: int = 2, widths: tuple[int, ...] = (4, 8), se: bool = True, p: float = 0.1"
    assert f"    def __init__(self, {signature}) -> None:\n" in lines_joined(architecture.emit())
    settings: list[dict[str, Any]] = [
        {"width": 4},
        {"depth": 0},
        {"depth": 5},
        {"widths": [3]},
        {"widths": [], "depth": 1},
        {"widths": [2, 9, 5], "width": 16, "se": False, "p": 0.0},
    ]
    assert_other_values(architecture, settings)


def lines_joined(source: str) -> str:
    """A source with each signature on one line."""
    return re.sub(r"\(\n        (self, .*)\n    \) ->", r"(\1) ->", source)


STAGE = """{arguments: {width: , depth: }, layers: [{repeat: $depth, layers: [
  {conv2d: {out_channels: $width, kernel_size: 1}}, relu]}]}"""


@pytest.mark.parametrize(
    ("parameters", "layers", "others"),
    [
        ("k: 3", "{conv2d: {out_channels: 8, kernel_size: $k}}, flatten, {linear: 10}", {"k": [1, 2, 32]}),
        ("k: 3", "{conv2d: {out_channels: 8, kernel_size: $k}}, {adaptive_avg_pool2d: 4}, flatten, {linear: 10}",
         {"k": [1, 2, 7]}),
        ("k: 3", "{conv2d: {out_channels: 8, kernel_size: $k, padding: same}}, flatten, {linear: 10}",
         {"k": [1, 5, 7]}),
        ("k: 3", "{conv2d: {out_channels: $(k * 2), kernel_size: 1}}, {group_norm: $k}", {"k": [1, 2, 7]}),
        ("k: 3", "{conv2d: {out_channels: 9, kernel_size: 1}}, {group_norm: $k}", {"k": [1, 9]}),
        ("k: 3", "{conv2d: {out_channels: 4, kernel_size: $k, stride: 2}}, flatten, {linear: 10}", {"k": [1, 2, 32]}),
        ("k: 3, p: 1", "{conv2d: {out_channels: 4, kernel_size: $k, padding: $p, stride: 4}}, flatten, {linear: 9}",
         {"k": [1, 4, 7], "p": [0, 2, 5]}),
        ("k: 5", "{conv2d: {out_channels: 4, kernel_size: 3}}, {max_pool2d: $k}, layer_norm", {"k": [1, 2, 15]}),
        ("k: 3", "{Part: [$k]}, flatten, {linear: 10}", {"k": [1, 2, 32]}),
        ("k: 3", "{conv2d: {out_channels: 4, kernel_size: $k, stride: 2}}, {layers: [relu, {Tail: }]}",
         {"k": [1, 2, 32]}),
        ("w: 32", "{conv2d: {out_channels: 4, kernel_size: $(3 if w > 16 else 5)}}, flatten, {linear: $w}",
         {"w": [1, 16, 17]}),
        ("w: 32", "{max_pool2d: 2, when: $(w > 16)}, {conv2d: {out_channels: $w, kernel_size: 1}}",
         {"w": [1, 9, 99]}),
        ("w: 32", "{max_pool2d: 2, when: $(w > 16)}, flatten, {linear: 9}", {"w": [1, 99]}),
        ("d: 2", "{Stage: [16, $d]}, batch_norm2d", {"d": [0, 1, 5]}),
        ("d: 2", "{repeat: $d, layers: [{max_pool2d: 2}]}, flatten, {linear: 9}", {"d": [0, 1, 5]}),
        ("act: gelu", "{conv2d: {out_channels: 4, kernel_size: $(3 if act == 'relu' else 5)}}, flatten, {linear: 9}",
         {"act": ["relu"]}),
        ("act: gelu", "{Act: [$act]}, {Act: [relu]}, batch_norm2d", {"act": ["relu", "none"]}),
        ("act: gelu", "{conv2d: {out_channels: 4, kernel_size: 1, bias: $(act == 'relu')}}", {"act": ["relu"]}),
        ("c: [3, relu]", "{conv2d: {out_channels: 4, kernel_size: '$(c[0])'}}, flatten, {linear: 10}",
         {"c": [[1, "relu"], [5, "none"]]}),
        ("k: 3", "{conv2d: {out_channels: 4, kernel_size: $(3 if k > 2 or 8 // (k - 3) else 5)}}, {max_pool2d: $k}",
         {"k": [1, 2, 7]}),
        ("k: 3",
         ("{conv2d: {out_channels: 4, kernel_size: 1, padding_mode: $('zeros' if k < 6 else 'reflect')}}, "
          "{max_pool2d: $k}"),
         {"k": [1, 7]}),
        ("k: 3", "{pad: '$([1, 1, 1, 1] if k > 2 else [2, 2, 2, 2])'}, {max_pool2d: $k}", {"k": [1, 2, 7]}),
        ("k: 3, w: 4", "{Part: [$k]}, {adaptive_avg_pool2d: 2}, flatten, {linear: $w}",
         {"k": [1, 2, 7], "w": [1, 9, 99]}),
        ("k: 3", "{Part: [$k]}, {upsample: {size: 4}}, flatten, {linear: 10}", {"k": [1, 2, 7]}),
        ("k: 3", "{Part: [$k]}, {mean: }, {linear: 10}", {"k": [1, 2, 7]}),
        ("n: true", "{batch_norm2d: , when: $n}, flatten, {linear: 10}", {"n": [False]}),
    ],
)  # fmt: skip
def test_a_parameter_stays_an_argument_that_works_for_other_values(
    parameters: str, layers: str, others: dict[str, list[Any]]
) -> None:
    """A size behind a `flatten`, a structure or a word that follows from it is computed in the class."""
    architecture = archc.loads(f"""
name: Net
input: [3, 32, 32]
arguments: {{{parameters}}}
blocks:
  Part: {{arguments: {{k: }}, layers: [{{conv2d: {{out_channels: 4, kernel_size: $k, stride: 2}}}}, relu]}}
  Tail: {{layers: [flatten, {{linear: 10}}]}}
  Act: {{arguments: {{act: }}, layers: [{{conv2d: {{out_channels: 4, kernel_size: 1}}, when: $(act == 'relu')}}]}}
  Stage: {STAGE}
layers: [{layers}]
""")
    assert_other_values(architecture, [{name: value} for name, values in others.items() for value in values])


def test_a_value_that_fails_in_the_spec_fails_in_the_class() -> None:
    """A division by zero that the default avoids: archc and the class refuse the same values."""
    architecture = archc.loads("""
name: Net
input: [3, 32, 32]
arguments: {k: 3}
layers: [{conv2d: {out_channels: $(8 if k == 3 else k // 0), kernel_size: $k, padding: same}}]
""")
    emitted, tally = Emitted(architecture), Tally()
    emitted.network_with(tally)
    emitted.network_with(tally, k=5)
    assert (tally.counts["networks"], tally.unrefused) == (1, {})


def test_a_blocks_class_works_for_arguments_that_do_not_occur() -> None:
    """Defaults stay defaults; sizes that a constructor needs are arguments; a loop stays a loop."""
    architecture = archc.loads("""
name: Net
input: [3, 32, 32]
blocks:
  Pairs:
    arguments: {w: , k: 3}
    layers: [{conv2d: {out_channels: $w, kernel_size: $k, padding: same}}]
  Unrolled:
    arguments: {d: , p: }
    layers: [{repeat: $d, index: i, layers: [relu, {dropout: $(p / (d - i))}]}]
  Wide:
    arguments: {w: , e: 1}
    layers:
      a: {conv2d: {out_channels: $(w * e), kernel_size: 1}, when: $(e != 1)}
      b: {conv2d: {out_channels: $w, kernel_size: 1}}
  Head:
    arguments: {k: 3, w: 4}
    layers: [{conv2d: {out_channels: $w, kernel_size: $k}}, flatten, {linear: $w}]
layers: [{Pairs: {w: 4, k: [3, 5]}}, {Unrolled: [2, 0.5]}, {Wide: [8, 2]}, {Head: {k: 5}}]
""")
    source = architecture.emit()
    for name, signature in {
        "Pairs": "in_channels: int, w: int, k: int | tuple[int, int] = 3",
        "Unrolled": "d: int, p: float",
        "Wide": "in_channels: int, w: int, e: int = 1",
        "Head": "in_channels: int, in_height: int, in_width: int, k: int = 3, w: int = 4",
    }.items():
        assert f"    def __init__(self, {signature}) -> None:\n" in source.split(f"class {name}(")[1]
    emitted, tally = Emitted(architecture), Tally()
    emitted.block(tally, "Pairs", (2, 9, 8), w=5)
    emitted.block(tally, "Pairs", (2, 9, 8), w=5, k=(1, 7))
    emitted.block(tally, "Unrolled", (2, 9, 8), d=0, p=0.25)
    emitted.block(tally, "Unrolled", (2, 9, 8), d=5, p=0.25)
    emitted.block(tally, "Wide", (2, 9, 8), w=3)
    emitted.block(tally, "Wide", (2, 9, 8), w=3, e=4)
    emitted.block(tally, "Head", (2, 9, 8))
    emitted.block(tally, "Head", (5, 6, 11), k=1, w=7)
    assert tally.counts["blocks"] == 8


def test_structures_that_differ_share_a_class() -> None:
    text = """
name: Net
input: [3, 32, 32]
blocks:
  Stage:
    arguments: {widths: , act: }
    layers:
      - {for: c, in: $widths, layers: [{conv2d: {out_channels: $c, kernel_size: 3, padding: same}}]}
      - {relu: , when: $(act == 'relu')}
layers:
  a: {Stage: [[8, 16], relu]}
  b: {Stage: [[8], none]}
  c: {Stage: [[8, 16], none]}
"""
    source = archc.loads(text).emit()
    assert classes(source) == ["Stage", "Net"]
    architecture = archc.loads(text)
    emitted, tally = Emitted(architecture), Tally()
    for widths in ((), (4,), (3, 2, 1)):
        for act in ("relu", "none"):
            emitted.block(tally, "Stage", (2, 5, 5), widths=widths, act=act)
    assert tally.counts["blocks"] == 6
    built, made = seeded(architecture.build), seeded(emitted_class(architecture))
    assert_equal_modules(built, made, torch.rand(1, 3, 32, 32))


def test_bodies_without_a_name_are_called_as_their_entries() -> None:
    """The turns of a loop share the class that has the name of its first entry."""
    source = archc.loads("""
name: Net
input: [4, 16, 16]
blocks:
  Gate:
    arguments: {w: , wide: }
    layers: [{conv2d: {out_channels: $w, kernel_size: 1}, when: $wide}, {sigmoid: , when: $(not wide)}]
layers:
  stages:
    for: [w, k]
    in: [[8, 1], [16, 3], [16, 3]]
    index: i
    layers:
      stage$i:
        layers:
          conv: {conv2d: {out_channels: $w, kernel_size: $k, padding: same}}
          sum: {concat: [conv, input]}
  gates: [{conv2d: {out_channels: 4, kernel_size: 1}}, {Gate: [4, true]}, {Gate: [4, false]}]
  both: {layers: {a: relu, b: {multiply: [a, input]}}}
""").emit()
    assert classes(source) == ["Stage0", "Gate", "Both", "Net"]


def test_an_expression_that_grows_too_long_becomes_a_local() -> None:
    """Channels that are halved and joined again and again, and sizes that many flags decide.

    Each entry reads what it is given twice, so that the expressions would double with each.
    """
    halves = """
name: Net
input: [3, 16, 16]
arguments: {width: 16}
blocks:
  Half:
    branches:
      skip: identity
      new: {conv2d: {out_channels: $(in_channels // 2), kernel_size: 1}}
    join: concat
  Stack: {layers: [{Half: , repeat: 5}]}
layers:
  - {conv2d: {out_channels: $width, kernel_size: 1}}
  - {Half: , repeat: 5}
  - Stack
  - batch_norm2d
"""
    names = [f"a{i}" for i in range(24)]
    rows = "".join(
        f"  - {{conv2d: {{out_channels: 4, kernel_size: 3, stride: 2, padding: 1}}, when: ${name}}}\n" for name in names
    )
    flags = f"""
name: Net
input: [3, 16, 16]
arguments: {{{", ".join(f"{name}: false" for name in names)}}}
layers:
{rows}  - flatten
  - {{linear: 3}}
"""
    for text, lines, settings in (
        (halves, 80, [{"width": 5}, {"width": 33}]),
        (flags, 450, [{"a0": True}, {"a1": True, "a9": True, "a23": True}]),
    ):
        architecture = archc.loads(text)
        assert len(architecture.emit().splitlines()) <= lines
        assert_other_values(architecture, settings)


def test_an_optional_branch_is_a_condition_in_the_one_class() -> None:
    """A shortcut that only some instances have."""
    text = """
name: Net
input: [8, 32, 32]
blocks:
  Residual:
    arguments: {out_channels: , stride: 1}
    branches:
      conv: {conv2d: {out_channels: $out_channels, kernel_size: 3, stride: $stride, padding: 1}}
      shortcut: {identity: , when: $(stride == 1 and in_channels == out_channels)}
    join: add
layers:
  a: {Residual: 8}
  b: {Residual: [16, 2]}
  c: {Residual: 24}
  d: {Residual: 24}
"""
    architecture = archc.loads(text)
    source = architecture.emit()
    assert classes(source) == ["Residual", "Net"]
    assert "        return self.conv(x) + x if self.shortcut else self.conv(x)\n" in source
    emitted, tally = Emitted(architecture), Tally()
    for channels in (2, 3):
        for stride in (1, 2):
            emitted.block(tally, "Residual", (2, 5, 5), out_channels=channels, stride=stride)
    assert tally.counts["blocks"] == 4


def write_all(folder: Path) -> None:
    for name, path in NETWORKS.items():
        (folder / f"{name}.py").write_text(archc.load(path).emit(), "utf-8")
    (folder / "long.py").write_text(archc.loads(LONG).emit(), "utf-8")


LONG = """
name: ANetworkWithARatherLongName
description: A description that is so long that it does not fit on one line of the docstring, not even nearly, and
  therefore has to be wrapped by the emitter at a width that the formatter leaves alone.
paper: https://example.org/a/very/long/address/of/a/paper/that/has/a/very/long/address
input: [3, 32, 32]
arguments: {a_first_width_with_a_long_name: 8, a_second_width_with_a_long_name: 16, a_third_with_a_long_name: 4}
blocks:
  ABlockWithARatherLongName:
    arguments: {first_width_with_a_long_name: , second_width_with_a_long_name: , kernel_size: 3, dilation: 1,
                 bias: false}
    layers:
      a_convolution_with_a_rather_long_name:
        conv2d: {out_channels: $(first_width_with_a_long_name + second_width_with_a_long_name * 2),
                 kernel_size: $kernel_size, dilation: $dilation, padding: same, bias: $bias}
      another_convolution_with_a_long_name: {conv2d: {out_channels: $first_width_with_a_long_name, kernel_size: 1}}
      sum_of_two: {concat: [input, a_convolution_with_a_rather_long_name, another_convolution_with_a_long_name]}
layers:
  a_stage_with_a_rather_long_name:
    - {ABlockWithARatherLongName: {first_width_with_a_long_name: $a_first_width_with_a_long_name,
         second_width_with_a_long_name: $a_second_width_with_a_long_name, kernel_size: 5}, repeat: 4}
  a_head:
    layers:
      pool: {mean: }
      fc: {linear: $a_third_with_a_long_name}
init:
  - {match: a_head.fc, weight: {trunc_normal: {mean: 0.1, std: 0.01, a: -1, b: 1}}, bias: -0.5}
"""


def test_emitted_files_are_formatted_linted_and_typed(tmp_path: Path) -> None:
    """The formatter changes nothing, ruff's default rules and mypy --strict find nothing."""
    write_all(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for command in (
        ["ruff", "format", "--check", "--diff", "."],
        ["ruff", "check", "--isolated", "--select", "E4,E7,E9,F,I,UP,B,C4,SIM,PIE", "."],
        [*TYPES, "."],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_long_lines_mean_the_same() -> None:
    architecture = archc.loads(LONG)
    built, emitted = seeded(architecture.build), seeded(emitted_class(architecture))
    assert_equal_modules(built, emitted, torch.rand(2, 3, 32, 32))


HOSTILE = [
    'ends """ and goes on',
    'a quote at the end"',
    "a backslash at the end\\",
    '\\""" + __import__("os").system("touch pwned") + """',
    "line one\nimport os\nos.system('touch pwned')",
    "carriage\rreturn and form\ffeed and \u2028 separator",
    "# -*- coding: utf-7 -*-",
    "{{ 7 * 7 }} {% raw %}",
    "nul-like \x01 control",
    "ﬁ ligature and × sign",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_free_text_stays_inside_its_docstring(text: str) -> None:
    """Whatever a description, a paper or a file is called, the source has the same statements."""
    import json

    spec = f"""
name: Net
description: {json.dumps(text)}
paper: {json.dumps(text)}
input: [3, 8, 8]
blocks:
  Part: {{description: {json.dumps(text)}, layers: {{a: relu, b: tanh}}}}
layers: {{part: Part}}
"""
    plain = spec.replace(json.dumps(text), "x")
    first, second = (ast.parse(archc.loads(version).emit()) for version in (spec, plain))
    for tree in (first, second):
        for node in ast.walk(tree):
            body: Any = getattr(node, "body", None)
            if (
                isinstance(body, list)
                and body
                and isinstance(body[0], ast.Expr)
                and isinstance(body[0].value, ast.Constant)
            ):
                del body[0]
    assert ast.dump(first) == ast.dump(second)


def test_no_parameter_hides_a_module_that_the_file_holds() -> None:
    """The names of archc's own modules follow from the kinds, without torch; parameters have other names."""
    from archc.build import modules
    from archc.language.names import helpers, parameter_name_fault

    own = {name for name, value in vars(modules).items() if getattr(value, "__module__", "") == modules.__name__}
    assert own == helpers()
    assert all(parameter_name_fault(name) for name in own)


HELPERS = """
name: NAME
input: [4, 8, 8]
blocks:
  Mean:
    arguments: {pooling: mean, out_channels: 4}
    layers:
      conv: {conv2d: {out_channels: $out_channels, kernel_size: 1}}
      norm: layer_norm2d
      pool: $pooling
    init: [{match: layer_norm2d, weight: 0.5}]
  Add:
    layers: [{stochastic_depth: {p: 0.5, mode: row}}, layer_norm2d]
  PatchMergingV2:
    layers: [{permute: [0, 2, 3, 1]}, patch_merging_v2, {permute: [0, 3, 1, 2]}, Mean]
layers:
  a: Mean
  b: {Mean: {pooling: amax}, from: input}
  c: {Add: , from: input}
  d: {mean: , from: c}
  e: {PatchMergingV2: , from: c}
  Concat: {concat: [a, b, d, e]}
init: [{match: layer_norm2d, weight: 0.5}]
"""


@pytest.mark.parametrize("name", ["Net", "Concat", "LayerNorm2d", "StochasticDepth"])
def test_a_module_gives_way_to_a_class_that_has_its_name(name: str) -> None:
    """The network's, or a block's: the module has another name in the file, and the file works as the module does."""
    architecture = archc.loads(HELPERS.replace("NAME", name))
    assert_agreement(architecture)
    made = classes(architecture.emit())
    assert len(set(made)) == len(made)
    assert {"Mean", "MeanLayer", "PatchMergingV2", "PatchMergingV2Layer", "Add", name} <= set(made)
    assert "AddLayer" not in made  # which nothing uses
    assert (f"{name}Layer" in made) == (name in ("LayerNorm2d", "StochasticDepth"))


def test_text_arguments_are_escaped_literals() -> None:
    hostile = 'relu"); import os; ("'
    text = f"""
name: Net
input: [3, 8, 8]
blocks:
  Part:
    arguments: {{act: }}
    layers:
      conv: {{conv2d: {{out_channels: 4, kernel_size: 1}}}}
      relu: {{relu: , when: $(act == 'relu')}}
layers:
  a: {{Part: relu}}
  b: {{Part: {hostile!r}}}
"""
    source = archc.loads(text).emit()
    assert """self.b = Part(4, 'relu"); import os; ("')\n""" in source
    made = class_of(source, "Net")()
    assert made.state_dict().keys() == {"a.conv.weight", "a.conv.bias", "b.conv.weight", "b.conv.bias"}


@pytest.mark.parametrize("name", ["enumerate", "getattr", "in_height", "in_length", "in_width", "Literal"])
def test_no_parameter_hides_what_a_class_uses(name: str) -> None:
    """Sizes of the input are arguments by these names, and loops call these functions."""
    with pytest.raises(archc.SpecError) as caught:
        archc.loads(f"name: Net\ninput: [3, 8, 8]\narguments: {{{name}: 3}}\nlayers: [{{linear: ${name}}}]\n")
    assert "E0208" in {problem.code for problem in caught.value.problems}


REFUSED = """
name: Net
input: [8, 16, 16]
blocks:
  Residual:
    arguments: {out_channels: 8, kernel_size: 3, residual: true}
    layers:
      conv: {conv2d: {out_channels: $out_channels, kernel_size: $kernel_size, padding: same}}
      part:
        branches: {x: {identity: , when: $residual}, conv: identity}
        join: multiply
        from: conv
      sum: {add: [part, input]}
layers:
  - Residual
"""


def test_what_pytorch_would_take_in_silence_is_refused() -> None:
    """PyTorch would pad more on one side."""
    block = class_of(archc.loads(REFUSED).emit(), "Residual")
    block(in_channels=8)
    with pytest.raises(ValueError, match="`padding: same` needs an odd kernel size"):
        block(in_channels=8, kernel_size=4)


def test_a_class_broadcasts_as_pytorch_does() -> None:
    """Whichever of the two inputs has one channel."""
    block = class_of(archc.loads(REFUSED).emit(), "Residual")
    for channels, out_channels in ((1, 8), (8, 1), (8, 8)):
        assert block(channels, out_channels, residual=False)(torch.rand(2, channels, 5, 5)).shape == (2, 8, 5, 5)


def test_conditions_that_make_the_inputs_of_a_join_equal_need_no_guard() -> None:
    source = (ROOT / "generated/efficientnet_b0.py").read_text("utf-8")
    assert "residual = stride == 1 and in_channels == out_channels" in source
    assert "raise" not in source


def test_a_rule_for_a_layer_that_torch_lacks_names_its_class() -> None:
    """The file has its own copy of the class."""
    text = "name: Net\ninput: [4, 8, 8]\nlayers: [layer_norm2d]\ninit: [{match: layer_norm2d, weight: 0.5}]\n"
    made = emitted_class(archc.loads(text))()
    assert made.state_dict()["0.weight"].tolist() == [0.5] * 4
