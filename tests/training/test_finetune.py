"""Training that starts from weights: what is loaded, what begins anew, what stays frozen, and what it is worth."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from shell import Shell
from torch import Tensor, nn

import archc
from archc.problems import SpecError
from archc.training import Data, Images, load_recipe, resume_run
from archc.training.data import load_data

SPEC = """\
name: TinyResNet
input: [1, 8, 8]
arguments: {num_classes: 10, width: 16}
blocks:
  Residual:
    arguments: {out_channels: , stride: 1}
    layers:
      conv1: {conv2d: {out_channels: $out_channels, kernel_size: 3, stride: $stride, padding: 1, bias: false}}
      bn1: batch_norm2d
      relu1: relu
      conv2: {conv2d: {out_channels: $out_channels, kernel_size: 3, padding: same, bias: false}}
      bn2: batch_norm2d
      downsample:
        from: input
        when: $(stride != 1 or in_channels != out_channels)
        layers:
          - conv2d: {out_channels: $out_channels, kernel_size: 1, stride: $stride, bias: false}
          - batch_norm2d
      sum: {add: [bn2, downsample]}
      relu2: relu
layers:
  conv1: {conv2d: {out_channels: $width, kernel_size: 3, padding: same, bias: false}}
  bn1: batch_norm2d
  relu: relu
  layer1: [Residual: $width]
  layer2: [Residual: [$(2 * width), 2]]
  avgpool: {adaptive_avg_pool2d: 2}
  flatten: flatten
  fc: {linear: $num_classes}
"""

FAST: dict[str, Any] = {"quiet": True, "batch_size": 32}


@pytest.fixture(autouse=True)
def spec(folder: Path) -> None:
    (folder / "tiny.yaml").write_text(SPEC)


def half(first: int, count: int = 0) -> Data:
    """The digits from `first` to `first + 4`, as five classes."""
    digits = load_data("digits")

    def part(images: Any, count: int) -> Images:
        chosen = (images.labels >= first) & (images.labels < first + 5)
        found = Images(images.pixels[chosen], images.labels[chosen] - first)
        return found.first(count) if count else found

    parts = part(digits.train, count), part(digits.validation, 0)
    return Data(f"digits {first}", digits.classes[first : first + 5], *parts, mirrored=False)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits 0 to 4."""
    folder = tmp_path_factory.mktemp("pretrained")
    (folder / "tiny.yaml").write_text(SPEC)
    archc.train(folder / "tiny.yaml", half(0), epochs=6, lr=0.003, out=folder / "run", **FAST)
    return folder / "run"


def said(action: Any, *codes: str) -> str:
    with pytest.raises(SpecError) as caught:
        action()
    assert {problem.code for problem in caught.value.problems} == set(codes)
    return str(caught.value)


BODY = {"freeze": ["*", "!fc"]}


def test_fine_tuning_beats_training_from_scratch(pretrained: Path) -> None:
    """By 10 points and more of other classes' validation images with the same recipe, frozen and not."""
    options = {**FAST, "batch_size": 16, "epochs": 2, "optimizer": "sgd", "lr": 0.05, "warmup_epochs": 0}
    scratch = archc.train("tiny.yaml", half(5, 96), out="scratch", **options)
    free = archc.train("tiny.yaml", half(5, 96), weights=pretrained, out="free", **options)
    frozen = archc.train("tiny.yaml", half(5, 96), weights=pretrained, out="frozen", **options | BODY)
    assert free.best["val_accuracy"] >= scratch.best["val_accuracy"] + 0.1
    assert frozen.best["val_accuracy"] >= scratch.best["val_accuracy"] + 0.1


def test_frozen_parameters_and_statistics_stay_bit_for_bit(pretrained: Path) -> None:
    """Under weight decay, averaged weights and after a resumption, too; the head is trained."""
    start = load_file(pretrained / "best.safetensors")
    options = {**FAST, "out": "run", "weights": pretrained, "epochs": 1, "ema": 0.9, "decay_all": True, **BODY}
    archc.train("tiny.yaml", half(5, 64), **options)
    result = archc.train("tiny.yaml", half(5, 64), resume=True, **options | {"epochs": 2})
    assert [row["epoch"] for row in result.history] == [1, 2]
    for state in (result.model.state_dict(), load_file("run/best.safetensors")):
        assert {key for key in state if not torch.equal(state[key], start[key])} == {"fc.weight", "fc.bias"}


def test_without_freezing_statistics_follow_the_data(pretrained: Path) -> None:
    start = load_file(pretrained / "best.safetensors")
    options = {**FAST, "weights": pretrained, "epochs": 1, "out": "run"}
    state = archc.train("tiny.yaml", half(5, 64), freeze=["*.weight"], **options).model.state_dict()
    assert torch.equal(state["conv1.weight"], start["conv1.weight"])
    assert not torch.equal(state["bn1.running_mean"], start["bn1.running_mean"])
    assert not torch.equal(state["bn1.bias"], start["bn1.bias"])


