"""The emitted source: what a reader sees, and that nothing of a spec escapes into code."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from parity import assert_equal_modules, class_of, emitted_class, seeded

import archc
from archc.emit.layout import WIDTH
from archc.library import bundled

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


def test_every_bundled_spec_has_its_generated_file() -> None:
    assert [path.stem for path in GENERATED] == list(bundled())


EXPECTED_CLASSES = {
    "expressions": ["Signs", "Expressions"],
    "heads_without_modules": ["Concat", "Add", "Within", "HeadsWithoutModules"],
    "heads_named_as_parameters": ["HeadsNamedAsParameters"],
    "convnext": ["StochasticDepth", "Block", "ConvNeXtish"],
    "densenet": ["DenseLayer", "DenseBlock", "Transition", "DenseNet"],
    "indexed": ["Indexed"],
    "init_of_an_optional_layer": ["Optional"],
    "loops": ["Fold", "Optional", "Turns", "Tower_2", "LoopsPart", "Loops"],
    "mobilenet_v2": ["ConvNormActivation", "InvertedResidual", "Residual", "MobileNetV2"],
    "mobilenet_v3": ["StochasticDepth", "SqueezeExcitation", "Bneck", "MobileNetV3"],
    "multi_output": ["Mean", "Down", "Mixed", "TwoHeads"],
    "names": ["Nested", "Deeper", "Names"],
    "part_handed_on": ["PartHandedOn"],
    "shufflenet": ["Unit", "ShuffleNetV2"],
    "stages": ["Stage", "Drops", "Unit", "Shortcut", "Stages"],
    "structure": ["Opt", "Conv", "Structure"],
    "unet": ["DoubleConv", "UNet"],
    "values": ["Values"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_one_class_a_block_however_its_instances_differ(name: str) -> None:
    """Conditions become `if`, repeats of different length a loop: never a class an instance."""
    assert classes(archc.load(NETWORKS[name]).emit()) == EXPECTED_CLASSES[name]


def test_a_repeat_of_growing_layers_becomes_a_loop() -> None:
    source = archc.load(NETWORKS["densenet"]).emit()
    assert "*(DenseLayer(in_channels + growth_rate * i, growth_rate) for i in range(num_layers))," in source


def test_a_condition_that_differs_becomes_an_if() -> None:
    source = archc.load("resnet18").emit()
    assert "        if stride != 1 or in_channels != out_channels:\n            self.downsample = nn.Seq" in source


def test_a_flag_of_the_network_stays_an_argument() -> None:
    source = archc.load("googlenet").emit()
    assert "aux_logits: bool = True" in source
    assert "        if aux_logits:\n            self.aux1 = " in source


def test_a_parameter_that_decides_the_structure_is_no_argument() -> None:
    """`width` in a `when`, `depth` in a repeat, `widths` in a for-each: resolved; `se`, `p` and `k` stay."""
    source = archc.load(NETWORKS["structure"]).emit()
    assert "    def __init__(self, se: bool = True, p: float = 0.1, k: int = 3) -> None:\n" in source


@pytest.mark.parametrize(
    ("layers", "kept"),
    [
        ("[{conv2d: {out_channels: 8, kernel_size: $k}}, flatten, {linear: 10}]", ""),
        (
            "[{conv2d: {out_channels: 8, kernel_size: $k}}, {adaptive_avg_pool2d: 4}, flatten, {linear: 10}]",
            "k: int = 3",
        ),
        ("[{conv2d: {out_channels: 8, kernel_size: $k, padding: same}}, flatten, {linear: 10}]", "k: int = 3"),
        ("[{conv2d: {out_channels: $(8 if k == 3 else k // 0), kernel_size: $k, padding: same}}]", ""),
        ("[{conv2d: {out_channels: $(k * 2), kernel_size: 1}}, {group_norm: $k}]", "k: int = 3"),
        ("[{conv2d: {out_channels: 9, kernel_size: 1}}, {group_norm: $k}]", ""),
    ],
)
def test_an_argument_works_for_other_values(layers: str, kept: str) -> None:
    """A parameter whose other values need other numbers elsewhere, or fit nowhere near, is written out."""
    source = archc.loads(f"name: Net\ninput: [3, 32, 32]\nparameters: {{k: 3}}\nlayers: {layers}\n").emit()
    assert f"    def __init__(self{', ' if kept else ''}{kept}) -> None:\n" in source


STAGE = """{parameters: {width: , depth: }, layers: [{repeat: $depth, layers: [
  {conv2d: {out_channels: $width, kernel_size: 1}}, relu]}]}"""


@pytest.mark.parametrize(
    ("parameters", "layers", "kept"),
    [
        ("k: 3", "{conv2d: {out_channels: 4, kernel_size: $k, stride: 2}}, flatten, {linear: 10}", ""),
        ("k: 3, p: 1", "{conv2d: {out_channels: 4, kernel_size: $k, padding: $p, stride: 4}}, flatten, {linear: 9}", ""),  # noqa: E501
        ("k: 5", "{conv2d: {out_channels: 4, kernel_size: 3}}, {max_pool2d: $k}, layer_norm", ""),
        ("k: 3", "{Part: [$k]}, flatten, {linear: 10}", ""),
        ("k: 3", "{conv2d: {out_channels: 4, kernel_size: $k, stride: 2}}, {layers: [relu, {Tail: }]}", ""),
        ("w: 32", "{conv2d: {out_channels: 4, kernel_size: $(3 if w > 16 else 5)}}, flatten, {linear: $w}", ""),
        ("w: 32", "{max_pool2d: 2, when: $(w > 16)}, {conv2d: {out_channels: $w, kernel_size: 1}}", "w: int = 32"),
        ("d: 2", "{Stage: [16, $d]}, batch_norm2d", ""),
        ("act: gelu", "{conv2d: {out_channels: 4, kernel_size: $(3 if act == 'relu' else 5)}}, flatten, {linear: 9}", ""),  # noqa: E501
        ("act: gelu", "{Act: [$act]}, {Act: [relu]}, batch_norm2d", ""),
        ("act: gelu", "{conv2d: {out_channels: 4, kernel_size: 1, bias: $(act == 'relu')}}", 'act: str = "gelu"'),
        ("c: [3, relu]", "{conv2d: {out_channels: 4, kernel_size: '$(c[0])'}}, flatten, {linear: 10}", ""),
        ("k: 3", "{conv2d: {out_channels: 4, kernel_size: $(3 if k > 2 or 8 // (k - 3) else 5)}}, {max_pool2d: $k}", ""),  # noqa: E501
        ("k: 3", "{conv2d: {out_channels: 4, kernel_size: 1, padding_mode: $('zeros' if k < 6 else 'reflect')}}, {max_pool2d: $k}", ""),  # noqa: E501
        ("k: 3", "{pad: '$([1, 1, 1, 1] if k > 2 else [2, 2, 2, 2])'}, {max_pool2d: $k}", ""),
        ("k: 3, w: 4", "{Part: [$k]}, {adaptive_avg_pool2d: 2}, flatten, {linear: $w}", "k: int = 3, w: int = 4"),
        ("k: 3", "{Part: [$k]}, {upsample: {size: 4}}, flatten, {linear: 10}", "k: int = 3"),
        ("k: 3", "{Part: [$k]}, {mean: }, {linear: 10}", "k: int = 3"),
        ("n: true", "{batch_norm2d: , when: $n}, flatten, {linear: 10}", "n: bool = True"),
    ],
)  # fmt: skip
def test_what_a_literal_follows_from_is_no_argument(parameters: str, layers: str, kept: str) -> None:
    """A size behind a `flatten`, a structure that is written out, a word: no other value would fit, near or far."""
    architecture = archc.loads(f"""
