"""Normalisation layers."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema

from archc.expressions.symbol import plain
from archc.kinds.base import (
    FLOAT,
    Count,
    Fault,
    Flag,
    Kind,
    Positive,
    Real,
    Shape,
    Stored,
    Symbolic,
    form,
    integer,
    need_map,
    need_vector,
    opened,
    shown,
    volume,
)
from archc.kinds.convolution import group_faults


def _affine(shape: tuple[int, ...]) -> dict[str, Stored]:
    return {"weight": Stored(shape), "bias": Stored(shape)}


class _BatchNorm(Kind):
    """Batch normalisation (Ioffe & Szegedy, 2015, https://arxiv.org/abs/1502.03167)."""

    positional: ClassVar[tuple[str, ...]] = ("num_features",)

    eps: Positive = 1e-5  # torch trains with no other
    """Added to the variance, so that nothing is divided by zero."""
    momentum: Annotated[float | None, Symbolic] = 0.1
    """Weight of the newest batch in the running statistics; `null`: all batches count the same."""
    affine: Flag = True
    """Learn a scale and a shift for each channel or feature."""
    track_running_stats: Flag = True
    """Keep running statistics, which evaluation uses."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        if not self.track_running_stats and volume(x[1:]) == 1:
            yield Fault(
                "E0316",
                f"without running statistics, `{self.kind}` takes them from the single value of each channel",
                "track_running_stats",
                label=f"the input is {form(x)}",
                help="leave out `track_running_stats`",
            )

    def derived(self, x: Shape) -> dict[str, Any]:
        return {"num_features": x[0]}

    def tensors(self, x: Shape) -> dict[str, Stored]:
        channels = (int(x[0]),)
        found = _affine(channels) if self.affine else {}
        if self.track_running_stats:
            found["running_mean"] = found["running_var"] = Stored(channels, False)
            found["num_batches_tracked"] = Stored((), False)
        return found

    @property
    def needs_input(self) -> bool:
        return True

    def kept(self, x: Shape, images: int) -> int:
        return FLOAT * 2 * int(x[0])  # the batch's mean and deviation of each channel

    def scratch(self, x: Shape, images: int) -> int:
        return 0 if self.track_running_stats else self.kept(x, images)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of each channel of a map (https://arxiv.org/abs/1502.03167)."""

    kind: ClassVar[str] = "batch_norm2d"
    torch: ClassVar[str] = "nn.BatchNorm2d"

    def requirements(self, x: Shape) -> Iterator[Fault]:
        yield from need_map(x, self.kind) if len(x) != 3 else super().requirements(x)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of each feature of a vector (https://arxiv.org/abs/1502.03167)."""

    kind: ClassVar[str] = "batch_norm1d"
    torch: ClassVar[str] = "nn.BatchNorm1d"

    def requirements(self, x: Shape) -> Iterator[Fault]:
        yield from need_vector(x, self.kind) if len(x) != 1 else super().requirements(x)


class GroupNorm(Kind):
    """Group normalisation (Wu & He, 2018, https://arxiv.org/abs/1803.08494)."""

    kind: ClassVar[str] = "group_norm"
    torch: ClassVar[str] = "nn.GroupNorm"
    positional: ClassVar[tuple[str, ...]] = ("num_groups", "num_channels")

    num_groups: Count
    """Parts of the channels, each with statistics of its own; they divide the channels."""
    eps: Real = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    affine: Flag = True
    """Learn a scale and a shift for each channel."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        for fault in group_faults(x[0], x[0], self.num_groups):
            yield Fault(fault.code, fault.message, "num_groups", fault.label, fault.help)
        if volume(x) == self.num_groups:
            yield Fault(
                "E0316",
                "`group_norm` with a group for each value gives zeros",
                "num_groups",
                label=f"the input is {form(x)}",
                help="use fewer groups",
            )

    def derived(self, x: Shape) -> dict[str, Any]:
        return {"num_channels": x[0]}

    def tensors(self, x: Shape) -> dict[str, Stored]:
        return _affine((int(x[0]),)) if self.affine else {}

    @property
    def needs_input(self) -> bool:
        return True

    def kept(self, x: Shape, images: int) -> int:
        return FLOAT * 2 * images * int(self.num_groups)

    def scratch(self, x: Shape, images: int) -> int:
        return self.kept(x, images)


def _shape(value: Any) -> Any:
    value = opened(value)
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return tuple(integer(size, 1) for size in value)
    return integer(value, 1)


class LayerNorm(Kind):
    """Layer normalisation over the last dimensions (Ba et al., 2016, https://arxiv.org/abs/1607.06450).

    `normalized_shape` is the input's whole shape where it is left out.
    """

    kind: ClassVar[str] = "layer_norm"
    torch: ClassVar[str] = "nn.LayerNorm"
    positional: ClassVar[tuple[str, ...]] = ("normalized_shape",)

    normalized_shape: Annotated[
        Any,
        PlainValidator(_shape),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 3},
                    {"type": "null"},
                ]
            }
        ),
    ] = None
    """The last dimensions, over which the statistics are taken."""
    eps: Real = 1e-5
    """Added to the variance, so that nothing is divided by zero."""
    elementwise_affine: Flag = True
    """Learn a scale and a shift for each element."""
    bias: Flag = True
    """Learn the shift too."""

    def _over(self, x: Shape) -> tuple[Any, ...]:
        if self.normalized_shape is None:
            return x
        return self.normalized_shape if isinstance(self.normalized_shape, tuple) else (self.normalized_shape,)

    def requirements(self, x: Shape) -> Iterator[Fault]:
        over = plain(self._over(x))
        if over != plain(x)[-len(over) :]:
            yield Fault(
                "E0314",
                f"normalized_shape {shown(list(over))} is not the end of the input's shape, {form(x)}",
                "normalized_shape",
                help="leave it out to normalise over the whole input",
            )

    def derived(self, x: Shape) -> dict[str, Any]:
        over = self._over(x)
        return {"normalized_shape": over[0] if len(over) == 1 else over}

    def written(self) -> dict[str, Any]:
        given = super().written()
        given.pop("normalized_shape", None)
        return given

    def settled(self, x: Shape) -> dict[str, Any]:
        return {**super().settled(x), "normalized_shape": plain(self._over(x))}

    def tensors(self, x: Shape) -> dict[str, Stored]:
        if not self.elementwise_affine:
            return {}
        shape = tuple(int(size) for size in self._over(x))
        return _affine(shape) if self.bias else {"weight": Stored(shape)}

    @property
    def needs_input(self) -> bool:
        return True

    def kept(self, x: Shape, images: int) -> int:
        return FLOAT * 2 * images * (volume(x) // volume(self._over(x)))

    def scratch(self, x: Shape, images: int) -> int:
        return self.kept(x, images)


class LocalResponseNorm(Kind):
    """Local response normalisation over neighbouring channels (Krizhevsky et al., 2012, section 3.3)."""

    kind: ClassVar[str] = "local_response_norm"
    torch: ClassVar[str] = "nn.LocalResponseNorm"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Count
    """Neighbouring channels that are summed over."""
    alpha: Real = 1e-4
    """Factor of the mean of their squares."""
    beta: Real = 0.75
    """Exponent of the divisor."""
    k: Real = 1.0
    """The divisor, before its exponent, where all of them are zero."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        return need_map(x, self.kind)

    @property
    def needs_input(self) -> bool:
        return True

    def kept(self, x: Shape, images: int) -> int:
        channels = 3 * int(x[0]) + int(self.size) - 1  # the squares of the padded map, their mean, its power
        return FLOAT * images * channels * volume(x[1:])

    def scratch(self, x: Shape, images: int) -> int:
        channels = int(x[0])
        return FLOAT * images * max(2 * channels, channels + int(self.size) - 1) * volume(x[1:])