def test_a_head_for_other_classes_begins_anew(pretrained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five digits have as many scores as five others; the same classes keep their head."""
    options = {**FAST, "weights": pretrained, "epochs": 1, "quiet": False}
    archc.train("tiny.yaml", half(5, 64), out="other", **options)
    assert "new head for 5 classes instead of other classes: fc\n" in capsys.readouterr().err
    archc.train("tiny.yaml", half(0, 64), out="same", **options)
    assert "new head" not in capsys.readouterr().err
    archc.train("tiny.yaml", "digits", out="ten", limit=64, **options)
    assert "new head for 10 classes instead of 5: fc\n" in capsys.readouterr().err


def test_a_run_brings_its_normalization(pretrained: Path) -> None:
    archc.train("tiny.yaml", half(5, 64), weights=pretrained, epochs=1, out="run", **FAST)
    before, after = load_recipe(pretrained / "recipe.yaml"), load_recipe(Path("run/recipe.yaml"))
    assert (after.mean, after.std) == (before.mean, before.std)
    archc.train("tiny.yaml", half(5, 64), epochs=1, out="scratch", **FAST)
    assert load_recipe(Path("scratch/recipe.yaml")).mean != before.mean


def photos(folder: Path, classes: int = 3, each: int = 4) -> Path:
    for number in range(classes):
        (folder / f"class{number}").mkdir(parents=True)
        for at in range(each):
            Image.new("RGB", (40, 32), (60 * number, 10 * at, 90)).save(folder / f"class{number}" / f"{at}.png")
    return folder


def test_torchvisions_weights_of_1000_classes_into_three(sh: Shell) -> None:
    """The command of the documentation: the head is new, every other tensor is loaded."""
    torch.manual_seed(1)
    state = torchvision.models.resnet18().state_dict()
    torch.save(state, "resnet18.pth")
    photos(Path("photos"))
    words = ["--data", "folder:photos", "--epochs", "1", "--batch-size", "4", "--resize", "32", "--workers", "0"]
    code, out, err = sh("train", "resnet18", "--weights", "resnet18.pth", *words, "--out", "run", "--freeze", "*")
    assert (code, out) == (1, "")
    assert "all are frozen" in err
    words += ["--freeze", "*", "--freeze", "!fc", "--out", "run"]
    code, _, err = sh("train", "resnet18", "--weights", "resnet18.pth", *words)
    assert code == 0, err
    line = "weights: 120 tensors from resnet18.pth; new head for 3 classes instead of 1,000: fc"
    assert line in err.splitlines()
    best = load_file("run/best.safetensors")
    assert best["fc.weight"].shape == (3, 512)
    assert {key for key in state if not torch.equal(state[key], best[key])} == {"fc.weight", "fc.bias"}
    facts = json.loads(Path("run/run.json").read_text())
    assert facts["weights"] == {
        "path": "resnet18.pth",
        "sha256": hashlib.sha256(Path("resnet18.pth").read_bytes()).hexdigest(),
    }
    Path("resnet18.pth").unlink()
    assert sh("train", "--resume", "run")[0] == 0  # the file is needed no more


def state_of_tiny(**settings: Any) -> dict[str, Tensor]:
    return archc.load("tiny.yaml").build(**settings).state_dict()


def test_weights_that_do_not_fit_are_refused(sh: Shell) -> None:
    """Another width, a layer more, a layer less: with the names, before a folder is made."""
    words = ["train", "tiny.yaml", "--epochs", "1", "--limit", "32", "--out", "run", "--weights"]
    save_file(state_of_tiny(width=8), "narrow.safetensors")
    code, _, err = sh(*words, "narrow.safetensors")
    assert code == 1
    assert "error[E0502]: `conv1.weight` is 8×1×3×3 in the file, but 16×1×3×3 in the network" in err
    state = state_of_tiny()
    save_file({**state, "neck.weight": torch.ones(2)}, "more.safetensors")
    assert "the network has no `neck.weight`" in sh(*words, "more.safetensors")[2]
    del state["layer1.0.conv1.weight"]
    save_file(state, "less.safetensors")
    assert "the file is missing `layer1.0.conv1.weight`" in sh(*words, "less.safetensors")[2]
    assert "error[E0501]" in sh(*words, "nowhere.pth")[2]
    Path("empty").mkdir()
    assert "error[E0705]" in sh(*words, "empty")[2]
    assert not Path("run").exists()


def test_a_hidden_layer_of_as_many_channels_as_classes_is_no_head() -> None:
    """A width that happens to be the number of classes does not begin anew."""
    save_file(state_of_tiny(width=16, num_classes=7), "seven.safetensors")
    report = said(
        lambda: archc.train("tiny.yaml", weights="seven.safetensors", settings={"width": 10}, limit=32, **FAST), "E0502"
    )
    assert "`conv1.weight` is 16×1×3×3 in the file, but 10×1×3×3 in the network" in report


class Own(nn.Module):
    """A network of a program, which cannot be built again for other classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Linear(64, 16)
        self.head = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.flatten(1)).relu())


def test_a_module_of_ones_own() -> None:
    torch.manual_seed(0)
    save_file(Own(4).state_dict(), "own.safetensors")
    options = {**FAST, "weights": "own.safetensors", "epochs": 1, "limit": 32, "freeze": ["body"]}
    model = archc.train(Own(10), out="run", **options).model
    assert torch.equal(model.body.weight, load_file("own.safetensors")["body.weight"])


