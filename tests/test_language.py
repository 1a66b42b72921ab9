"""Files, parameters and outputs of the language that single wrong specs do not show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from parity import assert_equal_modules, emitted_class, seeded

import archc
from archc.inference import Sizes, Stop
from archc.problems import SpecError

BASE = """
name: Base
description: the base
input: [3, 16, 16]
arguments: {width: 8, classes: 5, bn: false}
layers:
  conv: {conv2d: {out_channels: $width, kernel_size: 3}}
  norm: {batch_norm2d: , when: $bn}
  pool: {mean: }
  fc: {linear: $classes}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def codes(path: Path | str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        archc.load(str(path))
    return [problem.code for problem in caught.value.problems]


def test_extends_changes_parameters_input_and_name(folder: Path) -> None:
    (folder / "wide.yaml").write_text("extends: base.yaml\nname: Wide\ninput: [1, 8, 8]\narguments: {width: 16}\n")
    (folder / "wider.yaml").write_text("extends: wide.yaml\nname: Wider\narguments: {classes: 7}\n")
    wide, wider = archc.load("wide.yaml"), archc.load("wider.yaml")
    assert (wide.name, wide.input, wide.arguments) == ("Wide", (1, 8, 8), {"width": 16, "classes": 5, "bn": False})
    assert wider.arguments == {"width": 16, "classes": 7, "bn": False}
    assert '"""Wider: the base.' in wider.emit()


@pytest.mark.parametrize(
    ("given", "classes"),
    [("classes: $(width * 3)", 24), ("width: 4, classes: $(width * 3)", 12), ("classes: $(width * 3), width: 4", 12)],
)
def test_what_extends_may_compute_with_the_parameters_of_its_base(folder: Path, given: str, classes: int) -> None:
    """With their values as they are then, in whatever order they are given."""
    (folder / "child.yaml").write_text(f"extends: base.yaml\narguments: {{{given}}}\n")
    child = archc.load("child.yaml")
    assert child.outputs == {"output": (classes,)}
    assert_equal_modules(seeded(child.build), seeded(emitted_class(child)), torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("extends: base.yaml\narguments: {classes: $(widht * 3)}\n", "E0212"),
        ("extends: base.yaml\narguments: {width: $(classes * 3)}\n", "E0212"),
        ("extends: base.yaml\narguments: {width: $width}\n", "E0212"),
        ("extends: base.yaml\narguments: {width: $(1 // 0)}\n", "E0213"),
        ("extends: base.yaml\narguments: {with: 16}\n", "E0208"),
        ("extends: base.yaml\narguments: {widht: 16}\n", "E0216"),
        ("extends: base.yaml\narguments: {width: big}\n", "E0203"),
        ("extends: base.yaml\nlayers: [relu]\n", "E0203"),
        ("extends: base.yaml\nlayers: {fcc: {linear: 3}}\n", "E0224"),
        ("extends: base.yaml\nbranches: {conv: relu}\n", "E0224"),
        ("extends: base.yaml\narguments: {hidden: 3}\nlayers: {fc: {linear: $classes}}\n", "E0216"),
        ("extends: resnet05\n", "E0215"),
        ("extends: Other\n", "E0215"),
        ("extends: resnet50\nimport: {alexnet: [Bottleneck]}\n", "E0215"),
        ("extends: resnet50\nimport: {base2.yaml: [Act]}\nblocks: {Act: {layers: [relu]}}\n", "E0209"),
        ("extends: child.yaml\n", "E0215"),
        ("extends: ../base.yaml\n", "E0215"),
        ("extends: link.yaml\n", "E0215"),
        ("extends: bse.yaml\n", "E0215"),
        ("extends: base.yaml\nexpect: {parameters: 1}\n", "E0401"),
        ("input: [3, 8, 8]\nimport: {base.yaml: [Conv]}\nlayers: [relu]\n", "E0215"),
        ("input: [3, 8, 8]\nimport: {lib.yaml: [A], lib2.yaml: [A]}\nlayers: [A]\n", "E0209"),
        ("input: [3, 8, 8]\nimport: {lib.yaml: [A]}\nblocks: {A: {layers: [relu]}}\nlayers: [A]\n", "E0209"),
        ("input: [3, 8, 8]\nimport: {child.yaml: [A]}\nlayers: [A]\n", "E0215"),
    ],
)
def test_wrong_files(folder: Path, text: str, code: str) -> None:
    """Unknown parameters, other types, circles, files out of the folder: one problem each."""
    outside = folder.parent / f"{folder.name}-outside.yaml"
    outside.write_text(BASE)
    (folder / "link.yaml").symlink_to(outside)
    (folder / "base2.yaml").write_text("blocks: {Act: {layers: [relu]}}\n")
    for name in ("lib.yaml", "lib2.yaml"):
        (folder / name).write_text("blocks: {A: {layers: [relu]}}\n")
    (folder / "child.yaml").write_text(text)
    assert codes("child.yaml") == [code]


