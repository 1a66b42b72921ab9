"""archc train, eval and predict: what is taken, what is told, what is left behind."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from shell import Shell
from texts import texts_of
from torch import nn

import archc
from archc.problems import SpecError
from archc.reading import read_text
from archc.training import load_recipe
from archc.training.model import spec_files
from archc.training.recipe import Recipe, bundled_recipes, parse_recipe, recipe_text

SHORT = ["--epochs", "2", "--limit", "64", "--batch-size", "32"]


def test_the_default_recipe_learns_digits() -> None:
    """95 % and more of the validation images, as the demo shows."""
    result = archc.train("small_convnet", "digits", epochs=6, quiet=True, out="run")
    assert result.best["val_accuracy"] >= 0.95


def test_a_run_leaves_its_files_behind(sh: Shell) -> None:
    code, out, err = sh("train", "small.yaml", *SHORT, "--out", "run", "--set", "width=4")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["epoch", "1/2"], ["epoch", "2/2"], ["best:", "epoch"]]
    assert "64 training images and 64 validation images, input 1×8×8, 10 classes" in err
    names = {path.name for path in Path("run").iterdir()}
    assert names >= {"metrics.csv", "curves.svg", "losses.csv", "recipe.yaml", "spec.yaml", "small.yaml", "run.json"}
    assert names >= {"best.safetensors", "last"}
    rows = list(csv.DictReader(Path("run/metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert len(Path("run/losses.csv").read_text().splitlines()) == 5
    assert {"Small on digits", "loss", "accuracy", "training", "validation"} <= {*texts_of(Path("run/curves.svg"))}
    facts = json.loads(Path("run/run.json").read_text())
    assert facts["versions"]["torch"] == torch.__version__
    kept = archc.load("run/spec.yaml")
    assert (kept.name, kept.input, kept.arguments["width"]) == ("Small", (1, 8, 8), 4)
    assert load_recipe("run/recipe.yaml").batch_size == 32


def test_a_run_keeps_copies_of_the_bundled_specs_that_its_spec_names(tmp_path: Path) -> None:
    """Under names of files, so that the run stays the same network when the bundled specs change."""
    path = tmp_path / "resnet50.yaml"
    path.write_text(
        "extends: resnet50\nname: Mine\nimport:\n  resnet18: [BasicBlock]\n  googlenet: [Inception]\n", "utf-8"
    )
    files = spec_files(archc.load(path))
    assert files.keys() == {
        "spec.yaml", "resnet50.yaml", "resnet50_bundled.yaml", "resnet18.yaml", "googlenet.yaml"
    }  # fmt: skip
    assert files["resnet50.yaml"].splitlines() == [
        "extends: resnet50_bundled.yaml",
        "name: Mine",
        "import:",
        "  resnet18.yaml: [BasicBlock]",
        "  googlenet.yaml: [Inception]",
    ]
    run = tmp_path / "run"
    run.mkdir()
    for name, text in files.items():
        (run / name).write_text(text, "utf-8")
    assert archc.load(run / "spec.yaml").summary().parameters == 25_557_032


def test_a_second_run_gets_a_folder_of_its_own(sh: Shell) -> None:
    for _ in range(2):
        assert sh("train", "small.yaml", *SHORT, "--epochs", "1")[0] == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["small-digits", "small-digits-2"]
    code, _, err = sh("train", "small.yaml", *SHORT, "--out", "runs/small-digits")
    assert code == 1
    assert "error[E0705]: `runs/small-digits` already contains a run" in err
    assert "--resume runs/small-digits" in err


def test_eval_and_predict(sh: Shell) -> None:
    sh("train", "small.yaml", "--epochs", "3", "--out", "run")
    best = max(float(row["val_accuracy"]) for row in csv.DictReader(Path("run/metrics.csv").read_text().splitlines()))
    code, out, _ = sh("eval", "run", "--format", "json")
    score = json.loads(out)
    assert (code, score["images"]) == (0, 360)
    assert score["accuracy"] == pytest.approx(best, abs=1e-6)
    assert "360 images, loss " in sh("eval", "run/best.safetensors")[1]
    Image.new("L", (30, 20), 90).save("grey.png")
    code, out, _ = sh("predict", "run", "grey.png", "--top", "3")
    assert code == 0
    assert out.splitlines()[0] == "grey.png"
    assert len(out.splitlines()) == 4
    (found,) = json.loads(sh("predict", "run", "grey.png", "--top", "10", "--format", "json")[1])
    assert sum(found["classes"].values()) == pytest.approx(1)
    assert list(found["classes"].values()) == sorted(found["classes"].values(), reverse=True)


def test_eval_and_predict_of_what_does_not_fit(sh: Shell) -> None:
    sh("train", "small.yaml", *SHORT, "--out", "run")
    assert "`0` is `disc` there" in sh("eval", "run", "--data", "shapes:16:20")[2]
    assert "cannot be read as an image" in sh("predict", "run", "small.yaml")[2]
    assert "`nowhere` is not a run folder" in sh("eval", "nowhere")[2]
    for text in ("{", "{}", "[]", json.dumps({**json.loads(Path("run/run.json").read_text()), "input": None})):
        Path("run/run.json").write_text(text)
        assert "`run` is not a run folder" in sh("eval", "run")[2]
        assert "`run` is not a run folder" in sh("train", "--resume", "run")[2]
    archc.train(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), out="own", epochs=1, limit=32, quiet=True)
    assert "came from Python" in sh("eval", "own")[2]


FILE = """
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.fc = nn.Linear(64, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1)).relu()


