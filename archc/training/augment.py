"""Augmentation as batched tensor operations on the device, with one row of random numbers per image.

Every random choice comes from a table that is drawn once per epoch from (seed, epoch), with one row per image. So the
augmentation of an image in an epoch doesn't depend on the batch, the device, the process, or the step at which a run is
resumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from archc.training.task import IGNORED


class Draw(IntEnum):
    """The columns of the table of draws, uniform in [0, 1)."""

    FLIP = 0
    SHIFT_X = 1
    SHIFT_Y = 2
    CUT_X = 3
    CUT_Y = 4
    AREA = 5
    RATIO = 6
    CROP_X = 7
    CROP_Y = 8


def generator(seed: int, epoch: int, purpose: int) -> torch.Generator:
    """A generator for one purpose of one epoch: a pure function of its arguments."""
    mixed = 0
    for number in (seed, epoch, purpose):
        # The finalizer of splitmix64: seeds that differ in one bit give independent streams.
        mixed = (mixed + number + 0x9E3779B97F4A7C15) & (2**64 - 1)
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        mixed ^= mixed >> 31
    return torch.Generator().manual_seed(mixed >> 1)


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """The order of `count` images in an epoch: int64 (count)."""
    return torch.randperm(count, generator=generator(seed, epoch, 0))


def epoch_draws(seed: int, epoch: int, count: int) -> Tensor:
    """The table of draws of an epoch: float32 (count, columns), one row per image."""
    return torch.rand(count, len(Draw), generator=generator(seed, epoch, 1))


@dataclass(frozen=True, slots=True)
class Preparation:
    """The conversion of uint8 images to the network's input, in training and in validation."""

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool = False
    pad: int = 0
    cutout: int = 0
    randaugment: int = 0
    random_crop: bool = False
    center_crop: float = 1.0
    channels_last: bool = False

    def validation(self, pixels: Tensor) -> Tensor:
        """uint8 (batch, channels, height, width) of any size to float32, resized and normalized."""
        return self._normalised(self._resized(self._middle(pixels)))

    def training(self, pixels: Tensor, draws: Tensor, here: Tensor | None = None) -> Tensor:
        """The same with augmentation by the rows of `draws`; `here` are the same rows on the CPU."""
        images = self._part(pixels, draws) if self.random_crop else self._resized(pixels)
        if self.flip or self.pad:
            images = self._moved(images, draws)
        if self.randaugment:
            from archc.training.randaugment import randaugment

            images = randaugment(images, draws.cpu() if here is None else here, self.randaugment)
        result = self._normalised(images)
        if self.cutout:
            result = self._cut(result, draws)
        return result

    def masks(self, masks: Tensor, draws: Tensor) -> Tensor:
        """Transform uint8 masks (batch, height, width) like the images.

        A place without a pixel of the image becomes IGNORED.
        """
        images = masks[:, None] if len(draws) else self._middle(masks[:, None])
        if len(draws) and self.random_crop:
            images = self._sampled(images.float(), draws, "nearest").to(torch.uint8)
        elif images.shape[2:] != (self.height, self.width):
            images = F.interpolate(images, (self.height, self.width), mode="nearest-exact")
        if len(draws) and (self.flip or self.pad):
            images = self._moved(images, draws, IGNORED)
        return images[:, 0]

    def _middle(self, pixels: Tensor) -> Tensor:
        height, width = (max(1, round(length * self.center_crop)) for length in pixels.shape[2:])
        top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
        return pixels[:, :, top : top + height, left : left + width]

    def _resized(self, pixels: Tensor) -> Tensor:
        pixels = with_channels(pixels, self.channels)
        if pixels.shape[2:] == (self.height, self.width):
            return pixels
        if self.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return resize(pixels, self.height, self.width)

    def _part(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """A random crop of each image at the network's size, sampled bilinearly."""
        images = with_channels(pixels, self.channels).float()
        return self._sampled(images, draws, "bilinear").round_().to(torch.uint8)

    def _sampled(self, images: Tensor, draws: Tensor, mode: str) -> Tensor:
        height, width, top, left = random_part(draws)
        zero = torch.zeros_like(top)
        # affine_grid has the origin in the middle: -1 … 1 over the image.
        x = torch.stack([width, zero, 2 * left + width - 1], 1)
        y = torch.stack([zero, height, 2 * top + height - 1], 1)
        grid = F.affine_grid(torch.stack([x, y], 1), [len(images), 1, self.height, self.width], align_corners=False)
        return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)

    def _moved(self, images: Tensor, draws: Tensor, border: int = 0) -> Tensor:
        """Shift by up to `pad` pixels, with a border, and flip: one gather for both."""
        count, _, height, width = images.shape
        device, pad = images.device, self.pad
        rows = torch.arange(height, device=device).expand(count, -1)
        columns = torch.arange(width, device=device).expand(count, -1)
        if self.flip:
            mirrored = draws[:, Draw.FLIP, None] < 0.5
            columns = torch.where(mirrored, width - 1 - columns, columns)
        if pad:
            rows = rows + _integer(draws[:, Draw.SHIFT_Y, None], 2 * pad + 1)
            columns = columns + _integer(draws[:, Draw.SHIFT_X, None], 2 * pad + 1)
            images = F.pad(images, (pad, pad, pad, pad), value=border)
        # Gather whole pixels by their index among those of all images: channels last in memory.
        pixels = images.permute(0, 2, 3, 1)
        first = torch.arange(count, device=device)[:, None, None] * pixels.shape[1]
        number = (first + rows[:, :, None]) * pixels.shape[2] + columns[:, None, :]
        moved = pixels.flatten(0, 2).index_select(0, number.flatten())
        return moved.view(count, height, width, -1).permute(0, 3, 1, 2)

    def _normalised(self, images: Tensor) -> Tensor:
        mean, std = _constant(self.mean, images.device), _constant(self.std, images.device)
        if not self.channels_last:
            levels = images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
            return levels.sub_(mean.view(1, -1, 1, 1)).div_(std.view(1, -1, 1, 1))
        levels = images.to(torch.float32, memory_format=torch.channels_last).div_(255)
        # Whole rows at once, because an inner loop over three channels is ten times slower.
        count, _, height, width = images.shape
        rows = levels.permute(0, 2, 3, 1).view(count, height, -1)
        rows.sub_(mean.repeat(width)).div_(std.repeat(width))
        return levels

    def _cut(self, images: Tensor, draws: Tensor) -> Tensor:
        """Fill a square with the mean color (Cutout); its center is anywhere in the image."""

        def near(length: int, column: Draw) -> Tensor:
            centre = _integer(draws[:, column, None], length)
            distance = torch.arange(length, device=images.device) - centre + self.cutout // 2
            return (distance >= 0) & (distance < self.cutout)

        inside = near(self.height, Draw.CUT_Y)[:, None, :, None] & near(self.width, Draw.CUT_X)[:, None, None, :]
        return images.masked_fill(inside, 0.0)


