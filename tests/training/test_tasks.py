"""Several labels per image, numbers to predict, and masks."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import archc
from archc.problems import SpecError
from archc.training import Data, Images
from archc.training.augment import Preparation, epoch_draws
from archc.training.data import as_data
from archc.training.task import IGNORED, TASKS

GENERATOR = torch.Generator().manual_seed(0)
FAST: dict[str, Any] = {"epochs": 8, "batch_size": 20, "quiet": True, "lr": 0.02, "out": "run", "precision": "fp32"}
CORNERS = torch.rand(120, 4, generator=GENERATOR)
"""How bright the four quarters of each image are."""
PIXELS = (CORNERS.view(-1, 1, 2, 2) * 255).to(torch.uint8).repeat_interleave(4, 2).repeat_interleave(4, 3)
BRIGHT = CORNERS > 0.5


class Corners(nn.Module):
    """Answers of the four quarters."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]


class Pixels(nn.Module):
    """Two scores for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]


def test_several_labels_per_image_are_learned() -> None:
    result = archc.train(Corners(), (PIXELS, BRIGHT), **FAST)
    assert list(result.history[0])[3:5] == ["train_accuracy", "train_exact"]
    assert result.best["val_accuracy"] > 0.9
    run = archc.load_run("run", model=Corners())
    data = as_data((PIXELS, BRIGHT))
    assert run.score(data).figures["accuracy"] == pytest.approx(result.best["val_accuracy"])
    Image.fromarray(PIXELS[0, 0].numpy()).save("one.png")
    (found,) = run.predict(["one.png"])
    scores = run.model((PIXELS[:1] / 255 - run.recipe.mean[0]) / run.recipe.std[0])  # type: ignore[index]
    assert dict(found.classes) == pytest.approx(dict(zip("0123", scores.sigmoid()[0].tolist(), strict=True)), abs=1e-4)


def test_numbers_are_learned_and_the_loss_chooses_the_epoch() -> None:
    result = archc.train(Corners(), (PIXELS, CORNERS), **FAST | {"epochs": 20})
    assert result.best["val_error"] < 0.15 < result.history[0]["val_error"]
    assert result.best["val_loss"] == min(row["val_loss"] for row in result.history)
    run = archc.load_run("run", model=Corners())
    Image.fromarray(PIXELS[3, 0].numpy()).save("one.png")
    (found,) = run.predict(["one.png"])
    values = [dict(found.classes)[name] for name in "0123"]
    assert torch.tensor(values).sub(CORNERS[3]).abs().mean() < 0.2
    with pytest.raises(SpecError, match="gives numbers per image, not classes"):
        run.evaluate(as_data((PIXELS, CORNERS)))
    with pytest.raises(SpecError, match="has one class per image, but the network gives numbers"):
        run.score(run.data("digits"))


def test_one_number_per_image_needs_no_second_dimension() -> None:
    assert as_data((PIXELS, CORNERS[:, 0].double().numpy())).train.labels.shape[1:] == (1,)  # type: ignore[union-attr]


def test_masks_are_learned() -> None:
    masks = (PIXELS[:, 0] > 127).long()
    masks[:, 0] = IGNORED
    result = archc.train(Pixels(), (PIXELS, masks), **FAST | {"flip": True, "pad": 2, "epochs": 12, "lr": 0.1})
    assert result.best["val_accuracy"] > 0.95
    assert list(result.history[0])[3:5] == ["train_accuracy", "train_iou"]
    run = archc.load_run("run", model=Pixels())
    assert run.score(as_data((PIXELS, masks))).figures["iou"] == pytest.approx(result.best["val_iou"])
    assert Path("run/curves.svg").is_file()
    Image.fromarray(PIXELS[3, 0].numpy()).save("one.png")
    with pytest.raises(SpecError, match="a class for each pixel"):
        next(run.predict(["one.png"]))


@pytest.mark.parametrize(
    "changes", [{"flip": True, "pad": 3}, {"random_crop": True}, {"random_crop": True, "flip": True}]
)
def test_a_mask_moves_as_its_image_does(changes: dict[str, Any]) -> None:
    """An image that shows its mask still does, wherever it is moved; the border does not count."""
    masks = torch.zeros(16, 24, 24, dtype=torch.uint8)
    for number in range(16):
        masks[number, number : number + 8, 4:16] = 1
    images = masks[:, None] * 200 + 40  # all but the border, which is 0
    preparation = Preparation(1, 24, 24, (0.0,), (1.0,), **changes)
    draws = epoch_draws(0, 0, 16)
    moved = preparation.training(images, draws)[:, 0] * 255
    found = preparation.masks(masks, draws)
    assert torch.equal(found == IGNORED, moved < 20)
    counted = found != IGNORED
    clear = counted & ((moved - 140).abs() > 90)  # what lies between two levels was blended
    assert clear.sum() > counted.sum() * 0.8
    assert torch.equal(found[clear] == 1, moved[clear] > 140)
    assert (found == 1).any((1, 2)).sum() > 8


def test_masks_of_a_validation_are_cropped_and_resized() -> None:
    mask = torch.zeros(1, 8, 8, dtype=torch.uint8)
    mask[:, 2:6, 2:4] = 1
    preparation = Preparation(1, 8, 8, (0.0,), (1.0,), center_crop=0.5)
    found = preparation.masks(mask, torch.empty(0))
    assert torch.equal(found[0], torch.cat([torch.ones(8, 4), torch.zeros(8, 4)], 1).to(torch.uint8))


def test_figures_are_what_they_are_called() -> None:
    """Counted one by one, for random scores."""
    scores = torch.randn(6, 3, 4, 5, generator=GENERATOR)
    masks = torch.randint(0, 3, (6, 4, 5), dtype=torch.uint8, generator=GENERATOR)
    masks[0, 0] = IGNORED
    found = TASKS["masks"].measured(scores, masks)
    for number in range(6):
        pairs = [
            (int(a), int(b)) for a, b in zip(scores[number].argmax(0).flatten(), masks[number].flatten(), strict=True)
        ]
        pairs = [(a, b) for a, b in pairs if b != IGNORED]
        assert found[number, 0] == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
        ious = []
        for label in range(3):
            one, other = (
                {i for i, p in enumerate(pairs) if p[0] == label},
                {i for i, p in enumerate(pairs) if p[1] == label},
            )
            ious += [len(one & other) / len(one | other)] if one | other else []
        assert found[number, 1] == pytest.approx(sum(ious) / len(ious))
    scores, labels = torch.randn(5, 3, generator=GENERATOR), torch.rand(5, 3, generator=GENERATOR) > 0.5
    right = [[bool(s > 0) == bool(w) for s, w in zip(*row, strict=True)] for row in zip(scores, labels, strict=True)]
    found = TASKS["labels"].measured(scores, labels)
    assert found[:, 0].tolist() == pytest.approx([sum(row) / 3 for row in right])
    assert found[:, 1].tolist() == [float(all(row)) for row in right]


def test_losses_are_torchs() -> None:
    scores, masks = torch.randn(4, 3, 6, 6, generator=GENERATOR), torch.randint(0, 3, (4, 6, 6), generator=GENERATOR)
    expected = nn.functional.cross_entropy(scores, masks)
    assert TASKS["masks"].losses(scores, masks.to(torch.uint8)).mean() == pytest.approx(expected.item(), rel=1e-5)
    scores, labels = scores[:, :, 0, 0], masks[:, :3, 0] > 0
    expected = nn.functional.binary_cross_entropy_with_logits(scores, labels.float())
    assert TASKS["labels"].losses(scores, labels).mean() == pytest.approx(expected.item(), rel=1e-5)
    expected = nn.functional.mse_loss(scores, labels.float())
    assert TASKS["numbers"].losses(scores, labels.float()).mean() == pytest.approx(expected.item(), rel=1e-5)


def test_a_u_net_of_the_bundled_specs_learns_masks() -> None:
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=GENERATOR)
    masks = (pixels[:, 0] > 127).to(torch.uint8)
    options = FAST | {"epochs": 1, "batch_size": 4, "lr": 0.001}
    result = archc.train("unet", (pixels, masks), resize=32, **options)
    (row,) = csv.DictReader(Path("run/metrics.csv").read_text().splitlines())
    assert float(row["val_iou"]) == pytest.approx(result.best["val_iou"], rel=1e-4)


WRONG: dict[str, tuple[Any, str]] = {
    "one-hot": (torch.eye(4)[torch.arange(120) % 4], "the labels are columns of 0 and 1"),
    "one-hot integers": (numpy.eye(4, dtype=int)[numpy.arange(120) % 4], "the labels are columns of 0 and 1"),
    "not a number": (torch.full((120, 2), torch.nan), "a number to predict is NaN or infinite"),
    "integers in columns": (torch.randint(2, 9, (120, 3)), "labels of shape (120, 3) and type int64 cannot be used"),
    "fewer": (BRIGHT[:100], "there are 120 images and 100 labels"),
    "masks of another size": (
        torch.zeros(120, 4, 4, dtype=torch.int64),
        "the masks are (4, 4) pixels and the images (8, 8)",
    ),
    "masks with classes below 0": (torch.full((120, 8, 8), -1), "the classes of pixels are 0 … 254"),
    "masks that count nowhere": (torch.full((120, 8, 8), 255), "no pixel counts"),
    "two kinds": (((PIXELS, BRIGHT), (PIXELS, CORNERS)), "validation images of your images have numbers per image"),
    "a kind and classes": (
        ((PIXELS, BRIGHT), (PIXELS, torch.arange(120) % 2)),
        "validation labels are of a different kind",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_labels_that_do_not_fit_are_refused(case: str) -> None:
    labels, message = WRONG[case]
    given = labels if isinstance(labels, tuple) else (PIXELS, labels)
    with pytest.raises(SpecError) as caught:
        as_data(given)
    assert caught.value.problems[0].code == "E0702"
    assert message in str(caught.value)


def test_networks_and_fields_that_do_not_fit_are_refused() -> None:
    masks = (PIXELS[:, 0] > 127).to(torch.uint8)
    with pytest.raises(SpecError, match="but masks need 2×8×8"):
        archc.train(Corners(), (PIXELS, masks), **FAST)
    with pytest.raises(SpecError, match="`cutmix` would move the pixels of an image, but not those of its mask"):
        archc.train(Pixels(), (PIXELS, masks), **FAST | {"cutmix": 1.0})
    with pytest.raises(SpecError, match="has 4 outputs, but the dataset has 2 classes"):
        archc.train(Corners(), (PIXELS, BRIGHT[:, :2]), **FAST)
    part = Images(PIXELS, masks)
    with pytest.raises(SpecError, match="validation image 1 has a pixel of another class"):
        Data("masks", ("a",), Images(PIXELS, masks * 0), part, False)
