"""Products of matrices: joins along the last two axes, once for each position of the axes before them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import ClassVar

from archc.kinds.base import FLOAT, Call, Fault, Inputs, Role, Shape, form, volume
from archc.kinds.join import Join
from archc.kinds.registry import register
from archc.kinds.types import Flag, Probability, Real


def _matrix_faults(inputs: Inputs, kind: str) -> Iterator[tuple[int, Fault, int]]:
    """Yield an error unless all inputs are matrices, and as many of them as the first is."""
    for at, x in enumerate(inputs):
        if len(x) < 2:
            help = "a vector becomes a matrix by `unflatten`"
            yield at, Fault("E0301", f"`{kind}` expects matrices, but gets {form(x)}", help=help), at
            return
        if len(x) != len(inputs[0]):
            message = f"`{kind}` cannot join inputs with different numbers of axes"
            yield at, Fault("E0310", message, label=f"gives {form(x)}, but the first gives {form(inputs[0])}"), 0
            return
        if x[:-2] != inputs[0][:-2]:
            message = f"`{kind}` needs as many matrices from each input"
            yield at, Fault("E0312", message, label=f"gives {form(x)}, but the first gives {form(inputs[0])}"), 0
            return


@register
class MatMul(Join):
    """The product of two matrices, n × k and k × m, for each position of the axes before them (`torch.matmul`)."""

    kind: ClassVar[str] = "matmul"
    torch: ClassVar[str] = "archc.MatMul"
    infix: ClassVar[str] = "@"
    most: ClassVar[int | None] = 2
    role: ClassVar[Role] = "linear"
    aliases: ClassVar[tuple[str, ...]] = ("bmm", "mm", "dot", "matrixproduct")

    def label(self, inputs: Inputs) -> str:
        return "matrix product"

    def shape_faults(
        self, inputs: Inputs, shortcuts: Container[int], keeps: Callable[[int], bool]
    ) -> Iterator[tuple[int, Fault, int]]:
        faults = list(_matrix_faults(inputs, self.kind))
        yield from faults
        one, other = inputs
        if not faults and one[-1] != other[-2]:
            message = f"`matmul` needs as many rows from the second input as the first has columns, {one[-1]}"
            label = f"gives {form(other)}, which has {other[-2]} row{'s' * (other[-2] != 1)}"
            help = "swap its last two axes with `permute`" if one[-1] == other[-1] else ""
            yield 1, Fault("E0312", message, label=label, help=help), 0

    def equal_axes(self, rank: int) -> list[int]:
        return list(range(rank - 2))

    def output(self, inputs: Inputs) -> Shape:
        return (*inputs[0][:-1], inputs[1][-1])

    def macs(self, inputs: Inputs, y: Shape) -> int:
        return volume((*inputs[0], y[-1]))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        *before, rows, columns = range(len(inputs[0]))
        return (*before, rows, None) if at == 0 else (*before, None, columns)

    def needs_input(self, inputs: Inputs) -> bool:
        return True


@register
class ScaledDotProductAttention(Join):
    """Attention of queries, keys and values, the three inputs in this order: softmax(q kᵀ / √d) v."""

    kind: ClassVar[str] = "scaled_dot_product_attention"
    torch: ClassVar[str] = "archc.ScaledDotProductAttention"
    least: ClassVar[int] = 3
    most: ClassVar[int | None] = 3
    spread: ClassVar[bool] = True
    role: ClassVar[Role] = "linear"
    title: ClassVar[str] = "attention"
    aliases: ClassVar[tuple[str, ...]] = ("sdpa", "dotproductattention")

    dropout_p: Probability = 0.0
    """Probability of setting a weight of the mean to zero in training."""
    is_causal: Flag = False
    """Let a token attend only to those before it, and to itself."""
    scale: Real | None = None
    """The factor of the products; `null`: 1 / √d for d features."""

    def shape_faults(
        self, inputs: Inputs, shortcuts: Container[int], keeps: Callable[[int], bool]
    ) -> Iterator[tuple[int, Fault, int]]:
        faults = list(_matrix_faults(inputs, self.kind))
        yield from faults
        q, k, v = inputs
        if faults:
            return
        if q[-1] != k[-1]:
            message = "keys need as many features as queries"
            yield 1, Fault("E0312", message, label=f"gives {form(k)}, but the queries are {form(q)}"), 0
        if k[-2] != v[-2]:
            message = "there must be a value for each key"
            yield 2, Fault("E0312", message, label=f"gives {form(v)}, but the keys are {form(k)}"), 1

    def equal_axes(self, rank: int) -> list[int]:
        return list(range(rank - 2))

    def output(self, inputs: Inputs) -> Shape:
        return (*inputs[0][:-1], inputs[2][-1])

    def function(self, inputs: Inputs) -> Call | None:
        if self.dropout_p != 0:  # an expression is not: the function draws in evaluation, too
            return None
        return Call("nn.functional.scaled_dot_product_attention", (), tuple(self.written().items()))

    def macs(self, inputs: Inputs, y: Shape) -> int:
        pairs = volume((*inputs[0][:-1], inputs[1][-2]))
        return int(pairs * (inputs[0][-1] + y[-1]))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        *before, rows, columns = range(len(inputs[0]))
        return ((*before, rows, None), (*before, None, None), (*before, None, columns))[at]

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    @property
    def needs_output(self) -> bool:
        return self.dropout_p == 0  # as the fused kernels do

    def kept(self, inputs: Inputs, images: int) -> int:
        q, k, _ = inputs
        # The fused kernels keep of the weights their sums alone; dropout needs them, a mask and what it leaves.
        weights = 3 * volume((*q[:-1], k[-2])) if self.dropout_p else volume(q[:-1])
        return FLOAT * images * weights
