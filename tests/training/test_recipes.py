"""What a recipe can ask for beyond the default: mixtures, class weights, early stopping, other optimizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F

import archc
from archc.training import Interrupted, Recipe, load_recipe, resume_run
from archc.training.augment import Draw, epoch_draws
from archc.training.loop import Loop
from archc.training.loss import CrossEntropy, balanced_weights
from archc.training.mix import Mixed, mix_draws, mixed
from archc.training.optimizer import make_optimizer, rate
from archc.training.recipe import Optimizer
from tests.conftest import Shell

FAST: dict[str, Any] = {"epochs": 2, "limit": 96, "batch_size": 32, "quiet": True, "out": "run"}


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_optimizers_are_torchs_and_are_resumed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"optimizer": name, "lr": 0.001}
    optimizer = make_optimizer(torch.nn.Linear(2, 2), Recipe(**changes))
    assert type(optimizer).__name__.lower() == name
    whole = archc.train("small.yaml", **FAST | changes | {"out": "whole"})
    step = Loop._step

    def interrupted(self: Loop, *arguments: Any) -> None:
        step(self, *arguments)
        if self.step == 3:
            self.events._signal = type(self.events._signal).TERMINATE

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", interrupted)
        with pytest.raises(Interrupted):
            archc.train("small.yaml", **FAST | changes)
    assert resume_run("run").losses == whole.losses


def test_an_exponential_schedule_is_torchs() -> None:
    recipe = Recipe(schedule="exponential", gamma=0.5, warmup_epochs=0, epochs=4)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    expected = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for epoch in range(4):
        assert rate(recipe, 10)(10 * epoch + 9) == expected.get_last_lr()[0]
        optimizer.step()
        expected.step()


SCHEDULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "CosineAnnealingLR": ({}, {"T_max": 40}),
    "PolynomialLR": ({"power": 2.0}, {"total_iters": 40, "power": 2.0}),
    "MultiStepLR": ({"milestones": [1, 3], "gamma": 0.5}, {"milestones": [10, 30], "gamma": 0.5}),
    "StepLR": ({"step_epochs": 2, "gamma": 0.5}, {"step_size": 20, "gamma": 0.5}),
    "LinearLR": ({}, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 40}),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_torchs_under_its_names(name: str) -> None:
    own, torchs = SCHEDULES[name]
    recipe = load_recipe("notebook", schedule=name, warmup_epochs=0, epochs=4, **own)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    expected = getattr(torch.optim.lr_scheduler, name)(optimizer, **torchs)
    for step in range(40):
        assert rate(recipe, 10)(step) == pytest.approx(expected.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        expected.step()


def test_names_of_torch_are_taken_in_any_case(sh: Shell) -> None:
    words = ["--limit", "32", "--epochs", "2", "--batch-size", "32", "--out", "run"]
    schedule = ["--schedule", "MultiStepLR", "--milestones", "1", "--milestones", "2"]
    assert sh("train", "small.yaml", *words, "--optimizer", "RMSprop", *schedule)[0] == 0
    recipe = load_recipe("run/recipe.yaml")
    assert (recipe.optimizer, recipe.schedule, recipe.milestones) == ("rmsprop", "multistep", [1, 2])
    assert "got 'AdamZ'" in sh("train", "small.yaml", "--optimizer", "AdamZ")[2]
    assert "greater than or equal to 1" in sh("train", "small.yaml", "--milestones", "0")[2]


def test_a_run_without_progress_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """After `patience` epochs, with its reports; it is resumed to the same end."""
    options = {**FAST, "epochs": 20, "lr": 1e-9, "patience": 2, "quiet": False}
    result = archc.train("small.yaml", **options)
    assert len(result.history) < 20
    assert result.history[-1]["epoch"] - result.best["epoch"] == 2
    assert "stopped early: no better epoch in the last 2" in capsys.readouterr().err
    assert len(Path("run/metrics.csv").read_text().splitlines()) == len(result.history) + 1
    assert Path("run/curves.svg").is_file()
    assert len(resume_run("run").history) == len(result.history)


def test_balanced_weights_make_classes_count_alike() -> None:
    labels = torch.tensor([0] * 6 + [1] * 2)
    weights = balanced_weights(labels, 3)
    assert torch.allclose(weights, torch.tensor([8 / 12, 2.0, 0.0]))
    assert float(weights[labels].mean()) == pytest.approx(1)
    scores = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    each = F.cross_entropy(scores, labels, reduction="none")
    expected = (each[:6].mean() + each[6:].mean()) / 2
    assert torch.allclose(CrossEntropy(0.0, weights=weights)(scores, labels), expected)


def test_a_run_weighs_its_classes() -> None:
    """Classes of as many images lose as before, others do not."""

    def losses(data: str, kind: str, limit: int) -> list[float]:
        options = {**FAST, "epochs": 1, "limit": limit, "class_weights": kind, "out": f"{data[:6]}{kind}"}
        return archc.train("small.yaml", data, channels=1, **options).losses

    assert losses("shapes:8:60", "balanced", 0) == pytest.approx(losses("shapes:8:60", "none", 0), rel=1e-4)
    assert losses("digits", "balanced", 40)[0] != pytest.approx(losses("digits", "none", 40)[0], rel=1e-3)


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "both"])
def test_images_are_mixed_by_their_shares(kind: str) -> None:
    """Of an image of ones and its neighbor of zeros, the mean is the share of its own label."""
    recipe = Recipe(**{name: 1.0 for name in ("mixup", "cutmix") if kind in (name, "both")})
    count = 400
    draws = torch.cat([epoch_draws(0, 0, count), mix_draws(recipe, 0, count)], 1)
    images = (torch.arange(count) % 2).float().view(-1, 1, 1, 1).expand(-1, 1, 16, 16)
    labels = torch.arange(count)
    found = mixed(images, labels, draws)
    assert torch.equal(found.others, labels.roll(1))
    means = found.images.mean((1, 2, 3))
    assert torch.allclose(means[1::2], found.share[1::2], atol=1e-5)
    assert torch.allclose(means[::2], 1 - found.share[::2], atol=1e-5)
    assert 0.6 < float(found.share.mean()) < 0.95
    cut = draws[:, len(Draw) + 1] > 0.5
    levels = torch.tensor(
        [len(image.unique()) <= 2 and bool(((image == 0) | (image == 1)).all()) for image in found.images]
    )
    assert bool((levels | ~cut).all())
    assert float(cut.float().mean()) == pytest.approx({"mixup": 0, "cutmix": 1, "both": 0.5}[kind], abs=0.1)
    again = mix_draws(recipe, 0, count)
    assert torch.equal(again, draws[:, len(Draw) :])
    assert not torch.equal(mix_draws(recipe, 1, count), again)


def test_the_loss_of_a_mixture_is_that_of_its_labels() -> None:
    scores = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    labels, others, share = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([1, 2, 3, 0, 0]), torch.rand(5)
    target = F.one_hot(labels, 4) * share[:, None] + F.one_hot(others, 4) * (1 - share[:, None])
    found = CrossEntropy(0.1)(scores, labels, Mixed(scores, others, share))
    assert torch.allclose(found, F.cross_entropy(scores, target, label_smoothing=0.1))


def test_a_mixed_run_is_resumed() -> None:
    """To the bit: what is mixed follows from the seed and the epoch."""
    options = {**FAST, "mixup": 0.2, "cutmix": 1.0, "schedule": "constant"}
    whole = archc.train("small.yaml", **options | {"out": "whole"})
    archc.train("small.yaml", **options | {"epochs": 1})
    assert load_recipe(Path("run/recipe.yaml")).mixup == 0.2
    assert resume_run("run", epochs=2).losses == whole.losses
    assert archc.train("small.yaml", **{**options, "mixup": 0.0, "cutmix": 0.0, "out": "plain"}).losses != whole.losses
