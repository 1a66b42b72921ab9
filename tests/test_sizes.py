"""Properties of sizes: where a built network runs, its smallest input, and what its outputs see of the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archc
from archc import Architecture
from archc.build.modules import Add, Maximum, Subtract
from archc.graph import walk
from archc.inference.receptive import Field, receptive_fields
from archc.inference.sizes import Sizes
from archc.kinds import Kind
from archc.kinds.axes import each_of
from archc.kinds.join import Concat
from archc.testing import Draft, specs

REFUSALS = (RuntimeError, ValueError, IndexError, ZeroDivisionError)
LONGEST = 300

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def leave_to_training(draft: Draft) -> None:
    """Skip instance norms with running statistics: one position stops their training, and the judge evaluates."""
    layers = [layer.kind for layer in draft.layers if layer.kind.kind == "instance_norm2d"]
    assume(not any(kind.__dict__["track_running_stats"] for kind in layers))


class Judge:
    """Whether the real network, built for its declared input, runs at a size."""

    def __init__(self, architecture: Architecture) -> None:
        self.channels = architecture.input[0]
        self.real = architecture.build().eval()
        self.meta = architecture.build().to("meta").eval()
        for module in (*self.real.modules(), *self.meta.modules()):
            if isinstance(module, nn.MaxPool2d):
                module.register_forward_hook(refuse_empty_windows)
        self.legal = cache(self._legal)

    def _legal(self, height: int, width: int, expected: bool | None = None) -> bool:
        with torch.no_grad():
            if self._runs(self.meta, torch.empty(1, self.channels, height, width, device="meta")) == expected:
                return bool(expected)
            # The meta device does not check everything, and lacks some functions: the CPU judges.
            return self._runs(self.real, torch.zeros(1, self.channels, height, width))

    @staticmethod
    def _runs(module: nn.Module, x: Tensor) -> bool:
        try:
            result = module(x)
        except (*REFUSALS, NotImplementedError):
            return False
        return all(part.numel() for part in (result.values() if isinstance(result, dict) else [result]))


def refuse_empty_windows(pool: nn.MaxPool2d, inputs: tuple[Tensor], output: Tensor) -> None:
    """A window that can skip the whole map: torch gives minus infinity, and no gradient that could be trusted."""
    if output.device.type == "cpu" and output.isneginf().any():
        raise ValueError("the largest of no values")


def sizes_to_try(draw: st.DrawFn, height: int, width: int) -> list[tuple[int, int]]:
    """Each axis and the diagonal with every small length and some up to 300, and a square of small sizes."""
    far = draw(st.lists(st.integers(20, LONGEST), min_size=5, max_size=15, unique=True))
    lengths = [*range(1, 25), *range(max(1, height - 3), height + 4), *range(max(1, width - 3), width + 4), *far]
    small = [(h, w) for h in range(1, 8) for w in range(1, 8)]
    return [*((n, width) for n in lengths), *((height, n) for n in lengths), *((n, n) for n in lengths), *small]


@settings(max_examples=settings().max_examples // 2)
@given(specs(most=12), st.data())
def test_archc_says_where_the_real_network_runs(draft: Draft, data: st.DataObject) -> None:
    """At heights and widths up to 300, archc says legal exactly when the real network, built for its input, runs.

    Every small length, and some of the long ones, on each axis and both together: a flatten fixes the size,
    joined branches round apart, a gate must be 1×1, so that no axis can be judged by itself.
    """
    leave_to_training(draft)
    architecture = draft.load()
    judge, sizes = Judge(architecture), Sizes(architecture.network)
    _, height, width = architecture.input
    for h, w in sizes_to_try(data.draw, height, width):
        ours = sizes.legal(h, w)
        assert judge.legal(h, w, ours) == ours, f"{h}×{w}: archc says {ours}"


@pytest.mark.slow
@settings(max_examples=max(3, settings().max_examples // 20))
@given(specs(most=6))
def test_archc_says_where_the_real_network_runs_at_every_size(draft: Draft) -> None:
    """The same for each of the 300 lengths of each axis and of the diagonal, without exception."""
    leave_to_training(draft)
    architecture = draft.load()
    judge, sizes = Judge(architecture), Sizes(architecture.network)
    _, height, width = architecture.input
    for n in range(1, LONGEST + 1):
        for h, w in ((n, width), (height, n), (n, n)):
            ours = sizes.legal(h, w)
            assert judge.legal(h, w, ours) == ours, f"{h}×{w}: archc says {ours}"


@settings(max_examples=settings().max_examples)
@given(specs(most=12))
def test_min_input_is_the_smallest_size_at_which_the_real_network_runs(draft: Draft) -> None:
    """The least height with the declared width, the least width with the declared height.

    Where these two do not run together, it is the least square, or the smaller map of these two.
    """
    leave_to_training(draft)
    architecture = draft.load()
    judge = Judge(architecture)
    _, height, width = architecture.input
    least = next(n for n in range(1, height + 1) if judge.legal(n, width))
    across = next(n for n in range(1, width + 1) if judge.legal(height, n))
    squares = ((n, n) for n in range(max(least, across), min(height, width) + 1) if judge.legal(n, n))
    mixed = min((least, width), (height, across), key=prod)
    expected = (least, across) if judge.legal(least, across) else next(squares, mixed)
    assert architecture.min_input == expected


def test_sizes_that_do_not_run_together_and_no_square() -> None:
    """5×15 runs and 8×13, but not 5×13, which leaves one value to normalize."""
    layers = "[{conv2d: {out_channels: 2, kernel_size: [5, 13]}}, {group_norm: 2}]"
    assert archc.loads(f"input: [1, 8, 15]\nlayers: {layers}").min_input == (5, 15)
    assert archc.loads(f"input: [1, 8, 14]\nlayers: {layers}").min_input == (5, 14)
    assert archc.loads(f"input: [1, 6, 40]\nlayers: {layers}").min_input == (6, 13)


# Receptive fields

EXACT = "conv2d max_pool2d avg_pool2d pad relu identity dropout channel_shuffle split".split()
"""Kinds of which every output position sees the same stretch, moved; the other kinds are in tests/test_kinds.py."""


def test_receptive_fields_are_what_gradients_show() -> None:
    """For positive weights, the extent of the input that has a gradient is the inferred one, branches and all.

    Compared for every layer and every position whose inferred stretch lies within the map; at the border the
    padding is cut off, and no position sees more than is inferred, unless the padding is a mirror image. Networks are
    left to the next test if one of their layers has positions that see different stretches: an adaptive pool, drawn to
    make two branches fit; `resize`; a `concat` along height or width; an attention, whose weights may have no gradient.
    """
    compared = 0

    @settings(max_examples=settings().max_examples)
    @given(specs(most=12, kinds=EXACT))
    def check(draft: Draft) -> None:
        nonlocal compared
        architecture = draft.load()
        if not any(is_uneven(layer.kind) for layer in walk(architecture.network.graph)):
            compared += assert_receptive_fields(architecture)

    check()
    assert compared >= settings().max_examples * 10


def is_uneven(kind: Kind) -> bool:
    along_a_side = isinstance(kind, Concat) and kind.joined_axis(3) != 0
    return along_a_side or kind.kind.startswith(("adaptive", "resize", "scaled_dot_product"))


UNEVEN = [*EXACT, "conv_transpose2d", "adaptive_avg_pool2d"]
"""With kinds whose positions differ by one in how far they see: of an adaptive pooling the regions, of a transposed
convolution with a stride the taps that meet an input. Their view is a straight line through that, so no position is
compared with its own stretch, but all with the size."""


def test_receptive_fields_are_no_smaller_than_gradients_show() -> None:
    """No position sees more than is inferred, where maps grow, shrink to one position and grow again."""
    compared = 0

    @settings(max_examples=settings().max_examples)
    @given(specs(most=8, kinds=UNEVEN))
    def check(draft: Draft) -> None:
        nonlocal compared
        architecture = draft.load()
        graph = architecture.network.graph
        fields = receptive_fields(graph)
        if not any(pads_with_a_mirror_image(layer.kind) for layer in walk(graph)):
            for path, axis, position, seen in stretches(architecture):
                if seen is not None:
                    assert seen[1] - seen[0] + 1 <= fields[path][axis].size, (path, axis, position)
                    compared += 1

    check()
    assert compared >= settings().max_examples * 10


BRANCHES = {
    "a gate of one window": ("{x: identity, gate: {max_pool2d: 3}}, join: multiply}", 4),
    "a gate of the whole map": (
        "{x: {conv2d: {out_channels: 1, kernel_size: 3, padding: 1}}, gate: {avg_pool2d: 4}}, join: multiply}",
        5,  # a line of padding, and all four of the map
    ),
    "different jumps": ("{x: {max_pool2d: {kernel_size: 3, stride: 1}}, y: {max_pool2d: 2}}, join: concat}", 4),
}


@pytest.mark.parametrize(("branches", "size"), BRANCHES.values(), ids=BRANCHES)
def test_receptive_fields_where_branches_move_differently(branches: str, size: int) -> None:
    """A gate shows all positions the same stretch; branches of different strides each move on by their own."""
    text = f"input: [1, 4, 4]\nlayers:\n  both: {{branches: {branches}\n  last: {{avg_pool2d: 2}}\n"
    architecture = archc.loads(text)
    assert assert_receptive_fields(architecture) > 0
    assert architecture.summary().layers[-1].receptive_field == (size, size)


def test_receptive_fields_of_a_product_of_matrices() -> None:
    """Of the first factor an element sees its row, of the second its column."""
    layers = "x: {max_pool2d: [3, 1]}, y: {avg_pool2d: [3, 1], from: input}, product: {matmul: [x, y]}"
    architecture = archc.loads(f"input: [1, 6, 2]\nlayers: {{{layers}}}\n")
    assert assert_receptive_fields(architecture) > 0
    assert architecture.summary().layers[-1].receptive_field == (6, 2)


SINGLE = {
    "a transposed convolution": ("{conv_transpose2d: {out_channels: 4, kernel_size: 4}}", 32),
    "a large one": ("{conv_transpose2d: {out_channels: 4, kernel_size: 32}}", 32),
    "and a convolution": (
        "{conv_transpose2d: {out_channels: 4, kernel_size: 4}}, {conv2d: {out_channels: 4, kernel_size: 3}}",
        32,
    ),
    "a repeated edge": ("{pad: {padding: 1, mode: replicate}}, {conv2d: {out_channels: 4, kernel_size: 3}}", 32),
    "of a convolution": ("{conv2d: {out_channels: 4, kernel_size: 3, padding: 1, padding_mode: circular}}", 32),
    "resized": ("{upsample: {size: 8, mode: bilinear}}, {conv2d: {out_channels: 4, kernel_size: 3}}", 32),
    "pooled again": ("{adaptive_avg_pool2d: 3}, {max_pool2d: 2}", 32),
    "zeros": ("{conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}", 3 * 32),
}


@pytest.mark.parametrize(("layers", "size"), SINGLE.values(), ids=SINGLE)
def test_receptive_fields_behind_a_map_of_one_position(layers: str, size: int) -> None:
    """Whatever is made of it sees the same 32 positions as it does itself; only zero padding counts as seen."""
    architecture = archc.loads(f"input: [4, 32, 32]\nlayers: [{{adaptive_avg_pool2d: 1}}, {layers}]\n")
    assert architecture.summary().layers[-1].receptive_field == (size, size)
    if size == 32:
        assert assert_receptive_fields(architecture) > 0


def test_receptive_fields_behind_a_map_that_is_smaller_than_a_window() -> None:
    """Four positions of stride 8, each input position of which a transposed convolution sees at most once."""
    for kernel, size in ((1, 8), (2, 16), (3, 24), (4, 32), (7, 32)):
        layer = f"{{conv_transpose2d: {{out_channels: 4, kernel_size: {kernel}}}}}"
        architecture = archc.loads(f"input: [4, 32, 32]\nlayers: [{{avg_pool2d: 8}}, {layer}]\n")
        assert architecture.summary().layers[-1].receptive_field == (size, size)
        assert assert_receptive_fields(architecture) > 0


def assert_receptive_fields(architecture: Architecture) -> int:
    """How many positions were compared exactly."""
    compared = 0
    graph = architecture.network.graph
    fields = receptive_fields(graph)
    kinds = [layer.kind for layer in walk(graph)]
    mirrored = any(map(pads_with_a_mirror_image, kinds))
    if mirrored and any(map(pads_with_zeros, kinds)):
        return 0  # zeros beside a repeated edge count as the edge
    for path, axis, position, seen in stretches(architecture):
        first, last = fields[path][axis].at(position)
        if seen is None and sees_padding_alone(fields[path][1 - axis], architecture.input[2 - axis]):
            continue
        if first >= 0 and last <= architecture.input[1 + axis] - 1:
            assert seen == (first, last), (path, axis, position)
            compared += 1
        elif seen is not None and not mirrored:
            assert first <= seen[0] <= seen[1] <= last, (path, axis, position)
    return compared


def pads_with_zeros(kind: Kind) -> bool:
    return not pads_with_a_mirror_image(kind) and any(each_of(kind.model_dump().get("padding", 0)))


def sees_padding_alone(field: Field, length: int) -> bool:
    ends = map(field.at, range(field.length))
    return all(last < 0 or first >= length for first, last in ends)


def stretches(architecture: Architecture) -> Iterator[tuple[str, int, int, tuple[int, int] | None]]:
    """Of every layer's output, axis and position: the stretch of the input that has a gradient for positive weights."""
    module = all_positive(architecture.build())
    values: dict[str, Tensor] = {}
    for row in architecture.summary().layers:
        if not row.training:
            module.get_submodule(row.path).register_forward_hook(keep(values, row.path))
    x = 0.5 + torch.rand(1, *architecture.input, dtype=torch.float64) / 2
    x.requires_grad_()
    module(x * 1)
    for path, value in values.items():
        for axis in (0, 1):
            for position in range(value.shape[2 + axis]):
                yield path, axis, position, extent(value.select(2 + axis, position).sum(), x, axis)