name: Net
input: [3, 32, 32]
parameters: {{{parameters}}}
blocks:
  Part: {{parameters: {{k: }}, layers: [{{conv2d: {{out_channels: 4, kernel_size: $k, stride: 2}}}}, relu]}}
  Tail: {{layers: [flatten, {{linear: 10}}]}}
  Act: {{parameters: {{act: }}, layers: [{{conv2d: {{out_channels: 4, kernel_size: 1}}, when: $(act == 'relu')}}]}}
  Stage: {STAGE}
layers: [{layers}]
""")
    source = architecture.emit()
    assert f"    def __init__(self{', ' if kept else ''}{kept}) -> None:\n" in source.split("class Net(")[1]
    others = {"k": [1, 2, 7], "w": [1, 9, 99], "n": [False], "act": ["relu"]}
    for name in (part.split(":")[0] for part in kept.split(", ") if kept):
        for value in others[name]:
            settings = {name: value}
            built = seeded(lambda settings=settings: architecture.build(**settings))
            emitted = seeded(lambda settings=settings: class_of(source, "Net")(**settings))
            assert_equal_modules(built, emitted, torch.rand(2, 3, 32, 32))


def test_a_blocks_class_has_no_argument_that_lies() -> None:
    """A default was that of an instance; what a size, an unrolled loop or a word follows from is written out."""
    source = archc.loads("""
name: Net
input: [3, 32, 32]
blocks:
  Pairs:
    parameters: {w: , k: 3}
    layers: [{conv2d: {out_channels: $w, kernel_size: $k, padding: same}}]
  Unrolled:
    parameters: {d: , p: }
    layers: [{repeat: $d, index: i, layers: [relu, {dropout: $(p / (d - i))}]}]
  Wide:
    parameters: {w: , e: 1}
    layers:
      a: {conv2d: {out_channels: $(w * e), kernel_size: 1}, when: $(e != 1)}
      b: {conv2d: {out_channels: $w, kernel_size: 1}}
  Head:
    parameters: {k: 3, w: 4}
    layers: [{conv2d: {out_channels: $w, kernel_size: $k}}, flatten, {linear: $w}]