@cache
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers on a device, cached, because copying them waits for the device."""
    return torch.tensor(values, device=device)


def random_part(draws: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Height, width, top and left of a random crop of each image, as fractions of the image's sides.

    The area is 8 to 100 % and the aspect ratio 3:4 to 4:3 (https://arxiv.org/abs/1409.4842, section 6); a side is at
    most the image's.
    """
    area = 0.08 + 0.92 * draws[:, Draw.AREA]
    ratio = (3 / 4) * (16 / 9) ** draws[:, Draw.RATIO]
    height, width = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
    return height, width, draws[:, Draw.CROP_Y] * (1 - height), draws[:, Draw.CROP_X] * (1 - width)


def _integer(draw: Tensor, count: int) -> Tensor:
    """Convert a uniform draw to an integer in 0 … count - 1."""
    return (draw * count).long().clamp_(max=count - 1)


def with_channels(pixels: Tensor, channels: int) -> Tensor:
    """Convert images to 1 or 3 channels: gray is repeated, color is weighted to gray as in ITU-R BT.601."""
    if pixels.shape[1] == channels:
        return pixels
    if channels == 3:
        return pixels.expand(-1, 3, -1, -1)
    weights = _constant((0.299, 0.587, 0.114), pixels.device).view(1, 3, 1, 1)
    return (pixels * weights).sum(1, keepdim=True).round().to(torch.uint8)


def resize(pixels: Tensor, height: int, width: int) -> Tensor:
    """Resize uint8 images, bilinear with antialiasing, rounded to integers.

    On the CPU the pixels are equal to Pillow's (and so to torchvision's `Resize` of a Pillow image).
    """
    if pixels.device.type == "cpu":
        return F.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
    scaled = F.interpolate(pixels.float(), (height, width), mode="bilinear", antialias=True)
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


def statistics(pixels: Tensor, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images, scaled to 0 … 1, to four decimals."""
    total = torch.zeros(2, channels, dtype=torch.float64)
    for part in torch.split(pixels, 4096):
        levels = with_channels(part, channels).double().div_(255)
        total += torch.stack([levels.sum((0, 2, 3)), levels.square().sum((0, 2, 3))])
    mean, square = total / (pixels.shape[0] * pixels.shape[2] * pixels.shape[3])
    std = (square - mean.square()).clamp(min=1e-8).sqrt()
    return tuple(round(v, 4) for v in mean.tolist()), tuple(max(round(v, 4), 1e-4) for v in std.tolist())