def pads_with_a_mirror_image(kind: Kind) -> bool:
    """Or with other values of the map: at the border it then shows what lies further inside."""
    arguments = kind.model_dump()
    mode = arguments.get("padding_mode") or (arguments["mode"] if kind.kind == "pad" else "zeros")
    return mode not in ("zeros", "constant")


def all_positive(module: nn.Module) -> nn.Module:
    """The module in double precision with positive weights; a maximum and a difference become a sum."""
    module = module.double().eval()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 1 / max(1, parameter[0].numel()))
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(parent, name, WindowSum(child))
            elif isinstance(child, Maximum | Subtract):
                setattr(parent, name, Add())
    return module


class WindowSum(nn.Module):
    """The sum of each window of a max pooling: all of it has a gradient."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, padding, dilation = (
            value if isinstance(value, tuple) else (value, value)
            for value in (self.pool.kernel_size, self.pool.stride, self.pool.padding, self.pool.dilation)
        )
        height, width = self.pool(x).shape[2:]
        padded = nn.functional.pad(x, (padding[1], padding[1] + stride[1], padding[0], padding[0] + stride[0]))
        ones = torch.ones(x.shape[1], 1, *kernel, dtype=x.dtype)
        return nn.functional.conv2d(padded, ones, None, stride, 0, dilation, x.shape[1])[..., :height, :width]


def keep(values: dict[str, Tensor], path: str) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        values[path] = output[0] if isinstance(output, tuple) else output

    return hook


def extent(total: Tensor, x: Tensor, axis: int) -> tuple[int, int] | None:
    """The first and the last position of an axis at which the input has a gradient."""
    (gradient,) = torch.autograd.grad(total, x, retain_graph=True, allow_unused=True)
    if gradient is None:
        return None
    places = gradient.abs().sum(dim=(0, 1, 3 - axis)).nonzero().flatten().tolist()
    return (places[0], places[-1]) if places else None