layers: [{Pairs: {w: 4, k: [3, 5]}}, {Unrolled: [2, 0.5]}, {Wide: [8, 2]}, {Head: {k: 5}}]
""").emit()
    for name, signature in {
        "Pairs": "in_channels: int, w: int, k: tuple[int, int]",
        "Unrolled": "p: float",
        "Wide": "in_channels: int, w: int, e: int",
        "Head": "in_channels: int, w: int = 4",
    }.items():
        assert f"    def __init__(self, {signature}) -> None:\n" in source.split(f"class {name}(")[1]


def test_structures_that_cannot_share_a_class_get_telling_names() -> None:
    text = """
name: Net
input: [3, 32, 32]
blocks:
  Stage:
    parameters: {widths: , act: }
    layers:
      - {for: c, in: $widths, layers: [{conv2d: {out_channels: $c, kernel_size: 3, padding: same}}]}
      - {relu: , when: $(act == 'relu')}
layers:
  a: {Stage: [[8, 16], relu]}
  b: {Stage: [[8], none]}
  c: {Stage: [[8, 16], none]}
"""
    source = archc.loads(text).emit()
    assert classes(source) == ["Stage8x16", "Stage8", "Net"]
    architecture = archc.loads(text)
    built, emitted = seeded(architecture.build), seeded(emitted_class(architecture))
    assert_equal_modules(built, emitted, torch.rand(1, 3, 32, 32))


def test_bodies_without_a_name_are_called_as_their_entries() -> None:
    """The turns of a loop have each the name of its entry; the number of an entry that is left out is no name."""
    source = archc.loads("""
name: Net
input: [4, 16, 16]
blocks:
  Gate:
    parameters: {w: , wide: }
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
    assert "Without0" not in source
    assert classes(source)[:3] == ["Stage0", "Stage1", "Stage2"]


def test_an_expression_that_grows_too_long_becomes_its_number() -> None:
    """Channels that are halved and joined again and again: the source has numbers, and works."""
    text = """
name: Net
input: [3, 16, 16]
parameters: {width: 16}
blocks:
  Half:
    branches:
      skip: identity
      new: {conv2d: {out_channels: $(in_channels // 2), kernel_size: 1}}
    join: concat
layers:
  - {conv2d: {out_channels: $width, kernel_size: 1}}
  - {Half: , repeat: 10}
  - batch_norm2d
"""
    architecture = archc.loads(text)
    built, emitted = seeded(architecture.build), seeded(emitted_class(architecture))
    assert_equal_modules(built, emitted, torch.rand(2, 3, 16, 16))


def test_an_optional_branch_names_its_classes() -> None:
    """A shortcut that only some instances have: a plain `+ x` in the one class, told by its absence in the other."""
    text = """
name: Net
input: [8, 32, 32]
blocks:
  Residual:
    parameters: {out_channels: , stride: 1}
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
    source = archc.loads(text).emit()
    assert classes(source) == ["Residual", "ResidualWithoutShortcut", "Net"]
    assert "        x = self.conv(x) + x\n" in source


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
parameters: {a_first_width_with_a_long_name: 8, a_second_width_with_a_long_name: 16, a_third_with_a_long_name: 4}
blocks:
  ABlockWithARatherLongName:
    parameters: {first_width_with_a_long_name: , second_width_with_a_long_name: , kernel_size: 3, dilation: 1,
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
  - {layers: a_head.fc, weight: {trunc_normal: {mean: 0.1, std: 0.01, a: -1, b: 1}}, bias: -0.5}
"""


def test_emitted_files_are_formatted_linted_and_typed(tmp_path: Path) -> None:
    """The formatter changes nothing, ruff's default rules and mypy --strict find nothing."""
    write_all(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for command in (
        ["ruff", "format", "--check", "--diff", "."],
        ["ruff", "check", "--isolated", "--select", "E4,E7,E9,F,I,UP,B,C4,SIM,PIE", "."],
        ["mypy", "--strict", "--no-incremental", "."],
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


def test_no_name_hides_a_module_that_the_file_holds() -> None:
    """archc's own modules are told from the kinds, without torch; blocks and parameters are called otherwise."""
    from archc.build import modules
    from archc.language.names import HELPERS, class_name_fault, parameter_name_fault

    own = {name for name, value in vars(modules).items() if getattr(value, "__module__", "") == modules.__name__}
    assert own == HELPERS
    assert all(class_name_fault(name) and parameter_name_fault(name) for name in own)


def test_text_arguments_are_escaped_literals() -> None:
    hostile = 'relu"); import os; ("'
    text = f"""
name: Net
input: [3, 8, 8]
blocks:
  Part:
    parameters: {{act: }}
    layers:
      conv: {{conv2d: {{out_channels: 4, kernel_size: 1}}}}
      relu: {{relu: , when: $(act == 'relu')}}
layers:
  a: {{Part: relu}}
  b: {{Part: {hostile!r}}}
"""
    source = archc.loads(text).emit()
    assert 'Part(4, "relu\\"); import os; (\\"")' in source
    made = class_of(source, "Net")()
    assert made.state_dict().keys() == {"a.conv.weight", "a.conv.bias", "b.conv.weight", "b.conv.bias"}
