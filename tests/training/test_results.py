"""What a run gives back: the best weights, figures by class, confusions, mistakes, and a test that decides nothing."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from shell import Shell
from texts import texts_of
from torch import nn

import archc
from archc.problems import SpecError
from archc.training import Data, Images
from archc.training.batches import MISSING
from archc.training.evaluation import Evaluation
from archc.training.meter import Score

FAST: dict[str, Any] = {"epochs": 2, "limit": 96, "batch_size": 32, "quiet": True, "out": "run"}


def evaluation(labels: list[int], predicted: list[int], probability: list[float]) -> Evaluation:
    found = [label != MISSING for label in labels]
    hits = sum(a == b for a, b in zip(labels, predicted, strict=True))
    score = Score(1.0, {"accuracy": hits / sum(found), "top5": 1.0}, sum(found))
    tensors = torch.tensor(labels), torch.tensor(predicted), torch.tensor(probability)
    return Evaluation("made up", ("a", "b", "c"), score, *tensors, {})


def test_figures_by_class() -> None:
    """Counted by hand: 3 of 4 of `a`, 1 of 2 of `b`, none of `c`, and one image that cannot be read."""
    found = evaluation([0, 0, 0, 0, 1, 1, MISSING], [0, 0, 0, 1, 1, 2, 0], [0.9, 0.5, 0.6, 0.8, 0.4, 0.95, 1.0])
    assert found.confusion.tolist() == [[3, 1, 0], [0, 1, 1], [0, 0, 0]]
    rows = {row.name: row for row in found.by_class}
    assert (rows["a"].images, rows["a"].accuracy, rows["a"].precision) == (4, 0.75, 1.0)
    assert (rows["b"].images, rows["b"].accuracy, rows["b"].precision) == (2, 0.5, 0.5)
    assert (rows["c"].images, rows["c"].precision) == (0, 0.0)
    assert rows["c"].accuracy != rows["c"].accuracy
    assert found.balanced_accuracy == (0.75 + 0.5) / 2
    mistakes = found.mistakes(5)
    assert [(m.row, m.label, m.predicted) for m in mistakes] == [(5, "b", "c"), (3, "a", "b")]
    assert found.mistakes(1) == mistakes[:1]


RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "bf16 with averaged weights": {"precision": "bf16", "ema": 0.9},
    "parts": {"accumulate": 4, "precision": "bf16"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_training_and_eval_give_the_same_figures(name: str) -> None:
    """To the bit: the same weights, batches and precision."""
    result = archc.train("small.yaml", **FAST | RECIPES[name])
    score = archc.load_run("run").evaluate().score
    assert (score.loss, score.accuracy) == (result.best["val_loss"], result.best["val_accuracy"])


def test_the_result_holds_the_best_weights_for_inference() -> None:
    """Of the epoch that validated best, not of the last one: the learning rate of the others spoils them."""
    result = archc.train("small.yaml", **FAST | {"epochs": 4, "optimizer": "sgd", "lr": 30.0, "clip_norm": 0.01})
    best = load_file("run/best.safetensors")
    assert result.best["epoch"] < 4
    state = result.model.state_dict()
    assert all(torch.equal(state[key], best[key]) for key in best)
    assert not any(module.training for module in result.model.modules())


def test_a_run_is_loaded_in_another_process() -> None:
    """In two lines, with classes, recipe and history."""
    result = archc.train("small.yaml", **FAST)
    code = (
        "import archc, json, torch\n"
        "run = archc.load_run('run')\n"
        "scores = run.model(torch.ones(1, 1, 8, 8))\n"
        "print(json.dumps([run.classes, run.recipe.batch_size, run.history, scores.tolist()]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    classes, batch_size, history, scores = json.loads(done.stdout)
    assert classes == list("0123456789")
    assert batch_size == 32
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[-1]["val_loss"] == pytest.approx(result.history[-1]["val_loss"], rel=1e-5)
    with torch.no_grad():
        assert torch.allclose(torch.tensor(scores), result.model(torch.ones(1, 1, 8, 8)), atol=1e-5)


def test_a_module_from_python_is_handed_over() -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    result = archc.train(model(), **FAST)
    with pytest.raises(SpecError, match="model=model"):
        archc.load_run("run")
    loaded = archc.load_run("run", model=model())
    assert torch.equal(loaded.model[1].weight, result.model[1].weight)


def test_a_report_of_an_evaluation(sh: Shell) -> None:
    """The files agree with each other and with what is printed."""
    archc.train("small.yaml", **FAST | {"limit": 0, "epochs": 1})
    code, out, _ = sh("eval", "run", "--report", "report")
    assert code == 0
    assert re.match(r"Small on digits: 360 images, loss [\d.]+, accuracy [\d.]+%, balanced [\d.]+%", out)
    assert "report: report/classes.csv, report/confusion.csv, report/confusion.png, report/mistakes.html" in out
    facts = json.loads(sh("eval", "run", "--format", "json")[1])
    with Path("report/confusion.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["class", *"0123456789"]
    matrix = [[int(cell) for cell in row[1:]] for row in rows]
    assert matrix == facts["confusion"]
    hits = sum(matrix[i][i] for i in range(10))
    assert hits / 360 == pytest.approx(facts["accuracy"])
    with Path("report/classes.csv").open(newline="") as file:
        classes = list(csv.DictReader(file))
    assert [int(row["images"]) for row in classes] == [sum(row) for row in matrix]
    with Image.open("report/confusion.png") as picture:
        assert picture.width > 300
    page = Path("report/mistakes.html").read_text()
    assert page.count("<img ") == min(60, 360 - hits)
    assert page.count("data:image/png;base64,") == page.count("<img ")


def photos(folder: Path, *parts: str) -> None:
    for part in parts:
        for level, name in ((40, "dark <b>$x_$"), (210, "light")):
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for at in range(4):
                Image.new("RGB", (16, 16), (level, level, level + at)).save(folder / part / name / f"{at}.png")


WORDS = ["--epochs", "3", "--batch-size", "4", "--resize", "16", "--workers", "0", "--set", "width=4", "--out", "run"]


def test_test_images_decide_nothing(sh: Shell) -> None:
    """With train/, val/ and test/ folders: wrong labels in test/ change neither the best epoch nor its weights."""
    photos(Path("photos"), "train", "val", "test")
    code, out, err = sh("train", "small.yaml", "--data", "folder:photos", *WORDS)
    assert code == 0, err
    assert out.splitlines()[-1].startswith("test: loss ")
    found = json.loads(Path("run/test.json").read_text())
    assert (found["data"], found["images"]) == ("photos", 8)
    best, rows = load_file("run/best.safetensors"), Path("run/metrics.csv").read_text()
    dark, light = Path("photos/test/dark <b>$x_$"), Path("photos/test/light")
    dark.rename("away")
    light.rename(dark)
    Path("away").rename(light)
    code, out, _ = sh("train", "small.yaml", "--data", "folder:photos", *WORDS, "--out", "swapped")
    again = load_file("swapped/best.safetensors")
    assert all(torch.equal(best[key], again[key]) for key in best)
    columns = [
        [line.split(",")[:8] for line in text.splitlines()] for text in (rows, Path("swapped/metrics.csv").read_text())
    ]
    assert columns[0] == columns[1]
    swapped = json.loads(Path("swapped/test.json").read_text())
    assert swapped["accuracy"] == 1 - found["accuracy"]
    shown = json.loads(sh("eval", "run", "--part", "test", "--format", "json")[1])
    assert (shown["part"], shown["images"], shown["accuracy"]) == ("test", 8, 1 - found["accuracy"])
    assert sh("eval", "run", "--report", "report")[0] == 0  # names that HTML and mathtext would take for their own
    assert "<b>$x_$" not in Path("report/mistakes.html").read_text()


def test_test_images_of_another_folder(sh: Shell) -> None:
    """All images of the folder; the run remembers it."""
    photos(Path("photos"), ".")
    photos(Path("others"), ".")
    words = ["train", "small.yaml", "--data", "folder:photos", "--test", "folder:others", *WORDS]
    assert sh(*words)[0] == 0
    assert json.loads(Path("run/test.json").read_text())["images"] == 8
    assert json.loads(sh("eval", "run", "--part", "test", "--format", "json")[1])["images"] == 8
    assert sh("train", "--resume", "run")[0] == 0
    assert "other classes than photos" in sh(*words[:-2], "--out", "other", "--test", "digits")[2]


def test_a_part_that_is_not_there(sh: Shell) -> None:
    archc.train("small.yaml", **FAST)
    assert "digits has no test images" in sh("eval", "run", "--part", "test")[2]
    data = Data(
        "own",
        ("a", "b"),
        Images(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.arange(8) % 2),
        Images(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.arange(8) % 2),
        False,
    )
    archc.train("small.yaml", data, **FAST | {"out": "own"})
    assert "the images of the run `own` came from Python" in sh("eval", "own")[2]


def test_runs_are_compared(sh: Shell) -> None:
    """Their results, and the fields of the recipes that differ."""
    archc.train("small.yaml", **FAST | {"out": "one"})
    archc.train("small.yaml", **FAST | {"out": "two", "lr": 0.01, "epochs": 3})
    code, out, _ = sh("compare", "one", "two", "-o", "both.svg")
    assert code == 0
    head, *rows = out.splitlines()
    assert head.split()[-2:] == ["seconds", "lr"]
    assert [row.split()[0] for row in rows] == ["one", "two"]
    assert [row.split()[-1] for row in rows] == ["0.001", "0.01"]
    code, _, err = sh("compare", "one", "two", "-o", "one/spec.yaml")
    assert (code, err) == (2, "archc compare: `one/spec.yaml` has an unsupported file extension (.svg)\n")
    assert {"one", "two", "validation loss", "validation accuracy"} <= {*texts_of(Path("both.svg"))}
    found = json.loads(sh("compare", "one", "two", "--format", "json")[1])
    assert [row["epochs"] for row in found] == [2, 3]
    best = archc.load_run("two").history
    assert found[1]["val_accuracy"] == max(row["val_accuracy"] for row in best)
    assert len(sh("compare", "one", "two", "--format", "csv")[1].splitlines()) == 3
    assert "error[E0705]" in sh("compare", "one", "nowhere")[2]
    Path("two/metrics.csv").unlink()
    assert "no epoch of the run `two` has ended yet" in sh("compare", "one", "two")[2]