def test_imported_blocks_keep_the_blocks_of_their_own_file(folder: Path) -> None:
    (folder / "lib.yaml").write_text(
        "blocks:\n  Conv: {arguments: {c: }, layers: [{conv2d: {out_channels: $c, kernel_size: 1}}]}\n"
        "  Two: {layers: [{Conv: 4}, {Conv: 5}]}\n"
    )
    (folder / "net.yaml").write_text("input: [3, 8, 8]\nimport: {lib.yaml: [Two]}\nlayers: [Two]\n")
    assert archc.load("net.yaml").outputs == {"output": (5, 8, 8)}
    (folder / "clash.yaml").write_text(
        "input: [3, 8, 8]\nimport: {lib.yaml: [Two]}\nblocks: {Conv: {layers: [relu]}}\nlayers: [Two, Conv]\n"
    )
    clash = archc.load("clash.yaml")
    assert set(re.findall("^class (.+)[(]", clash.emit(), re.MULTILINE)) == {"LibConv", "Two", "Conv", "Clash"}
    assert_equal_modules(seeded(clash.build), seeded(emitted_class(clash)), torch.rand(1, 3, 8, 8))


def test_a_text_can_extend_and_import_bundled_specs_alone() -> None:
    with pytest.raises(SpecError) as caught:
        archc.loads("extends: base.yaml\n")
    assert caught.value.problems[0].code == "E0215"
    assert archc.loads("extends: resnet18\narguments: {num_classes: 10}\n").outputs == {"output": (10,)}
    imported = archc.loads("input: [8, 9, 9]\nimport: {resnet18: [BasicBlock]}\nlayers: [BasicBlock: 8]\n")
    assert imported.outputs == {"output": (8, 9, 9)}


def test_resnext_is_resnet_and_two_numbers() -> None:
    """25,028,904 parameters, as torchvision publishes for resnext50_32x4d; wide_resnet50_2 has 68,883,240."""
    resnext = "extends: resnet50\narguments: {groups: 32, width_per_group: 4}\nexpect: {parameters: 25028904}\n"
    archc.loads(resnext)
    archc.loads("extends: resnet50\narguments: {width_per_group: 128}\nexpect: {parameters: 68883240}\n")


