"""Attention: each position takes a weighted mean of all positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isqrt
from typing import Annotated, Any, ClassVar

from archc.kinds.base import FLOAT, Fault, Inputs, Kind, Role, Shape, State, Window, form, volume
from archc.kinds.labels import text, value_of
from archc.kinds.registry import register
from archc.kinds.types import Count, Flag, Probability, Real, integer_type


@register
class MultiheadAttention(Kind):
    """Self-attention with several heads over a sequence of tokens (https://arxiv.org/abs/1706.03762).

    The input is tokens × features, and every token attends to every other.
    """

    kind: ClassVar[str] = "multihead_attention"
    inside: ClassVar[tuple[str, ...]] = ("linear",)
    torch: ClassVar[str] = "archc.MultiheadAttention"
    features_last: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("embed_dim", "num_heads")
    state: ClassVar[Mapping[str, State]] = {
        "in_proj_weight": State(fans=True),
        "in_proj_bias": State(flags=("bias",)),
        "out_proj.weight": State(fans=True),
        "out_proj.bias": State(flags=("bias",)),
    }
    role: ClassVar[Role] = "linear"
    title: ClassVar[str] = "attention"
    aliases: ClassVar[tuple[str, ...]] = ("attention", "selfattention", "mha", "multiheadselfattention")
    examples: ClassVar[tuple[str, ...]] = ("12", "{num_heads: 12, dropout: 0.1}")

    num_heads: Count
    """Number of heads; it must divide the number of features."""
    dropout: Probability = 0.0
    """Probability of setting a weight of the mean to zero in training."""
    bias: Flag = True
    """Add a learned bias in the projections."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"num_heads": [heads for heads in range(1, x[-1] + 1) if x[-1] % heads == 0]}

    def label(self, inputs: Inputs) -> str:
        return f"attention, {text(self.num_heads)} heads"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if len(x) != 2:
            help = "turn a map into tokens: `flatten: {start_dim: 2}`, then `permute: [0, 2, 1]`"
            message = f"`{self.kind}` expects tokens × features, but gets {form(x)}"
            yield Fault("E0301", message, help=help if len(x) > 2 else "")
        else:
            yield from _undivided(self.num_heads, x[-1], "features")

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"embed_dim": inputs[0][-1]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        features = inputs[0][-1]
        return {
            "in_proj_weight": (3 * features, features),
            "in_proj_bias": (3 * features,),
            "out_proj.weight": (features, features),
            "out_proj.bias": (features,),
        }

    def macs(self, inputs: Inputs, y: Shape) -> int:
        tokens, features = inputs[0]
        return int(tokens * features * (4 * features + 2 * tokens))  # four projections, two products of all pairs

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return (Window(None),) * (len(inputs[0]) - 1)

    def kept(self, inputs: Inputs, images: int) -> int:
        tokens, features = inputs[0]
        values, pairs = tokens * features, self.num_heads * tokens**2
        # A copy of the input with the tokens first, queries, keys and values, and what is projected at last; of the
        # weights their sums alone, unless dropout needs them: then scaled queries and keys, too.
        weights = 2 * values + 3 * pairs if self.dropout else self.num_heads * tokens
        return int(FLOAT * images * (5 * values + weights))

    def scratch(self, inputs: Inputs, images: int) -> int:
        tokens, features = inputs[0]
        return int(FLOAT * images * 4 * tokens * features)


def _undivided(heads: int, count: int, what: str) -> Iterator[Fault]:
    if count % heads:
        message = f"{heads} heads do not divide the {count} {what}"
        yield Fault("E0306", message, "num_heads", help=f"use a number of heads that divides {count}")


def _need_channels_last(x: Shape, kind: str) -> Iterator[Fault]:
    if len(x) != 3:
        message = f"`{kind}` expects a feature map with its channels last (height, width, channels), but gets {form(x)}"
        yield Fault("E0301", message, help="put `permute: [0, 2, 3, 1]` after the convolution")


@register
class ShiftedWindowAttention(Kind):
    """Self-attention within the windows of a map whose channels are last (Swin, https://arxiv.org/abs/2103.14030).

    A learned bias for each head depends on how two positions lie to each other. With `shift_size` the windows are
    shifted, so that positions of neighboring windows attend to each other.
    """

    kind: ClassVar[str] = "window_attention"
    inside: ClassVar[tuple[str, ...]] = ("linear",)
    torch: ClassVar[str] = "archc.ShiftedWindowAttention"
    features_last: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("dim", "num_heads", "window_size")
    state: ClassVar[Mapping[str, State]] = {
        "relative_position_bias_table": State(fans=True),
        "relative_position_index": State(trained=False, integers=True),
        "qkv.weight": State(fans=True),
        "qkv.bias": State(),
        "proj.weight": State(fans=True),
        "proj.bias": State(),
    }
    role: ClassVar[Role] = "linear"
    title: ClassVar[str] = "window attention"
    aliases: ClassVar[tuple[str, ...]] = ("shiftedwindowattention", "swinattention")
    examples: ClassVar[tuple[str, ...]] = ("{num_heads: 3, window_size: 7, shift_size: 3}",)

    num_heads: Count
    """Number of heads; it must divide the number of channels."""
    window_size: Count
    """Height and width of a window; the map is padded to a multiple of it."""
    shift_size: Annotated[int, *integer_type(0)] = 0
    """Rows and columns by which the windows are shifted; an axis with one window isn't."""
    attention_dropout: Probability = 0.0
    """Probability of setting a weight of the mean to zero in training."""
    dropout: Probability = 0.0
    """Probability of setting a value of the output to zero in training."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"num_heads": [heads for heads in range(1, x[-1] + 1) if x[-1] % heads == 0], "window_size": [2, 3]}

    def label(self, inputs: Inputs) -> str:
        shifted = "" if value_of(self.shift_size) == 0 else ", shifted"
        return (
            f"{text(self.window_size)}×{text(self.window_size)} window attention, {text(self.num_heads)} heads{shifted}"
        )

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        faults = list(_need_channels_last(x, self.kind))
        yield from faults
        if not faults:
            yield from _undivided(self.num_heads, x[-1], "channels")
        if self.shift_size > self.window_size:
            message = f"windows of {self.window_size} cannot be shifted by {self.shift_size}"
            yield Fault("E0203", message, "shift_size", help="half a window is usual", value=str(self.window_size // 2))

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"dim": inputs[0][-1]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        channels, window = inputs[0][-1], self.window_size
        return {
            "relative_position_bias_table": ((2 * window - 1) ** 2, self.num_heads),
            "relative_position_index": (window**4,),
            "qkv.weight": (3 * channels, channels),
            "qkv.bias": (3 * channels,),
            "proj.weight": (channels, channels),
            "proj.bias": (channels,),
        }

    def _padded(self, x: Shape) -> int:
        """The positions of the padded map."""
        height, width = (-(-size // self.window_size) * self.window_size for size in x[:2])
        return int(height * width)

    def macs(self, inputs: Inputs, y: Shape) -> int:
        channels = inputs[0][-1]
        return int(self._padded(inputs[0]) * channels * (4 * channels + 2 * self.window_size**2))

    def first_window(self, inputs: Inputs) -> Window:
        return Window(2 * self.window_size - 1, 1, self.window_size - 1, inside=True)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return (self.first_window(inputs), Window(None))

    def kept(self, inputs: Inputs, images: int) -> int:
        positions, channels = self._padded(inputs[0]), inputs[0][-1]
        pairs = self.num_heads * positions * self.window_size**2
        # Windows, queries, keys, values and what is projected; a single head keeps all that it was cut from.
        values = (6 if self.num_heads == 1 else 5) + (self.dropout > 0)
        return int(FLOAT * images * (values * positions * channels + (3 if self.attention_dropout else 1) * pairs))

    def scratch(self, inputs: Inputs, images: int) -> int:
        positions, channels = self._padded(inputs[0]), inputs[0][-1]
        return int(FLOAT * images * (4 * positions * channels + self.num_heads * positions * self.window_size**2))


@register
class PatchMerging(Kind):
    """Halves height and width and doubles the channels, which are last: 2 × 2 positions become one (Swin)."""

    kind: ClassVar[str] = "patch_merging"
    inside: ClassVar[tuple[str, ...]] = ("linear", "layer_norm")
    torch: ClassVar[str] = "archc.PatchMerging"
    features_last: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("dim",)
    state: ClassVar[Mapping[str, State]] = {
        "reduction.weight": State(fans=True),
        "norm.weight": State(),
        "norm.bias": State(),
    }
    role: ClassVar[Role] = "linear"

    eps: Real = 1e-5
    """Small number added to the variance of the normalization to avoid division by zero."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return _need_channels_last(inputs[0], self.kind)

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"dim": inputs[0][-1]}

    def output(self, inputs: Inputs) -> Shape:
        height, width, channels = inputs[0]
        return ((height + 1) // 2, (width + 1) // 2, 2 * channels)

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        channels = inputs[0][-1]
        return {
            "reduction.weight": (2 * channels, 4 * channels),
            "norm.weight": (4 * channels,),
            "norm.bias": (4 * channels,),
        }

    def macs(self, inputs: Inputs, y: Shape) -> int:
        return int(y[0] * y[1] * y[2] * 4 * inputs[0][-1])

    def first_window(self, inputs: Inputs) -> Window:
        return Window(2, 2)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return (Window(2, 2), Window(None))

    def kept(self, inputs: Inputs, images: int) -> int:
        positions, channels = volume(self.output(inputs)[:2]), inputs[0][-1]
        return int(FLOAT * images * positions * (8 * channels + 2))  # the four patches, normalized and not; statistics

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)


