"""What has been published of the bundled networks: parameters, multiply-adds, smallest input, accuracy on ImageNet."""

from __future__ import annotations

from typing import Final, NamedTuple

TORCHVISION: Final = "https://docs.pytorch.org/vision/stable/models.html"


class Published(NamedTuple):
    """Figures with their source; accuracies in percent of ImageNet's validation images.

    They are those of one network, and of one crop unless the source says more.
    `gmacs` are multiply-adds in billions, rounded to three decimals; `with_heads` says that `parameters` counts the
    auxiliary heads.
    """

    source: str
    link: str
    top1: float | None
    top5: float
    parameters: int | None = None
    gmacs: float | None = None
    min_input: int | None = None
    with_heads: bool = False


def _torchvision(
    parameters: int,
    gmacs: float,
    min_input: int,
    top1: float,
    top5: float,
    weights: str = "IMAGENET1K_V1",
    with_heads: bool = False,
) -> Published:
    source = f"torchvision, weights {weights}"
    return Published(source, TORCHVISION, top1, top5, parameters, gmacs, min_input, with_heads)


PUBLISHED: Final = {
    "alexnet": _torchvision(61_100_840, 0.714, 63, 56.522, 79.066),
    "alexnet_paper": Published(
        "the paper, Table 2 (1 CNN, ten crops)", "https://papers.nips.cc/paper/4824", 59.3, 81.8
    ),
    "googlenet": _torchvision(6_624_904, 1.498, 15, 69.778, 89.530),
    "googlenet_paper": Published(
        "the paper, Table 3 (1 model, 1 crop)", "https://arxiv.org/abs/1409.4842", None, 89.93
    ),
    "inception_v3": _torchvision(27_161_264, 5.713, 75, 77.294, 93.450, with_heads=True),
    "resnet18": _torchvision(11_689_512, 1.814, 1, 69.758, 89.078),
    "resnet50": _torchvision(25_557_032, 4.089, 1, 76.130, 92.862),
    "squeezenet1_1": _torchvision(1_235_496, 0.349, 17, 58.178, 80.624),
    "vgg11": _torchvision(132_863_336, 7.609, 32, 69.020, 88.628),
    "vgg11_bn": _torchvision(132_868_840, 7.609, 32, 70.370, 89.810),
    "vgg13": _torchvision(133_047_848, 11.308, 32, 69.928, 89.246),
    "vgg13_bn": _torchvision(133_053_736, 11.308, 32, 71.586, 90.374),
    "vgg16": _torchvision(138_357_544, 15.470, 32, 71.592, 90.382),
    "vgg16_bn": _torchvision(138_365_992, 15.470, 32, 73.360, 91.516),
    "vgg19": _torchvision(143_667_240, 19.632, 32, 72.376, 90.876),
    "vgg19_bn": _torchvision(143_678_248, 19.632, 32, 74.218, 91.842),
}
"""By the spec's name; the others are made for teaching, and nothing is published of them."""
