"""Normalization layers."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema

from archc.kinds.arithmetic import unless
from archc.kinds.axes import Axis, axis_faults, mixing, place_of
from archc.kinds.base import (
    FLOAT,
    Call,
    Fault,
    Inputs,
    Kind,
    Role,
    Shape,
    State,
    Window,
    form,
    need_map,
    need_vector,
    shown,
    volume,
)
from archc.kinds.convolution import group_faults
from archc.kinds.labels import text
from archc.kinds.registry import register
from archc.kinds.types import Count, Flag, Positive, Real, integer

_AFFINE: Mapping[str, State] = {"weight": State(flags=("affine",)), "bias": State(flags=("affine", "bias"))}
_ELEMENTWISE: Mapping[str, State] = {
    "weight": State(flags=("elementwise_affine",)),
    "bias": State(flags=("elementwise_affine", "bias")),
}
_STATISTIC = State(trained=False, flags=("track_running_stats",))


class _BatchNorm(Kind):
    """Batch normalization (Ioffe & Szegedy, 2015, https://arxiv.org/abs/1502.03167)."""

    positional: ClassVar[tuple[str, ...]] = ("num_features",)
    state: ClassVar[Mapping[str, State]] = {
        **_AFFINE,
        "running_mean": _STATISTIC,
        "running_var": _STATISTIC,
        "num_batches_tracked": _STATISTIC._replace(integers=True),
    }
    role: ClassVar[Role] = "norm"
    title: ClassVar[str] = "batch norm"
    short: ClassVar[str] = "BN"

    eps: Positive = 1e-5  # torch trains with no other
    """Small number added to the variance to avoid division by zero."""
    momentum: float | None = 0.1
    """Weight of the newest batch in the running statistics; `null`: a plain average of all batches."""
    affine: Flag = True
    """Learn a scale and a shift for each channel or feature."""
    track_running_stats: Flag = True
    """Keep running statistics for evaluation."""
    bias: Flag = True
    """With `affine`, also learn the shift; PyTorch 2.10 has no such argument."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        if not self.track_running_stats and volume(inputs[0][1:]) == 1:
            yield Fault(
                "E0316",
                f"without running statistics, `{self.kind}` cannot normalize one image with one value per channel",
                "track_running_stats",
                label=f"the input is {form(inputs[0])}",
                help="remove `track_running_stats`",
            )

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"num_features": inputs[0][0]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        channels = inputs[0][:1]
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(self.state, channels)
        return shapes | {"num_batches_tracked": ()}

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        return FLOAT * 2 * volume(inputs[0][:1])  # the batch's mean and deviation of each channel

    def scratch(self, inputs: Inputs, images: int) -> int:
        return 0 if self.track_running_stats else self.kept(inputs, images)


class _MapBatchNorm(_BatchNorm):
    """Batch normalization of each channel of what has several axes after them."""

    rank: ClassVar[int] = 2
    """The axes after the channels."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        wrong = len(inputs[0]) != 1 + self.rank
        return need_map(inputs, self.kind, self.rank) if wrong else super().requirements(inputs)


@register
class BatchNorm2d(_MapBatchNorm):
    """Batch normalization of each channel of a feature map (https://arxiv.org/abs/1502.03167)."""

    kind: ClassVar[str] = "batch_norm2d"
    torch: ClassVar[str] = "nn.BatchNorm2d"
    aliases: ClassVar[tuple[str, ...]] = ("batchnorm", "bn")


@register
class BatchNorm1d(_BatchNorm):
    """Batch normalization of each feature of a vector, or of each channel of a sequence."""

    kind: ClassVar[str] = "batch_norm1d"
    torch: ClassVar[str] = "nn.BatchNorm1d"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return need_vector(inputs, self.kind) if len(inputs[0]) not in (1, 2) else super().requirements(inputs)


@register
class BatchNorm3d(_MapBatchNorm):
    """Batch normalization of each channel of a volume (https://arxiv.org/abs/1502.03167)."""

    kind: ClassVar[str] = "batch_norm3d"
    torch: ClassVar[str] = "nn.BatchNorm3d"
    rank: ClassVar[int] = 3


class _InstanceNorm(Kind):
    """Normalizes each channel of each image by its own statistics (https://arxiv.org/abs/1607.08022)."""

    rank: ClassVar[int] = 2
    """The axes after the channels."""
    positional: ClassVar[tuple[str, ...]] = ("num_features",)
    state: ClassVar[Mapping[str, State]] = _BatchNorm.state
    role: ClassVar[Role] = "norm"
    title: ClassVar[str] = "instance norm"
    short: ClassVar[str] = "IN"
    examples: ClassVar[tuple[str, ...]] = ("", "{affine: true}")

    eps: Real = 1e-5
    """Small number added to the variance to avoid division by zero."""
    momentum: Real = 0.1
    """Weight of the newest batch in the running statistics."""
    affine: Flag = False
    """Learn a scale and a shift for each channel."""
    track_running_stats: Flag = False
    """Keep running statistics for evaluation."""
    bias: Flag = True
    """With `affine`, also learn the shift; PyTorch 2.10 has no such argument."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        yield from need_map(inputs, self.kind, self.rank)
        if len(inputs[0]) == 1 + self.rank and volume(inputs[0][1:]) == 1:
            yield Fault(
                "E0316",
                f"`{self.kind}` of a single value per channel gives zeros",
                label=f"the input is {form(inputs[0])}",
                help="normalize before the feature map shrinks to 1×1",
            )

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"num_features": inputs[0][0]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(self.state, inputs[0][:1])
        return shapes | {"num_batches_tracked": ()}

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        vectors = 2 + self.affine + 2 * self.track_running_stats  # torch copies what it has for each image
        return FLOAT * images * vectors * volume(inputs[0][:1])

    def scratch(self, inputs: Inputs, images: int) -> int:
        return FLOAT * images * (2 + self.affine * (1 + self.bias)) * volume(inputs[0][:1])


@register
class InstanceNorm1d(_InstanceNorm):
    """Normalizes each channel of each sequence by its own statistics (https://arxiv.org/abs/1607.08022)."""

    kind: ClassVar[str] = "instance_norm1d"
    torch: ClassVar[str] = "nn.InstanceNorm1d"
    rank: ClassVar[int] = 1


@register
class InstanceNorm2d(_InstanceNorm):
    """Normalizes each channel of each image by its own statistics (https://arxiv.org/abs/1607.08022)."""

    kind: ClassVar[str] = "instance_norm2d"
    torch: ClassVar[str] = "nn.InstanceNorm2d"


@register
class InstanceNorm3d(_InstanceNorm):
    """Normalizes each channel of each volume by its own statistics (https://arxiv.org/abs/1607.08022)."""

    kind: ClassVar[str] = "instance_norm3d"
    torch: ClassVar[str] = "nn.InstanceNorm3d"
    rank: ClassVar[int] = 3


@register
class GroupNorm(Kind):
    """Group normalization (Wu & He, 2018, https://arxiv.org/abs/1803.08494)."""

    kind: ClassVar[str] = "group_norm"
    torch: ClassVar[str] = "nn.GroupNorm"
    positional: ClassVar[tuple[str, ...]] = ("num_groups", "num_channels")
    state: ClassVar[Mapping[str, State]] = _AFFINE
    role: ClassVar[Role] = "norm"
    short: ClassVar[str] = "GN"
    examples: ClassVar[tuple[str, ...]] = ("4",)

    num_groups: Count
    """Number of groups of channels, each with separate statistics; it must divide the number of channels."""
    eps: Real = 1e-5
    """Small number added to the variance to avoid division by zero."""
    affine: Flag = True
    """Learn a scale and a shift for each channel."""
    bias: Flag = True
    """With `affine`, also learn the shift; PyTorch 2.10 has no such argument."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        for fault in group_faults(x[0], x[0], self.num_groups):
            yield fault._replace(argument="num_groups")
        if volume(x) == self.num_groups:
            yield Fault(
                "E0316",
                "`group_norm` with one value per group gives zeros",
                "num_groups",
                label=f"the input is {form(x)}",
                help="use fewer groups",
            )

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"num_channels": inputs[0][0]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        channels = inputs[0][:1]
        return {"weight": channels, "bias": channels}

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        return FLOAT * 2 * images * self.num_groups

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)


def _shape(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return tuple(integer(size, 1) for size in value)
    return integer(value, 1)


@register
class LayerNorm(Kind):
    """Layer normalization over the last dimensions (Ba et al., 2016, https://arxiv.org/abs/1607.06450).

    `normalized_shape` defaults to the whole shape of the input.
    """

    kind: ClassVar[str] = "layer_norm"
    torch: ClassVar[str] = "nn.LayerNorm"
    positional: ClassVar[tuple[str, ...]] = ("normalized_shape",)
    state: ClassVar[Mapping[str, State]] = _ELEMENTWISE
    role: ClassVar[Role] = "norm"
    short: ClassVar[str] = "LN"
    examples: ClassVar[tuple[str, ...]] = ("", "[32, 32]")

    normalized_shape: Annotated[
        Any,
        PlainValidator(_shape),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
                    {"type": "null"},
                ]
            }
        ),
    ] = None
    """Sizes of the last dimensions, over which the statistics are computed."""
    eps: Real = 1e-5
    """Small number added to the variance to avoid division by zero."""
    elementwise_affine: Flag = True
    """Learn a scale and a shift for each element."""
    bias: Flag = True
    """Also learn a shift."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"normalized_shape": [*(list(x[i:]) for i in range(len(x))), x[-1]]}

    def _over(self, x: Shape) -> Shape:
        over = x if self.normalized_shape is None else self.normalized_shape
        return over if isinstance(over, tuple) else (over,)

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        over = self._over(x)
        if over != x[-len(over) :]:
            yield Fault(
                "E0314",
                f"normalized_shape {shown(list(over))} is not the end of the input's shape, {form(x)}",
                "normalized_shape",
                help="omit it to normalize over the whole input",
            )

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        over = unless(self.normalized_shape, None, inputs[0])
        return {"normalized_shape": over[0] if isinstance(over, tuple) and len(over) == 1 else over}

    def written(self) -> dict[str, Any]:
        given = super().written()
        given.pop("normalized_shape", None)
        return given

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        over = self._over(inputs[0])
        return {**super().settled(inputs), "normalized_shape": over[0] if len(over) == 1 else over}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        over = self._over(inputs[0])
        return {"weight": over, "bias": over}

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        (x,) = inputs
        return FLOAT * 2 * images * (volume(x) // volume(self._over(x)))

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)


@register
class LayerNorm2d(Kind):
    """Layer normalization of each position's channels (ConvNeXt, https://arxiv.org/abs/2201.03545)."""

    kind: ClassVar[str] = "layer_norm2d"
    torch: ClassVar[str] = "archc.LayerNorm2d"
    positional: ClassVar[tuple[str, ...]] = ("normalized_shape",)
    state: ClassVar[Mapping[str, State]] = _ELEMENTWISE
    role: ClassVar[Role] = "norm"
    title: ClassVar[str] = "layer norm"
    short: ClassVar[str] = "LN"

    eps: Real = 1e-5
    """Small number added to the variance to avoid division by zero."""
    elementwise_affine: Flag = True
    """Learn a scale and a shift for each channel."""
    bias: Flag = True
    """Also learn a shift."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return need_map(inputs, self.kind)

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"normalized_shape": inputs[0][0]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        channels = inputs[0][:1]
        return {"weight": channels, "bias": channels}

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        return FLOAT * 2 * images * volume(inputs[0][1:])

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)


@register
class Normalize(Kind):
    """Divides by the norm along an axis, (Σ |x|ᵖ)^(1/p): by default each position's channels get length 1."""

    kind: ClassVar[str] = "normalize"
    torch: ClassVar[str] = "archc.Normalize"
    role: ClassVar[Role] = "norm"
    aliases: ClassVar[tuple[str, ...]] = ("l2norm", "l2normalize", "unitnorm")
    examples: ClassVar[tuple[str, ...]] = ("", "{dim: -1}")

    p: Positive = 2.0
    """The exponent of the norm."""
    dim: Axis = 1
    """The axis; 1 is the first after the batch, -1 the last."""
    eps: Positive = 1e-12
    """The least divisor."""

    def label(self, inputs: Inputs) -> str:
        return f"normalize, axis {text(self.dim)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return axis_faults(self.dim, inputs[0], "dim", self.kind)

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {**super().settled(inputs), "dim": 1 + place_of(self.dim, inputs[0])}

    def function(self, inputs: Inputs) -> Call:
        return Call("nn.functional.normalize", (), tuple(self.written().items()))

    def first_window(self, inputs: Inputs) -> Window:
        return mixing(inputs[0], {place_of(self.dim, inputs[0])})[0]

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return mixing(inputs[0], {place_of(self.dim, inputs[0])})[1:]

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        (x,) = inputs
        return int(FLOAT * 2 * images * (volume(x) // x[place_of(self.dim, x)]))  # the norms, before and after `eps`

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images) // 2  # without gradients, the norms before `eps` are freed before the division


@register
class LocalResponseNorm(Kind):
    """Local response normalization over neighboring channels (Krizhevsky et al., 2012, section 3.3)."""

    kind: ClassVar[str] = "local_response_norm"
    torch: ClassVar[str] = "nn.LocalResponseNorm"
    positional: ClassVar[tuple[str, ...]] = ("size",)
    role: ClassVar[Role] = "norm"
    short: ClassVar[str] = "LRN"
    aliases: ClassVar[tuple[str, ...]] = ("lrn",)
    examples: ClassVar[tuple[str, ...]] = ("{size: 5, k: 2}",)

    size: Count
    """Number of neighboring channels to sum over."""
    alpha: Real = 1e-4
    """Factor of the mean of the squares."""
    beta: Real = 0.75
    """Exponent of the divisor."""
    k: Real = 1.0
    """Constant in the divisor, before the exponent is applied."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return need_map(inputs, self.kind)

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        channels, *sizes = inputs[0]
        held = 3 * channels + self.size - 1  # the squares of the padded map, their mean, its power
        return FLOAT * images * volume((held, *sizes))

    def scratch(self, inputs: Inputs, images: int) -> int:
        channels, *sizes = inputs[0]
        return FLOAT * images * volume((max(2 * channels, channels + self.size - 1), *sizes))
