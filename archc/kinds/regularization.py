"""Layers that act in training only."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from archc.kinds.base import FLOAT, Fault, Flag, Kind, Probability, Shape, Word, need_map, volume


def _noise(p: Any, numbers: int) -> int:
    """Bytes of the numbers that were drawn; nothing is drawn where the outcome is sure."""
    return FLOAT * (0 if p == 0 else 1 if p == 1 else numbers)


class Dropout(Kind):
    """Zeroes single values with probability p in training (https://jmlr.org/papers/v15/srivastava14a.html)."""

    kind: ClassVar[str] = "dropout"
    torch: ClassVar[str] = "nn.Dropout"
    positional: ClassVar[tuple[str, ...]] = ("p",)
    keeps_storage: ClassVar[bool] = True

    p: Probability = 0.5
    """The probability with which a value becomes zero."""
    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""

    def kept(self, x: Shape, images: int) -> int:
        return _noise(self.p, images * volume(x))


class Dropout2d(Kind):
    """Zeroes whole channels with probability p in training (https://arxiv.org/abs/1411.4280)."""

    kind: ClassVar[str] = "dropout2d"
    torch: ClassVar[str] = "nn.Dropout2d"
    positional: ClassVar[tuple[str, ...]] = ("p",)
    keeps_storage: ClassVar[bool] = True

    p: Probability = 0.5
    """The probability with which a channel becomes zero."""
    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        return need_map(x, self.kind)

    def kept(self, x: Shape, images: int) -> int:
        return _noise(self.p, images * int(x[0]))


class StochasticDepth(Kind):
    """Drops whole residual branches with probability p in training (https://arxiv.org/abs/1603.09382).

    `mode: row` draws once an image, `mode: batch` once a batch.
    """

    kind: ClassVar[str] = "stochastic_depth"
    torch: ClassVar[str] = "archc.StochasticDepth"
    positional: ClassVar[tuple[str, ...]] = ("p",)
    keeps_storage: ClassVar[bool] = True

    p: Probability
    """The probability with which the branch is dropped."""
    mode: Annotated[Literal["row", "batch"], Word] = "row"
    """Draw once for each image (`row`), or once for the batch."""

    def kept(self, x: Shape, images: int) -> int:
        return FLOAT * (0 if self.p == 0 else images if self.mode == "row" else 1)