class First(nn.Module):
    def __init__(self, num_classes: int = 3, width: int = 8) -> None:
        super().__init__()
        self.block = Block(width)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.block(x))
"""


def test_a_file_of_ones_own(sh: Shell) -> None:
    """Its network is the class that no other class uses; the run keeps the file and goes on from it."""
    Path("own.py").write_text(FILE)
    assert sh("train", "own.py", *SHORT, "--out", "run", "--set", "width=16")[0] == 0
    assert Path("run/model.py").read_text() == FILE
    Path("own.py").unlink()
    assert sh("eval", "run")[0] == 0
    assert sh("train", "--resume", "run")[0] == 0
    Path("own.py").write_text(FILE + "\n\nclass Second(First):\n    pass\n")
    code, _, err = sh("train", "own.py", *SHORT)
    assert code == 1
    assert "2 classes that can be a whole network: `First`, `Second`" in err
    assert sh("train", "own.py:Second", *SHORT)[0] == 0
    assert sh("train", "own:Second", *SHORT)[0] == 0


MODELS: dict[str, tuple[list[str], str]] = {
    "no such spec": (["smal_convnet"], "did you mean `small_convnet`?"),
    "no such file": (["nowhere.py"], "`nowhere.py` cannot be read"),
    "no such class": (["own.py:Frist"], "did you mean `First`?"),
    "no such module": (["nowhere.at.all:Net"], "cannot be imported: ModuleNotFoundError"),
    "a file with an error": (["broken.py"], "cannot be imported: ZeroDivisionError"),
    "no such argument": (["own.py", "--set", "widht=3"], "did you mean `width`?"),
    "an argument it cannot take": (["own.py", "--set", "width=wide"], "`First` cannot be created"),
    "no module": (["own.py:nothing"], "is not an nn.Module but NoneType"),
    "no such parameter": (["small.yaml", "--set", "widht=3"], "did you mean `width`?"),
    "no such recipe": (["small.yaml", "--recipe", "notbook"], "did you mean `notebook`?"),
    "a recipe that is none": (["small.yaml", "--recipe", "own.py"], "error[E01"),
    "a folder as recipe": (["small.yaml", "--recipe", "."], "is a folder, not a recipe file"),
    "no such device": (["small.yaml", "--device", "cuda"], "error[E0709]"),
    "a device of another kind": (["small.yaml", "--device", "mps"], "not on `mps`"),
    "a device without a number": (["small.yaml", "--device", "cuda:first"], "not on `cuda:first`"),
    "parts that do not divide": (["small.yaml", "--batch-size", "5", "--accumulate", "2"], "--batch-size 4"),
    "shards and averages": (["small.yaml", "--shard", "--ema", "0.9"], "error[E0701]"),
    "another number of classes": (["small.yaml", "--set", "num_classes=5"], "remove `num_classes`"),
    "no such run": (["--resume", "nowhere"], "error[E0705]"),
}


@pytest.mark.parametrize("case", MODELS)
def test_wrong_use_is_answered(sh: Shell, case: str) -> None:
    """Exit code 1, one clear message, and no folder of a run."""
    if case == "no such device" and torch.cuda.is_available():
        pytest.skip("it is there")
    Path("own.py").write_text(FILE + "\n\ndef nothing():\n    return None\n")
    Path("broken.py").write_text("1 / 0\n")
    words, message = MODELS[case]
    code, out, err = sh("train", *words)
    assert (code, out) == (1, "")
    assert message in err
    assert not Path("runs").exists()


NORMALISED = """
name: Normalised
input: [1, 8, 8]
arguments: {num_classes: 10}
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3}}
  pool: {adaptive_avg_pool2d: 1}
  bn: batch_norm2d
  flatten: flatten
  fc: {linear: $num_classes}
