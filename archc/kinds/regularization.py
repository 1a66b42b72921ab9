"""Layers that act in training only."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from archc.kinds.base import FLOAT, Fault, Inputs, Kind, Role, need_map, volume
from archc.kinds.labels import text
from archc.kinds.registry import register
from archc.kinds.types import Flag, Probability


def _noise(p: float, numbers: int) -> int:
    """Bytes of the numbers that were drawn; nothing is drawn where the outcome is sure."""
    return FLOAT * (0 if p == 0 else 1 if p == 1 else numbers)


class _Dropout(Kind):
    """What the dropouts share; in evaluation they do nothing."""

    positional: ClassVar[tuple[str, ...]] = ("p",)
    keeps_storage: ClassVar[bool] = True
    role: ClassVar[Role] = "dropout"

    def label(self, inputs: Inputs) -> str:
        return f"{self.title or self.kind} {text(self.__dict__['p'])}"


@register
class Dropout(_Dropout):
    """Sets single values to zero with probability p in training (https://jmlr.org/papers/v15/srivastava14a.html)."""

    kind: ClassVar[str] = "dropout"
    torch: ClassVar[str] = "nn.Dropout"
    examples: ClassVar[tuple[str, ...]] = ("", "0.2")

    p: Probability = 0.5
    """Probability of setting a value to zero."""
    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""

    def tag(self) -> str:
        return f"drop {text(self.p)}"

    def kept(self, inputs: Inputs, images: int) -> int:
        return _noise(self.p, images * volume(inputs[0]))


class _ChannelDropout(_Dropout):
    """Sets whole channels to zero with probability p in training (https://arxiv.org/abs/1411.4280)."""

    rank: ClassVar[int] = 2
    """The axes after the channels."""
    examples: ClassVar[tuple[str, ...]] = ("0.2",)

    p: Probability = 0.5
    """Probability of setting a channel to zero."""
    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""

    def tag(self) -> str:
        return f"drop {text(self.p)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return need_map(inputs, self.kind, self.rank)

    def kept(self, inputs: Inputs, images: int) -> int:
        return _noise(self.p, images * inputs[0][0])


@register
class Dropout1d(_ChannelDropout):
    """Sets whole channels of sequences to zero with probability p in training (https://arxiv.org/abs/1411.4280)."""

    kind: ClassVar[str] = "dropout1d"
    torch: ClassVar[str] = "nn.Dropout1d"
    rank: ClassVar[int] = 1


@register
class Dropout2d(_ChannelDropout):
    """Sets whole channels to zero with probability p in training (https://arxiv.org/abs/1411.4280)."""

    kind: ClassVar[str] = "dropout2d"
    torch: ClassVar[str] = "nn.Dropout2d"


@register
class Dropout3d(_ChannelDropout):
    """Sets whole channels of volumes to zero with probability p in training (https://arxiv.org/abs/1411.4280)."""

    kind: ClassVar[str] = "dropout3d"
    torch: ClassVar[str] = "nn.Dropout3d"
    rank: ClassVar[int] = 3


@register
class StochasticDepth(_Dropout):
    """Drops whole residual branches with probability p in training (https://arxiv.org/abs/1603.09382).

    `mode: row` decides once per image, `mode: batch` once per batch.
    """

    kind: ClassVar[str] = "stochastic_depth"
    torch: ClassVar[str] = "archc.StochasticDepth"
    title: ClassVar[str] = "drop path"
    aliases: ClassVar[tuple[str, ...]] = ("droppath",)
    examples: ClassVar[tuple[str, ...]] = ("0.1",)

    p: Probability
    """Probability of dropping the branch."""
    mode: Literal["row", "batch"] = "row"
    """Decide once per image (`row`), or once per batch (`batch`)."""

    def kept(self, inputs: Inputs, images: int) -> int:
        return FLOAT * (0 if self.p == 0 else images if self.mode == "row" else 1)
