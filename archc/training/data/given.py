"""Images that a program hands over: arrays, tensors, a Dataset or a DataLoader, checked before they are trained on."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from archc.problems import Problem, SpecError
from archc.training.data.division import Division, divided, redivided
from archc.training.data.images import Data, Images
from archc.training.task import IGNORED, task_of


def as_data(given: Any, division: Division | None = None) -> Data:
    """Convert the data that `archc.train` takes, other than a name.

    `given` is a Data; `(images, labels)`, of which a division (a fifth of each class, the same in every run, if it is
    None) is used for validation; or two of these pairs, for training and for validation. In place of a pair there may
    be a Dataset of such items, or a DataLoader, of which the Dataset is taken. With a division the second pair, or the
    validation images of a Data, are for the test.

    Images are arrays or tensors: (images, height, width), (images, channels, height, width) or (images, height, width,
    channels) with 1 or 3 channels, as uint8 or as floating-point numbers in 0 … 1, which are rounded to 256 levels.
    Labels are whole numbers from 0, or strings; bool (images, labels) for several labels per image; floating-point
    numbers (images) or (images, numbers) to predict; or whole numbers (images, height, width), a class per pixel, of
    which 255 does not count. Raises SpecError (E0702) with what is wrong.
    """
    if isinstance(given, Data):
        return redivided(given, division) if division else given
    if isinstance(given, (tuple, list)) and len(given) == 2 and all(_is_part(part) for part in given):
        parts = [_pair(part) for part in given]
    elif _is_part(given):
        parts = [_pair(given)]
    else:
        help = "pass a name, (images, labels), a Dataset or a DataLoader"
        raise _fault(f"{type(given).__name__} cannot be used as data", help)
    targets = [_targets(labels) for _, labels in parts]
    if all(target is None for target in targets):
        classes = _classes([labels for _, labels in parts])
        found = [_images(images, _numbers(labels, classes)) for images, labels in parts]
    else:
        known = [target for target in targets if target is not None]
        count = known[0].shape[1] if known[0].ndim == 2 else _pixel_classes(known)
        classes = tuple(map(str, range(count)))
        found = [_images(part[0], target) for part, target in zip(parts, targets, strict=True) if target is not None]
        if len(found) != len(parts):
            raise _fault("the validation labels are of a different kind than the training labels", "")
    train, validation = found if len(found) == 2 else divided(found[0], division or Division(), classes)
    if train.pixels.shape[1:] != validation.pixels.shape[1:]:
        shapes = [tuple(part.pixels.shape[1:]) for part in (train, validation)]
        raise _fault(f"the training images are {shapes[0]}, but the validation images are {shapes[1]}", "resize them")
    if task_of(train.labels) == "classes":
        _require_all(train, classes)
    data = Data("your images", classes, train, validation, mirrored=False)
    return redivided(data, division) if division and len(found) == 2 else data


def _is_part(given: Any) -> bool:
    if isinstance(given, (Dataset, DataLoader)):
        return True
    return isinstance(given, (tuple, list)) and len(given) == 2 and all(_is_array(part) for part in given)


def _is_array(given: Any) -> bool:
    if isinstance(given, (Tensor, numpy.ndarray)):
        return True
    return isinstance(given, list) and bool(given) and isinstance(given[0], (int, float, str, numpy.integer))


def _pair(given: Any) -> tuple[Any, Any]:
    """Images and labels of a part."""
    if isinstance(given, DataLoader):
        given = given.dataset
    if not isinstance(given, Dataset):
        return given[0], given[1]
    if not hasattr(given, "__len__"):
        raise _fault("a Dataset without a length cannot be used as data", "pass its images and labels as tensors")
    images: list[Tensor] = []
    labels = []
    for index in range(len(given)):
        item = given[index]
        if not (isinstance(item, (tuple, list)) and len(item) == 2):
            raise _fault(f"item {index} of the Dataset is not a pair of image and label", "")
        images.append(_picture(item[0], index))
        single = isinstance(item[1], numpy.generic) or (isinstance(item[1], Tensor) and not item[1].ndim)
        labels.append(item[1].item() if single else item[1])
        if images[-1].shape != images[0].shape or images[-1].dtype != images[0].dtype:
            shapes = " and ".join(str(tuple(image.shape)) for image in (images[0], images[-1]))
            help = "resize them in the Dataset, or use folder:PATH, which takes images of any size"
            raise _fault(f"the images of the Dataset differ: {shapes} (item {index})", help)
    if not images:
        raise _fault("the Dataset is empty", "")
    return torch.stack(images), labels


def _picture(image: Any, index: int) -> Tensor:
    """An image of a Dataset as a tensor of 2 or 3 dimensions."""
    if isinstance(image, Tensor):
        return image
    array = numpy.array(image)  # of Pillow's images, too
    if array.ndim not in (2, 3) or array.dtype == object:
        raise _fault(f"item {index} of the Dataset is {type(image).__name__}, not an image", "")
    return torch.from_numpy(array)


def _images(images: Any, labels: Tensor) -> Images:
    pixels = torch.from_numpy(images) if isinstance(images, numpy.ndarray) and images.dtype != object else images
    if not isinstance(pixels, Tensor) or pixels.ndim not in (3, 4):
        shape = getattr(images, "shape", type(images).__name__)
        raise _fault(f"images have 3 or 4 dimensions, not {shape}", "the first counts the images")
    if len(pixels) != len(labels):
        raise _fault(f"there are {len(pixels):,} images and {len(labels):,} labels", "each image needs one label")
    if not len(pixels):
        raise _fault("there are no images", "")
    pixels = pixels.detach().cpu()
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    first, last = pixels.shape[1] in (1, 3), pixels.shape[3] in (1, 3)
    if not (first or last):
        raise _fault(f"images have 1 or 3 channels; the shape is {tuple(pixels.shape)}", "")
    if last and (not first or isinstance(images, numpy.ndarray)):
        pixels = pixels.permute(0, 3, 1, 2)
    return Images(_levels(pixels).contiguous(), labels)


def _levels(pixels: Tensor) -> Tensor:
    """Pixels as uint8."""
    if pixels.dtype == torch.uint8:
        return pixels
    if not pixels.is_floating_point():
        kind = str(pixels.dtype).removeprefix("torch.")
        raise _fault(f"pixels are uint8, or numbers in 0 … 1, not {kind}", "convert them with images.astype('uint8')")
    least, most = float(pixels.min()), float(pixels.max())
    if not (least >= 0 and most <= 1):
        help = "pass them before normalization: archc normalizes images itself"
        raise _fault(f"pixels are in 0 … 1, but these are in {least:.3g} … {most:.3g}", help)
    return pixels.float().mul(255).round().to(torch.uint8)


def _targets(labels: Any) -> Tensor | None:
    """Labels that are not one class per image, as Images has them; None if they are."""
    if isinstance(labels, list) and labels and isinstance(labels[0], (Tensor, numpy.ndarray, list, float)):
        try:
            labels = torch.stack(labels) if isinstance(labels[0], Tensor) else numpy.array(labels)
        except (RuntimeError, ValueError):
            raise _fault("the labels of the images have different shapes", "") from None
    if not isinstance(labels, (Tensor, numpy.ndarray)) or (
        isinstance(labels, numpy.ndarray) and labels.dtype.kind in "OSU"
    ):
        return None
    found = torch.as_tensor(labels).detach().cpu()
    plain = found.is_floating_point() or found.dtype == torch.bool
    if found.ndim == 3 and not plain:
        if int(found.min()) < 0 or int(found.max()) > IGNORED:
            raise _fault(f"the classes of pixels are 0 … {IGNORED - 1}, and {IGNORED} does not count", "")
        return found.to(torch.uint8)
    if found.ndim == 2 and found.dtype == torch.bool:
        return found
    if found.ndim == 2 and bool(((found == 0) | (found == 1)).all()):
        help = "pass labels.argmax(1) for one class per image, or labels as bool for several"
        raise _fault("the labels are columns of 0 and 1", help)
    if found.is_floating_point() and found.ndim in (1, 2):
        if not bool(found.isfinite().all()):
            raise _fault("a number to predict is NaN or infinite", "")
        return found.float().view(len(found), -1)
    return None if found.ndim == 1 else _wrong_labels(found)


def _wrong_labels(found: Tensor) -> Tensor:
    kind = str(found.dtype).removeprefix("torch.")
    help = (
        "pass whole numbers (images), bool (images, labels), numbers (images, numbers) or masks (images, height, width)"
    )
    raise _fault(f"labels of shape {tuple(found.shape)} and type {kind} cannot be used", help)


def _pixel_classes(masks: list[Tensor]) -> int:
    """The number of classes of pixels."""
    counted = [mask[mask != IGNORED] for mask in masks]
    if not all(len(part) for part in counted):
        raise _fault(f"no pixel counts: all have the label {IGNORED}", "")
    return max(2, *(int(part.max()) + 1 for part in counted))


def _classes(labels: list[Any]) -> tuple[str, ...]:
    """The names of the classes of all parts."""
    every = [label for part in labels for label in (part.tolist() if hasattr(part, "tolist") else part)]
    if not every:
        raise _fault("there are no labels", "")
    if all(isinstance(label, str) for label in every):
        return tuple(sorted(set(every)))
    odd = next((label for label in every if not isinstance(label, int) or isinstance(label, bool)), None)
    if odd is not None:
        raise _fault(f"labels are whole numbers or strings, but one is {odd!r}", "one label per image, not one-hot")
    if min(every) < 0:
        raise _fault(f"labels count from 0, but one is {min(every)}", "")
    return tuple(map(str, range(max(every) + 1)))


def _numbers(labels: Any, classes: tuple[str, ...]) -> Tensor:
    numbers = {name: number for number, name in enumerate(classes)}
    plain = labels.tolist() if hasattr(labels, "tolist") else labels
    return torch.tensor([numbers[str(label)] for label in plain])


def _require_all(train: Images, classes: tuple[str, ...]) -> None:
    counts = torch.bincount(train.labels, minlength=len(classes))
    if len(classes) < 2:
        raise _fault("all images have the same label: two classes are needed", "")
    if not counts.all():
        missing = classes[int(counts.argmin())]
        help = "labels number the classes from 0; for classes without images, pass an archc.training.Data"
        raise _fault(f"no training image has the label {missing}", help)


def _fault(what: str, help: str) -> SpecError:
    return SpecError([Problem("E0702", what, file="data", help=help)])