"""


def test_a_network_without_weights_is_refused(sh: Shell) -> None:
    text = "name: Pooled\ninput: [1, 8, 8]\nlayers: [{adaptive_avg_pool2d: [2, 5]}, flatten]\n"
    Path("pooled.yaml").write_text(text)
    code, out, err = sh("train", "pooled.yaml", "--epochs", "1", "--out", "run")
    assert (code, out) == (1, "")
    assert "error[E0704]: Pooled has no weights to train" in err
    assert not Path("run").exists()


def test_an_image_alone_is_refused_before_the_first_step(sh: Shell) -> None:
    """Batch norm of a 1×1 map has no variance with one image; what is proposed works, and other networks go on."""
    Path("norm.yaml").write_text(NORMALISED)
    words = ["--epochs", "1", "--limit", "33", "--batch-size"]
    code, out, err = sh("train", "norm.yaml", *words, "32", "--out", "run")
    assert (code, out) == (1, "")
    assert (
        "error[E0703]: Normalised cannot be trained on a single image, but 33 images in batches of 32 leave one" in err
    )
    assert "Expected more than 1 value per channel" in err
    assert "--batch-size 33 avoids a batch of one image" in err
    assert not Path("run").exists()
    assert sh("train", "norm.yaml", *words, "33", "--out", "run")[0] == 0
    code, _, err = sh(
        "train", "norm.yaml", "--epochs", "1", "--limit", "34", "--batch-size", "34", "--accumulate", "33"
    )
    assert (code, "not divisible" in err) == (1, True)
    assert "train on more images" in sh("train", "norm.yaml", "--epochs", "1", "--limit", "1")[2]
    assert sh("train", "small.yaml", *words, "32", "--out", "small")[0] == 0


USAGE: dict[str, tuple[list[str], str]] = {
    "nothing": ([], "give a MODEL to train"),
    "a rate below zero": (["small.yaml", "--lr", "-1"], "should be greater than 0, got -1"),
    "a word for a number": (["small.yaml", "--epochs", "many"], "should be a valid integer"),
    "an unknown choice": (["small.yaml", "--optimizer", "adamm"], "'sgd', 'adamw'"),
    "resume and out": (["small.yaml", "--resume", "a", "--out", "b"], "remove --out"),
    "resume with a recipe": (["--resume", "a", "--lr", "0.1"], "change the number of epochs only"),
    "no number of images": (["small.yaml", "--limit", "0"], "expected a positive integer, got '0'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage(sh: Shell, case: str) -> None:
    words, message = USAGE[case]
    code, _, err = sh("train", *words)
    assert code == 2
    assert message in err
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", bundled_recipes())
def test_a_recipe_is_what_it_writes(name: str) -> None:
    recipe = load_recipe(name)
    assert parse_recipe(read_text(recipe_text(recipe), name, "recipe")) == recipe
    assert recipe.description


def test_the_default_recipe_is_the_defaults() -> None:
    assert load_recipe().model_copy(update={"description": "", "pad": 0}) == Recipe()


def test_faults_of_a_recipe_are_told_at_their_places() -> None:
    text = "lr: 0\nschedule: cosine\ngamma: 0.5\nbatch_sise: 3\nmean: [1, x]\n"
    with pytest.raises(SpecError) as caught:
        parse_recipe(read_text(text, "r.yaml", "recipe"))
    found = [(p.code, p.mark and (p.mark.line, p.mark.column)) for p in caught.value.problems]
    assert found == [("E0203", (1, 5)), ("E0201", (4, 1)), ("E0203", (5, 7))]
    with pytest.raises(SpecError) as caught:
        parse_recipe(read_text("schedule: cosine\ngamma: 0.5\n", "r.yaml", "recipe"))
    assert "`gamma` changes nothing: the schedule is `cosine`, not `step`" in str(caught.value)
    with pytest.raises(SpecError) as caught:
        load_recipe("default", lr=-1, lerning_rate=2, schedul="step", wings=2)
    assert [problem.code for problem in caught.value.problems] == ["E0203", "E0201", "E0201", "E0201"]
    said = str(caught.value)
    assert "did you mean `lr`?" in said
    assert "did you mean `schedule`?" in said
    assert "lists the fields" in said


def test_every_field_is_an_option(sh: Shell) -> None:
    out = sh("train", "--help")[1]
    assert all(f"--{name.replace('_', '-')}" in out for name in Recipe.model_fields if name != "description")


def test_a_terminal_shows_a_bar() -> None:
    """On a pseudo terminal: loss, accuracy, images per second and the time left."""
    import os
    import pty
    import termios

    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 120))
    words = ["train", "small.yaml", "--epochs", "1", "--batch-size", "1", "--out", "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "archc", *words],
        stdout=subprocess.DEVNULL,
        stderr=follower,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert "epoch 1" in text
    assert "loss " in text
    assert "accuracy " in text
    assert "images/s" in text
    assert " left" in text


def test_train_is_reachable_from_archc_without_importing_torch() -> None:
    """`import archc` stays quick; the function is there when it is asked for."""
    code = "import sys, archc; assert 'torch' not in sys.modules; archc.train; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_and_recipes_import_no_torch() -> None:
    """The option that keeps threads from spinning must be set before torch is imported."""
    code = "import sys; from archc.cli.main import parser; parser('train'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_outputs_of_every_sort() -> None:
    """Named outputs are all trained; a tuple's second entry is a head; a head's loss has its weight."""
    from archc.training.loss import CrossEntropy, Loss, Outputs

    torch.manual_seed(0)
    scores, head, labels = torch.randn(4, 3), torch.randn(4, 3), torch.tensor([0, 1, 2, -100])
    cross = nn.functional.cross_entropy
    loss = Loss(CrossEntropy(0.0), 0.3)
    expected = cross(scores, labels) + 0.3 * cross(head, labels)
    results: list[Any] = [(scores, head, None), {"output": scores, "aux": head}]
    for result in results:
        value, main_scores = loss(result, labels)
        assert value.item() == pytest.approx(expected.item(), rel=1e-6)
        assert main_scores is scores
    both, _ = Loss(CrossEntropy(0.0), 0.3, Outputs(("one", "two")))({"one": scores, "two": head}, labels)
    assert both.item() == pytest.approx((cross(scores, labels) + cross(head, labels)).item(), rel=1e-6)


def test_a_batch_of_unreadable_images_counts_as_nothing() -> None:
    """No label in a whole batch: loss and gradients are 0, where a mean would be 0/0; and no trace in the figures."""
    from archc.training.loss import CrossEntropy, Loss
    from archc.training.meter import Meter
    from archc.training.task import CLASSES

    torch.manual_seed(0)
    scores, none, some = torch.randn(4, 3, requires_grad=True), torch.full((4,), -100), torch.tensor([0, -100, 2, 1])
    loss, _ = Loss(CrossEntropy(0.1, partial=True), 0.3)(scores, none)
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None
    assert scores.grad.abs().max().item() == 0
    for smoothing in (0.0, 0.1):
        whole, partial = (CrossEntropy(smoothing, partial=partial)(scores, some) for partial in (False, True))
        assert torch.equal(whole, partial)
    meter = Meter(torch.device("cpu"), 2, CLASSES.figures)
    meter.add(whole, CLASSES.measured(scores, some), CLASSES.known(some))
    before = meter.read()
    meter.add(torch.tensor(float("nan")), CLASSES.measured(scores, none), CLASSES.known(none))
    assert meter.read() == before
