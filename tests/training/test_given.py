"""Arrays, tensors, Datasets and DataLoaders as data: taken as they are meant, or refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

import archc
from archc.problems import SpecError
from archc.training import Images
from archc.training.data import as_data, load_data

GENERATOR = torch.Generator().manual_seed(0)
PIXELS = torch.randint(0, 256, (40, 3, 8, 6), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.arange(40) % 4


class Pictures(Dataset[Any]):
    """Pillow's images with names as labels."""

    def __init__(self, wide: int = -1) -> None:
        self.wide = wide

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[Any, str]:
        image = Image.fromarray(PIXELS[index].permute(1, 2, 0).numpy())
        return image.resize((9, 8)) if index == self.wide else image, "abcd"[index % 4]


FORMS: dict[str, Any] = {
    "tensors": (PIXELS, LABELS),
    "numpy, channels last": (PIXELS.permute(0, 2, 3, 1).numpy(), LABELS.numpy()),
    "numpy, channels first": (PIXELS.numpy(), LABELS.tolist()),
    "numbers in 0 … 1": (PIXELS / 255, LABELS),
    "small integers": (PIXELS, LABELS.to(torch.uint8)),
    "strings": (PIXELS, ["abcd"[label] for label in LABELS.tolist()]),
    "two pairs": ((PIXELS, LABELS), (PIXELS[:8], LABELS[:8])),
    "a Dataset of tensors": TensorDataset(PIXELS, LABELS),
    "a Dataset of pictures": Pictures(),
    "a DataLoader": DataLoader(TensorDataset(PIXELS, LABELS), batch_size=7),
    "a list of two": [PIXELS, LABELS],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_images(form: str) -> None:
    data = as_data(FORMS[form])
    assert isinstance(data.train, Images)
    assert isinstance(data.validation, Images)
    assert len(data.classes) == 4
    assert data.shape == (3, 8, 6)
    assert len(data.validation) == 8
    assert torch.bincount(data.validation.labels).tolist() == [2] * 4
    places = {tuple(pixels.flatten().tolist()): place for place, pixels in enumerate(PIXELS)}
    for part in (data.train, data.validation):
        for pixels, label in zip(part.pixels, part.labels.tolist(), strict=True):
            assert label == places[tuple(pixels.flatten().tolist())] % 4
    if form != "two pairs":
        assert len(data.train) == 32
        again = as_data(FORMS[form])
        assert isinstance(again.train, Images)
        assert torch.equal(again.train.pixels, data.train.pixels)


def test_grayscale_without_channels() -> None:
    assert as_data((PIXELS[:, 0], LABELS)).shape == (1, 8, 6)


class Endless(torch.utils.data.IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([])


WRONG: dict[str, tuple[Any, str]] = {
    "fewer labels": ((PIXELS, LABELS[:30]), "40 images and 30 labels"),
    "normalized": ((PIXELS / 127.5 - 1, LABELS), "pixels are in 0 … 1, but these are in -1 … 1"),
    "not a number": ((torch.full((40, 3, 8, 6), torch.nan), LABELS), "pixels are in 0 … 1"),
    "wide integers": ((PIXELS.long(), LABELS), "not int64"),
    "five channels": ((torch.zeros(40, 5, 8, 6), LABELS), "1 or 3 channels"),
    "flat": ((PIXELS.flatten(1), LABELS), "3 or 4 dimensions"),
    "one-hot": ((PIXELS, torch.eye(4)[LABELS]), "the labels are columns of 0 and 1"),
    "from one": ((PIXELS, LABELS + 1), "no training image has the label 0"),
    "negative": ((PIXELS, LABELS - 1), "labels count from 0, but one is -1"),
    "one class": ((PIXELS, LABELS * 0), "two classes are needed"),
    "empty": ((PIXELS[:0], LABELS[:0]), "there are no labels"),
    "one image a class": ((PIXELS[:4], LABELS[:4]), "no image is left for validation"),
    "other sizes": (((PIXELS, LABELS), (PIXELS[:, :, :4], LABELS)), "but the validation images are (3, 4, 6)"),
    "other sizes within": (Pictures(wide=5), "(8, 6, 3) and (8, 9, 3) (item 5)"),
    "endless": (Endless(), "without a length"),
    "a number": (3, "int cannot be used as data"),
    "no images": (TensorDataset(PIXELS), "not a pair"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(SpecError) as caught:
        archc.train("small.yaml", given, out="run", quiet=True)
    assert caught.value.problems[0].code == "E0702"
    assert message in str(caught.value)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (PIXELS, LABELS[:30], "40 images and 30 labels"),
        (PIXELS.float(), LABELS, "`pixels` must be uint8 with 4 dimensions, not float32"),
        (PIXELS, LABELS.to(torch.uint8), "`labels` is uint8 of 1 dimensions, but must be int64 of 1"),
    ],
)
def test_images_check_themselves(pixels: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Images(pixels, labels)


def test_arrays_are_trained_on() -> None:
    images = numpy.zeros((40, 8, 8), numpy.uint8)
    images[::2] = 200
    labels = numpy.arange(40) % 2
    result = archc.train("small.yaml", (images, labels), epochs=5, batch_size=8, lr=0.01, quiet=True, out="run")
    assert result.best["val_accuracy"] == 1.0


def test_a_folder_is_recognized() -> None:
    Path("photos").mkdir()
    with pytest.raises(SpecError, match="write folder:photos"):
        load_data("photos")
