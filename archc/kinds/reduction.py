"""Reductions: one value, such as the mean, for all positions of some axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from archc.kinds.arithmetic import is_expression
from archc.kinds.axes import axes_type, axis_faults, each_of, mixing, place_of, single
from archc.kinds.base import Alternatives, Call, Fault, Inputs, Kind, Shape, Window, form, need_map
from archc.kinds.labels import listed
from archc.kinds.registry import register
from archc.kinds.types import Flag


class _Reduction(Kind):
    """One value for all positions of some axes, by default those after the channels."""

    structural: ClassVar[tuple[str, ...]] = ("dim",)
    examples: ClassVar[tuple[str, ...]] = ("", "{keepdim: true}", "{dim: [1, 2]}")

    dim: Annotated[Any, *axes_type(optional=True)] = None
    """The axis, or a list of axes; `null`: all axes after the channels."""
    keepdim: Flag = False
    """Keep the axes, each with length 1, instead of dropping them."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        every = list(range(1, 1 + len(x)))
        return {"dim": [None, *every, -1, every[1:] or every, every[:-1] or every]}

    def _over(self, x: Shape) -> tuple[int, ...]:
        """The places in the input's shape of the axes."""
        if self.dim is None:
            return tuple(range(1, len(x)))
        return tuple(place_of(axis, x) for axis in each_of(self.dim))

    def label(self, inputs: Inputs) -> str:
        name = self.title or self.kind
        if self.dim is not None:
            several = isinstance(self.dim, tuple) and len(self.dim) > 1
            return f"{name} over ax{'es' if several else 'is'} {listed(self.dim, ', ')}"
        letters = {1: "L", 2: "H×W", 3: "D×H×W"}
        return f"{name} over {letters.get(len(inputs[0]) - 1, 'all axes')}" if inputs else name

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if self.dim is None and len(x) == 1:
            yield from need_map(inputs, self.kind)
            return
        faults: list[Fault] = []
        for axis in each_of(self.dim):
            if axis is not None and not faults:
                faults += axis_faults(axis, x, "dim", self.kind)
        yield from faults
        over = self._over(x)
        if not faults and len(set(over)) < len(over):
            message = f"`{self.kind}` gets an axis more than once: {listed(self.dim, ', ')}"
            yield Fault("E0317", message, "dim", help="name each axis once")
        elif not faults and len(over) == len(x) and self.keepdim is False:
            message = f"`{self.kind}` over every axis of {form(x)} leaves a number, not a tensor"
            yield Fault("E0301", message, "dim", help="leave an axis, or add `keepdim: true`")

    def output(self, inputs: Inputs) -> Any:
        (x,) = inputs
        over = self._over(x)
        kept = tuple(1 if at in over else length for at, length in enumerate(x))
        left = tuple(length for at, length in enumerate(x) if at not in over)
        if not left:  # only `keepdim: true` is valid
            return kept
        if is_expression(self.keepdim):
            return Alternatives((self.keepdim, kept, left))
        return kept if self.keepdim else left

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        axes = None if self.dim is None else single(1 + at for at in self._over(inputs[0]))
        return {"dim": axes, "keepdim": self.keepdim}

    def function(self, inputs: Inputs) -> Call:
        if self.dim is None and len(inputs[0]) == 1:
            raise ValueError("a vector has no axes after its channels")
        over = single(each_of(self.dim) if self.dim is not None else range(2, 1 + len(inputs[0])))
        keep: tuple[tuple[str, Any], ...] = () if self.keepdim is False else (("keepdim", self.keepdim),)
        return Call(f"torch.{self.kind}", (), (("dim", over), *keep))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        over = self._over(inputs[0])
        if self.keepdim is True:
            return super().moves(inputs)
        left = [at for at in range(len(inputs[0])) if at not in over]
        return tuple(left.index(at) if at in left else None for at in range(len(inputs[0])))

    def first_window(self, inputs: Inputs) -> Window:
        return mixing(inputs[0], self._over(inputs[0]))[0]

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return mixing(inputs[0], self._over(inputs[0]))[1:]


@register
class Mean(_Reduction):
    """Mean over axes, by default all after the channels: one value per channel."""

    kind: ClassVar[str] = "mean"
    torch: ClassVar[str] = "archc.Mean"
    aliases: ClassVar[tuple[str, ...]] = ("globalavgpool", "globalaveragepooling", "reducemean", "gap")


@register
class Amax(_Reduction):
    """The largest value over axes, by default all after the channels (`torch.amax`)."""

    kind: ClassVar[str] = "amax"
    torch: ClassVar[str] = "archc.Amax"
    title: ClassVar[str] = "max"
    aliases: ClassVar[tuple[str, ...]] = ("globalmaxpool", "globalmaxpooling", "reducemax")

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    @property
    def needs_output(self) -> bool:
        return True