def test_an_extension_replaces_blocks_entries_outputs_and_init(folder: Path) -> None:
    """Each by its name and in its place; what it does not name stays, its own parameters come behind the others."""
    (folder / "lib.yaml").write_text("blocks: {Act: {layers: [silu]}, Norm: {layers: [batch_norm2d]}}\n")
    (folder / "net.yaml").write_text(
        "input: [3, 16, 16]\narguments: {width: 8}\nimport: {lib.yaml: [Norm]}\n"
        "blocks: {Act: {layers: [relu]}, Conv: {layers: [conv2d: {out_channels: 4, kernel_size: 3}, Norm]}}\n"
        "layers: {a: {conv2d: {out_channels: $width, kernel_size: 1}}, b: Conv, c: Act, d: flatten, e: {linear: 10}}\n"
        "init: [{match: linear, bias: 0}]\nexpect: {output: [10]}\n"
    )
    (folder / "other.yaml").write_text(
        "extends: net.yaml\narguments: {width: 4, mid: $(width * 2)}\nimport: {lib.yaml: [Act]}\n"
        "blocks: {Norm: {layers: [identity]}}\n"
        "layers: {b: {conv2d: {out_channels: $mid, kernel_size: 1}}, e: identity, d: {max_pool2d: 2}}\n"
        "outputs: [b, e]\ninit: [{match: conv2d, bias: 0}]\n"
    )
    other = archc.load("other.yaml")
    assert other.outputs == {"b": (8, 16, 16), "e": (8, 8, 8)}
    assert list(other.build().state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert {type(module).__name__ for module in other.build().modules()} >= {"SiLU", "MaxPool2d"}
    assert not any(other.build().a.bias)
    assert_equal_modules(seeded(other.build), seeded(emitted_class(other)), torch.rand(1, 3, 16, 16))


def test_an_extension_of_branches(folder: Path) -> None:
    (folder / "net.yaml").write_text("input: [3, 8, 8]\nbranches: {a: relu, b: silu}\njoin: add\n")
    (folder / "other.yaml").write_text("extends: net.yaml\nbranches: {b: gelu}\njoin: concat\n")
    assert archc.load("other.yaml").outputs == {"output": (6, 8, 8)}
    assert [layer.kind for layer in archc.load("other.yaml").summary().layers] == ["relu", "gelu", "concat"]


def test_parameters_may_follow_from_others() -> None:
    """A default that is an expression follows the value given; it is no argument of its own."""
    text = """
input: [3, 8, 8]
arguments: {width: 8, hidden: $(width * 4)}
blocks:
  Mlp:
    arguments: {out: , mid: $(out * 2), kernel: [1, 3]}
    layers:
      - conv2d: {out_channels: $mid, kernel_size: $kernel, padding: same}
      - conv2d: {out_channels: $out, kernel_size: 1}
layers:
  a: {Mlp: $hidden}
  b: {Mlp: {out: 4, mid: 6}}
  c: {Mlp: {out: 4, kernel: [3, 1]}}
"""
    architecture = archc.loads(text)
    assert architecture.arguments == {"width": 8, "hidden": 32}
    assert architecture.configure(width=2).arguments == {"width": 2, "hidden": 8}
    built, emitted = seeded(lambda: architecture.build(width=2)), seeded(lambda: emitted_class(architecture)(width=2))
    assert_equal_modules(built, emitted, torch.rand(1, 3, 8, 8))


def test_a_file_without_a_name_is_called_after_itself(folder: Path) -> None:
    (folder / "my-net 2.yaml").write_text(BASE.replace("name: Base\n", ""))
    (folder / "3net.yaml").write_text(BASE.replace("name: Base\n", ""))
    assert archc.load("my-net 2.yaml").name == "MyNet2"
    assert archc.load("3net.yaml").name == "Network3net"


def test_configure_refuses_what_does_not_fit(folder: Path) -> None:
    architecture = archc.load("base.yaml")
    for settings, code in [
        ({"widht": 3}, "E0216"),
        ({"width": "a"}, "E0203"),
        ({"bn": 1}, "E0203"),
        ({"width": True}, "E0203"),
    ]:
        with pytest.raises(SpecError) as caught:
            architecture.configure(**settings)  # type: ignore[arg-type]
        assert [problem.code for problem in caught.value.problems] == [code]
    assert architecture.configure() is architecture


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        ("[{conv2d: {out_channels: 2, kernel_size: 3, stride: 2}}, flatten, {linear: 3}]", range(1, 24)),
        ("{a: {max_pool2d: 2}, b: {avg_pool2d: {kernel_size: 3, stride: 2, padding: 1}, from: input}, c: {concat: [a, b]}}", range(1, 24)),  # noqa: E501
        ("[{conv2d: {out_channels: 2, kernel_size: [5, 1]}}, {max_pool2d: {kernel_size: [1, 4], ceil_mode: true}}]", range(1, 12)),  # noqa: E501
        ("[{pad: {padding: 3, mode: reflect}}, {adaptive_avg_pool2d: [4, null]}, {upsample: {scale_factor: 0.4}}]", range(1, 12)),  # noqa: E501
        ("[{layer_norm: }, relu]", range(1, 24)),
    ],
)  # fmt: skip
def test_legal_sizes_are_those_at_which_torch_runs(layers: str, sizes: range) -> None:
    """For every size, archc says legal exactly when the network, built for 16×16, runs; min_input is legal."""
    architecture = archc.loads(f"input: [3, 16, 16]\nlayers: {layers}\n")
    model = architecture.build().eval()
    known = Sizes(architecture.network)
    for height in sizes:
        for width in sizes:
            try:
                with torch.no_grad():
                    runs = model(torch.zeros(1, 3, height, width)).numel() > 0
            except RuntimeError:
                runs = False
            assert known.legal(height, width) == runs, (height, width)
    height, width = architecture.min_input
    assert known.legal(height, width)
    assert not any(known.legal(h, 16) for h in range(1, height))


def test_receptive_fields_cover_all_branches() -> None:
    """Where branches meet, the field covers the widest; strides multiply the jump; a global layer sees everything."""
    text = """
input: [3, 32, 32]
layers:
  stem: {conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}}
  mixed:
    branches:
      a: {conv2d: {out_channels: 8, kernel_size: 1}}
      b: {conv2d: {out_channels: 8, kernel_size: 3, padding: same}}
      c:
        - conv2d: {out_channels: 8, kernel_size: [1, 7], padding: same}
        - conv2d: {out_channels: 8, kernel_size: 5, padding: same}
    join: concat
  pool: {adaptive_avg_pool2d: 1}
"""
    rows = {row.path: row for row in archc.loads(text).summary().layers}
    assert rows["stem"].receptive_field == (3, 3)
    assert rows["stem"].jump == (2.0, 2.0)
    assert rows["mixed.b"].receptive_field == (7, 7)
    assert rows["mixed.c.1"].receptive_field == (3 + 4 * 2, 3 + 10 * 2)
    assert rows["mixed.join"].receptive_field == rows["mixed.c.1"].receptive_field
    assert rows["pool"].receptive_field == (15 * 2 + 11, 15 * 2 + 23)


def test_a_linear_layer_binds_a_built_network_to_its_size() -> None:
    """E0402 is what the search for the smallest input meets: an adaptive pooling frees the size."""
    text = "input: [3, 32, 32]\nlayers: [{}flatten, {{linear: 10}}]\n"
    stop = Sizes(archc.loads(text.format("")).network).outputs(16, 16)
    assert isinstance(stop, Stop)
    assert stop.fault.code == "E0402"
    assert Sizes(archc.loads(text.format("{adaptive_avg_pool2d: 4}, ")).network).legal(16, 16)