def test_auxiliary_heads_of_the_file_are_ignored() -> None:
    """GoogLeNet's published weights have two, a network for fine-tuning may have none."""
    save_file({**Own(10).state_dict(), "aux1.fc.weight": torch.ones(2)}, "aux.safetensors")
    archc.train(Own(10), weights="aux.safetensors", out="run", epochs=1, limit=32, **FAST)


def test_the_input_transform_of_googlenet_and_inception(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's published weights of these two expect 0.5 and 0.5, whatever the file is called."""
    from archc.training import pretrained as module

    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), "any.pth")
    assert module.read_pretrained(Path("any.pth")).normalization(nn.Identity(), 3) == module.IMAGENET
    assert module.read_pretrained(Path("any.pth")).normalization(nn.Identity(), 1) is None
    assert [len(start) for start in module._transformed()] == [8, 8]
    digest = hashlib.sha256(Path("any.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(module, "_transformed", lambda: [digest[:8]])
    found = module.read_pretrained(Path("any.pth"))
    assert found.normalization(nn.Identity(), 3) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    theirs = torchvision.models.googlenet(weights=None, transform_input=True, aux_logits=False, init_weights=False)
    assert found.normalization(theirs, 3) == module.IMAGENET
    # The two ways are the same: torchvision's transform of ImageNet's levels, and levels of 0.5.
    levels = torch.rand(2, 3, 8, 8)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in module.IMAGENET)
    assert torch.allclose(theirs._transform_input((levels - mean) / std), (levels - 0.5) / 0.5, atol=1e-5)


def test_layers_learn_at_their_own_rates(sh: Shell) -> None:
    """The last pattern that fits holds; a step of SGD moves each layer by its factor."""
    words = ["train", "small.yaml", "--optimizer", "sgd", "--lr", "0.1", "--momentum", "0", "--weight-decay", "0"]
    words += ["--schedule", "constant", "--warmup-epochs", "0", "--limit", "64", "--batch-size", "64", "--epochs", "1"]
    words += ["--clip-norm", "0"]
    torch.manual_seed(0)
    start = archc.load("small.yaml").build().state_dict()
    save_file(start, "start.safetensors")
    words += ["--weights", "start.safetensors", "--precision", "fp32"]
    assert sh(*words, "--out", "plain")[0] == 0
    assert sh(*words, "--out", "scaled", "--lr-scale", "conv*=0.5", "--lr-scale", "conv2=0.25")[0] == 0
    plain, scaled = (load_file(f"{name}/best.safetensors") for name in ("plain", "scaled"))
    factors = {"conv1.weight": 0.5, "conv2.weight": 0.25, "fc.weight": 1.0}
    for key, factor in factors.items():
        assert torch.allclose(scaled[key] - start[key], factor * (plain[key] - start[key]), atol=1e-6)
    assert load_recipe(Path("scaled/recipe.yaml")).lr_scale == {"conv*": 0.5, "conv2": 0.25}


WRONG: dict[str, tuple[list[str], int, str]] = {
    "freeze nothing": (["--freeze", "layer9"], 1, "no parameter of Small matches `layer9`"),
    "freeze a typo": (["--freeze", "convv2"], 1, "did you mean `conv2`"),
    "scale nothing": (["--lr-scale", "layer9=0.1"], 1, "`lr_scale`: no parameter of Small matches `layer9`"),
    "scale what is frozen": (["--freeze", "conv1", "--lr-scale", "conv1=0.1"], 1, "matches `conv1`"),
    "no factor": (["--lr-scale", "conv1"], 2, "expected PATTERN=X"),
    "a factor of zero": (["--lr-scale", "conv1=0"], 2, "greater than 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_patterns_that_mean_nothing(sh: Shell, case: str) -> None:
    words, expected, message = WRONG[case]
    code, _, err = sh("train", "small.yaml", "--limit", "32", "--out", "run", *words)
    assert code == expected
    assert message in err
    assert not Path("run").exists()


def test_a_finished_run_continues_to_more_epochs(sh: Shell) -> None:
    """Where the schedule does not depend on the end, it becomes the longer run bit for bit."""
    options = {**FAST, "limit": 96, "schedule": "constant"}
    whole = archc.train("small.yaml", epochs=4, out="whole", **options)
    archc.train("small.yaml", epochs=2, out="run", **options)
    code, _, err = sh("train", "--resume", "run", "--epochs", "4")
    assert code == 0
    assert "the run continues to epoch 4 instead of 2\n" in err
    assert load_recipe(Path("run/recipe.yaml")) == load_recipe(Path("whole/recipe.yaml"))
    again = resume_run("run")
    assert again.losses == whole.losses
    one, other = whole.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert "`epochs: 4`, now `epochs: 3`" in said(lambda: resume_run("run", epochs=3), "E0706")
    assert "`lr: 0.001`, now `lr: 0.1`" in said(
        lambda: archc.train("small.yaml", epochs=5, lr=0.1, out="run", resume=True, **options), "E0706"
    )
