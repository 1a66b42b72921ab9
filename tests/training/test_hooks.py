"""A loss, metrics and a callback of one's own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import archc
from archc.problems import SpecError
from archc.training import resume_run

FAST: dict[str, Any] = {"epochs": 3, "limit": 96, "batch_size": 32, "quiet": True, "lr": 0.01}


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores, labels, reduction="none", label_smoothing=0.1)


def focal(scores: Tensor, labels: Tensor) -> Tensor:
    loss = F.cross_entropy(scores, labels, reduction="none")
    return (1 - (-loss).exp()) ** 2 * loss


def surprise(scores: Tensor, labels: Tensor) -> Tensor:
    """The probability of all but the label: 1 - that of the label."""
    return 1 - scores.float().softmax(1).gather(1, labels[:, None])[:, 0]


@pytest.mark.parametrize("more", [{}, {"accumulate": 2}, {"mixup": 0.2}], ids=["plain", "parts", "mixed"])
def test_the_same_loss_of_ones_own_gives_the_same_run(more: dict[str, Any]) -> None:
    """Under autocast and with mixtures, too: only the validation loss differs, which is then smoothed as well."""
    own = archc.train("small.yaml", loss=cross_entropy, out="own", **FAST | more)
    usual = archc.train("small.yaml", out="usual", **FAST | more)
    assert own.losses == pytest.approx(usual.losses, rel=1e-4)
    assert own.history[0]["val_loss"] != usual.history[0]["val_loss"]


def test_another_loss_trains_otherwise_and_a_mean_is_enough() -> None:
    usual = archc.train("small.yaml", out="usual", **FAST)
    each = archc.train("small.yaml", loss=focal, out="each", **FAST)
    mean = archc.train("small.yaml", loss=lambda scores, labels: focal(scores, labels).mean(), out="mean", **FAST)
    assert each.losses[0] < usual.losses[0]
    assert mean.losses == pytest.approx(each.losses, rel=1e-4)


def test_images_that_cannot_be_read_do_not_reach_the_loss(folder: Path) -> None:
    for name, level in (("a", 50), ("b", 200)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), level + number).save(folder / f"photos/{name}/{number}.png")
    Path("photos/a/3.png").write_text("no image")
    seen: list[int] = []

    def noted(scores: Tensor, labels: Tensor) -> Tensor:
        seen.extend(labels.tolist())
        return cross_entropy(scores, labels)

    options = FAST | {"epochs": 1, "limit": 0, "batch_size": 4, "workers": 0, "channels": 1}
    result = archc.train("small.yaml", "folder:photos", loss=noted, out="run", **options)
    assert set(seen) == {0, 1}
    assert len(seen) == 19  # 15 or 16 to train on and the others to validate with, without the unreadable one
    assert all(loss == loss for loss in result.losses)


def test_metrics_are_columns_and_choose_the_best_epoch() -> None:
    options = FAST | {"best_by": "-surprise"}
    result = archc.train("small.yaml", metrics={"surprise": surprise}, out="run", **options)
    (first, *_) = csv.DictReader(Path("run/metrics.csv").read_text().splitlines())
    assert list(first)[3:9] == [
        "train_accuracy",
        "train_top5",
        "train_surprise",
        "val_loss",
        "val_accuracy",
        "val_top5",
    ]
    assert all(0 < row["val_surprise"] < 1 for row in result.history)
    assert result.best["val_surprise"] == min(row["val_surprise"] for row in result.history)
    run = archc.load_run("run")
    pixels, labels = run.data().validation.pixels, run.data().validation.labels  # type: ignore[union-attr]
    scores = run.model((pixels / 255 - run.recipe.mean[0]) / run.recipe.std[0])  # type: ignore[index]
    assert result.best["val_surprise"] == pytest.approx(surprise(scores, labels).mean().item(), abs=0.01)  # type: ignore[arg-type]


def test_the_loss_can_choose_the_best_epoch(sh: Any) -> None:
    words = ["--limit", "96", "--epochs", "3", "--batch-size", "32", "--best-by", "loss", "--out", "run"]
    assert sh("train", "small.yaml", *words)[0] == 0
    history = archc.load_run("run").history
    assert (
        f"best: epoch {int(min(history, key=lambda row: row['val_loss'])['epoch'])}"
        in sh("train", "--resume", "run")[1]
    )
    code, _, err = sh("train", "small.yaml", *words[:-4], "--best-by", "acuracy", "--out", "other")
    assert code == 1
    assert "did you mean `accuracy`?" in err


def test_a_callback_sees_each_epoch_and_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[dict[str, float]] = []

    def callback(row: dict[str, float], model: nn.Module) -> bool:
        assert not model.training
        seen.append(row)
        return len(seen) == 2

    result = archc.train("small.yaml", callback=callback, out="run", **FAST | {"epochs": 5, "quiet": False})
    assert seen == result.history
    assert [row["epoch"] for row in seen] == [1, 2]
    assert "stopped early: by the callback" in capsys.readouterr().err
    resume_run("run")  # a callback decides no result: the run can go on without it
    assert len(archc.load_run("run").history) == 5


def test_a_run_with_a_loss_of_ones_own_is_resumed_with_it() -> None:
    archc.train("small.yaml", loss=focal, metrics={"surprise": surprise}, out="run", **FAST)
    assert json.loads(Path("run/run.json").read_text())["hooks"] == ["loss", "surprise"]
    with pytest.raises(SpecError, match="with a loss or metrics that only that program has"):
        resume_run("run")
    with pytest.raises(SpecError, match="hooks: \\['loss', 'surprise'\\], now \\[\\]"):
        archc.train("small.yaml", out="run", resume=True, **FAST)
    again = archc.train("small.yaml", loss=focal, metrics={"surprise": surprise}, out="run", resume=True, **FAST)
    assert len(again.history) == 3


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "not a function": ({"loss": 3}, "`loss` must be a function, not int"),
    "a name that is taken": ({"metrics": {"top5": focal}}, "a metric cannot have the name `top5`"),
    "a name that is none": ({"metrics": {"my metric": focal}}, "a metric cannot have the name `my metric`"),
    "another shape": ({"loss": lambda scores, labels: scores}, "`loss` returned a tensor of shape (32, 10)"),
    "no tensor": ({"metrics": {"one": lambda scores, labels: 1.0}}, "`one` returned float"),
    "weights beside it": ({"loss": focal, "class_weights": "balanced"}, "a custom loss weights the images itself"),
}


@pytest.mark.parametrize("case", WRONG)
def test_hooks_that_do_not_fit_are_refused(case: str) -> None:
    options, message = WRONG[case]
    with pytest.raises(SpecError) as caught:
        archc.train("small.yaml", out="run", **FAST | options)
    assert caught.value.problems[0].code == "E0701"
    assert message in str(caught.value)


def test_weights_of_classes_beside_numbers_are_refused() -> None:
    data = torch.zeros(20, 1, 8, 8, dtype=torch.uint8), torch.rand(20, 2)
    with pytest.raises(SpecError, match="the data has numbers per image"):
        archc.train("small.yaml", data, class_weights="balanced", quiet=True)