@register
class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Window attention by the cosine of queries and keys (Swin v2, https://arxiv.org/abs/2111.09883).

    A small network gives the bias for how two positions lie to each other.
    """

    kind: ClassVar[str] = "window_attention_v2"
    torch: ClassVar[str] = "archc.ShiftedWindowAttentionV2"
    state: ClassVar[Mapping[str, State]] = {
        "logit_scale": State(fans=True),
        "relative_coords_table": State(trained=False, fans=True),
        "relative_position_index": State(trained=False, integers=True),
        "qkv.weight": State(fans=True),
        "qkv.bias": State(),
        "proj.weight": State(fans=True),
        "proj.bias": State(),
        "cpb_mlp.0.weight": State(fans=True),
        "cpb_mlp.0.bias": State(),
        "cpb_mlp.2.weight": State(fans=True),
    }
    title: ClassVar[str] = "cosine window attention"
    aliases: ClassVar[tuple[str, ...]] = ("shiftedwindowattentionv2", "cosinewindowattention")
    examples: ClassVar[tuple[str, ...]] = ("{num_heads: 3, window_size: 8, shift_size: 4}",)

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        if self.window_size == 1:
            message = "`window_attention_v2` needs windows of more than one position"
            yield Fault("E0305", message, "window_size", help="use `window_size: 2` or more")
            return
        yield from super().requirements(inputs)

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        shapes, distances = super().shapes(inputs), 2 * self.window_size - 1
        del shapes["relative_position_bias_table"]
        return {
            "logit_scale": (self.num_heads, 1, 1),
            "relative_coords_table": (1, distances, distances, 2),
            **shapes,
            "cpb_mlp.0.weight": (_HIDDEN, 2),
            "cpb_mlp.0.bias": (_HIDDEN,),
            "cpb_mlp.2.weight": (self.num_heads, _HIDDEN),
        }

    def macs(self, inputs: Inputs, y: Shape) -> int:
        return super().macs(inputs, y) + (2 * self.window_size - 1) ** 2 * _HIDDEN * (2 + self.num_heads)

    def kept(self, inputs: Inputs, images: int) -> int:
        positions, channels, window = self._padded(inputs[0]), inputs[0][-1], self.window_size
        pairs = self.num_heads * positions * window**2
        # Windows, queries, keys, values, the first two normalized with their norms, and what is projected; the cosines
        # and the weights. For all images alike: the factors, the hidden features, and the bias.
        values = (7 if self.num_heads == 1 else 8) + (self.dropout > 0)
        kept = values * positions * channels + 4 * self.num_heads * positions
        kept += (4 if self.attention_dropout else 2) * pairs
        alike = self.num_heads + (2 * window - 1) ** 2 * _HIDDEN + self.num_heads * window**4
        return int(FLOAT * (images * kept + alike))


_HIDDEN = 512
"""Features of the network that gives the bias."""


@register
class PatchMergingV2(PatchMerging):
    """As `patch_merging`, with the normalization after the reduction (Swin v2)."""

    kind: ClassVar[str] = "patch_merging_v2"
    torch: ClassVar[str] = "archc.PatchMergingV2"

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        channels = inputs[0][-1]
        return {
            "reduction.weight": (2 * channels, 4 * channels),
            "norm.weight": (2 * channels,),
            "norm.bias": (2 * channels,),
        }

    def kept(self, inputs: Inputs, images: int) -> int:
        positions, channels = volume(self.output(inputs)[:2]), inputs[0][-1]
        return int(FLOAT * images * positions * (6 * channels + 2))  # the patches, and reduced; statistics


@register
class RelativeAttention(Kind):
    """Self-attention among the positions of each window, of windows × positions × features (MaxViT).

    A learned bias for each head depends on how two positions lie to each other
    (https://arxiv.org/abs/2204.01697). Windows are squares.
    """

    kind: ClassVar[str] = "relative_attention"
    inside: ClassVar[tuple[str, ...]] = ("linear",)
    torch: ClassVar[str] = "archc.RelativePositionalMultiHeadAttention"
    features_last: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("dim", "size", "head_dim")
    state: ClassVar[Mapping[str, State]] = {
        "relative_position_bias_table": State(fans=True),
        "relative_position_index": State(trained=False, fans=True, integers=True),
        "to_qkv.weight": State(fans=True),
        "to_qkv.bias": State(),
        "merge.weight": State(fans=True),
        "merge.bias": State(),
    }
    role: ClassVar[Role] = "linear"
    title: ClassVar[str] = "relative attention"
    aliases: ClassVar[tuple[str, ...]] = ("relativepositionalmultiheadattention", "gridattention")
    examples: ClassVar[tuple[str, ...]] = ("{size: 7, head_dim: 32}",)

    size: Count
    """Height and width of a window, which has as many positions as they multiply to."""
    head_dim: Count
    """Features of a head; it must divide the number of features."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"size": [isqrt(x[1 % len(x)])], "head_dim": [d for d in range(1, x[-1] + 1) if x[-1] % d == 0]}

    def label(self, inputs: Inputs) -> str:
        return f"{text(self.size)}×{text(self.size)} relative attention, heads of {text(self.head_dim)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if len(x) != 3:
            help = "cut a map into windows with `unflatten`, `permute` and `flatten`"
            message = f"`{self.kind}` expects windows × positions × features, but gets {form(x)}"
            yield Fault("E0301", message, help=help)
        elif self.size**2 != x[1]:
            message = f"`{self.kind}` expects windows of {self.size}×{self.size} positions, but gets {x[1]}"
            help = f"use `size: {isqrt(x[1])}`" if isqrt(x[1]) ** 2 == x[1] else ""
            yield Fault("E0301", message, "size", help=help)
        elif x[-1] % self.head_dim:
            message = f"heads of {self.head_dim} features do not divide the {x[-1]} features"
            yield Fault("E0306", message, "head_dim", help=f"use a number that divides {x[-1]}")

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"dim": inputs[0][-1]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        _, positions, features = inputs[0]
        return {
            "relative_position_bias_table": ((2 * self.size - 1) ** 2, features // self.head_dim),
            "relative_position_index": (positions, positions),
            "to_qkv.weight": (3 * features, features),
            "to_qkv.bias": (3 * features,),
            "merge.weight": (features, features),
            "merge.bias": (features,),
        }

    def macs(self, inputs: Inputs, y: Shape) -> int:
        windows, positions, features = inputs[0]
        return int(windows * positions * features * (4 * features + 2 * positions))

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return (Window(None), Window(None))

    def first_window(self, inputs: Inputs) -> Window:
        return Window(1)

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        windows, positions, features = inputs[0]
        heads = features // self.head_dim
        # Queries, keys, values and what is projected; a single head keeps all that these are cut from.
        values = (5 if heads == 1 else 4) * windows * positions * features
        return int(FLOAT * images * (values + heads * windows * positions**2))

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)
