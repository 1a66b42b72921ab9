"""RandAugment on a whole batch does to each image what torchvision's does to that image alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

import archc
from archc.problems import SpecError
from archc.training import Data, Images
from archc.training import randaugment as own
from archc.training.augment import epoch_draws

NAMES = list(v2.RandAugment._AUGMENTATION_SPACE)
IMAGES = torch.randint(0, 256, (6, 3, 20, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def draws(kind: int, negative: bool, count: int = len(IMAGES)) -> Tensor:
    """Rows in which each image first gets an operation, and then the first one, which changes nothing."""
    row = torch.tensor([(kind + 0.5) / len(NAMES), 0.25 if negative else 0.75, 0.0, 0.75])
    return torch.cat([torch.rand(count, 9), row.expand(count, -1)], 1)


def torchvisions(name: str, magnitude: int, image: Tensor) -> list[Tensor]:
    """What torchvision's class can make of an image, with either sign."""

    class Only(v2.RandAugment):
        _AUGMENTATION_SPACE = {name: v2.RandAugment._AUGMENTATION_SPACE[name]}  # noqa: RUF012

    found: list[Tensor] = []
    for seed in range(8):
        torch.manual_seed(seed)
        result = Only(num_ops=1, magnitude=magnitude)(image)
        if not any(torch.equal(result, other) for other in found):
            found.append(result)
    return found


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("magnitude", [9, 30])
@pytest.mark.parametrize("kind", range(len(NAMES)), ids=NAMES)
def test_each_operation_is_torchvisions(kind: int, magnitude: int, channels: int) -> None:
    images = IMAGES[:, :channels]
    for negative in (False, True):
        batch = own.randaugment(images, draws(kind, negative), magnitude)
        for image, changed in zip(images, batch, strict=True):
            # It keeps its magnitudes as float32, so a level may be rounded the other way.
            others = torchvisions(NAMES[kind], magnitude, image)
            assert any((changed.int() - other.int()).abs().max() <= 1 for other in others)
    signed = NAMES[kind][:5] in ("Shear", "Trans", "Rotat", "Brigh", "Color", "Contr", "Sharp")
    both = [own.randaugment(images, draws(kind, negative), magnitude) for negative in (False, True)]
    assert torch.equal(*both) == (not signed or (NAMES[kind] == "Color" and channels == 1))


def test_an_image_is_changed_alike_in_any_batch() -> None:
    table = torch.cat([epoch_draws(0, 1, 6), own.operation_draws(0, 1, 6)], 1)
    whole = own.randaugment(IMAGES, table, 9)
    parts = [own.randaugment(IMAGES[i : i + 1], table[i : i + 1], 9) for i in range(6)]
    assert torch.equal(whole, torch.cat(parts))
    assert not torch.equal(whole, IMAGES)


def test_operations_differ_between_images_and_epochs() -> None:
    first, second = own.operation_draws(0, 0, 500), own.operation_draws(0, 1, 500)
    assert not torch.equal(first, second)
    counts = (first[:, 0] * len(NAMES)).long().bincount(minlength=len(NAMES))
    assert counts.min() > 10


def test_a_run_uses_it_and_keeps_its_other_draws() -> None:
    options: dict[str, Any] = {"limit": 64, "epochs": 2, "batch_size": 32, "quiet": True, "pad": 1}
    plain = archc.train("small.yaml", out="plain", **options)
    changed = archc.train("small.yaml", out="changed", randaugment=9, **options)
    again = archc.train("small.yaml", out="again", randaugment=9, mixup=0.2, **options)
    assert len({plain.losses[0], changed.losses[0], again.losses[0]}) == 3


def test_images_of_other_channels_are_refused() -> None:
    part = Images(torch.zeros(20, 2, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 10))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128, 2))
    with pytest.raises(SpecError, match="1 or 3 channels"):
        archc.train(model, Data("two", ("a", "b"), part, part, True), randaugment=9, quiet=True)
