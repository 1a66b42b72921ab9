"""What has been published of the bundled networks: parameters, multiply-adds, smallest input, accuracy on ImageNet."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import archc

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


_OF_PAPERS: Final = {
    "alexnet_paper": Published(
        "the paper, Table 2 (1 CNN, ten crops)", "https://papers.nips.cc/paper/4824", 59.3, 81.8
    ),
    "googlenet_paper": Published(
        "the paper, Table 3 (1 model, 1 crop)", "https://arxiv.org/abs/1409.4842", None, 89.93
    ),
}
_HEADS_COUNTED: Final = ("inception_v3",)
_SMALLEST: Final = (
    "efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l maxvit_t swin_t swin_s swin_b swin_v2_t swin_v2_s swin_v2_b"
).split()
"""torchvision says 33 and 224 of these; they run at 1×1 and at 4×4 (tests/test_twins.py)."""


@cache
def published(name: str) -> Published | None:
    """What has been published of a bundled network: by torchvision of the first weights that it had for its size."""
    import torchvision.models as tv

    if name not in tv.list_models(module=tv):
        return _OF_PAPERS.get(name)
    every: list[Any] = list(tv.get_model_weights(name))
    size = archc.load(name).input[1:]
    weights = next((found for found in every if found.transforms().crop_size * 2 == list(size)), every[0])
    meta = weights.meta
    accuracy = meta["_metrics"]["ImageNet-1K"]
    return Published(
        f"torchvision, weights {weights.name}",
        TORCHVISION,
        accuracy["acc@1"],
        accuracy["acc@5"],
        meta["num_params"],
        meta["_ops"],
        None if name in _SMALLEST else meta["min_size"][0],
        name in _HEADS_COUNTED,
    )
