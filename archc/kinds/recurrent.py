"""Recurrent layers: a state that every step of a sequence changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, ClassVar

from archc.expressions.tree import choose
from archc.kinds.base import FLOAT, Fault, Inputs, Kind, Role, Shape, State, Stored, Window, form
from archc.kinds.labels import text, value_of
from archc.kinds.registry import register
from archc.kinds.types import Count, Flag, Probability

_STATE: dict[str, State] = {
    "weight_ih_l0": State(fans=True),
    "weight_hh_l0": State(fans=True),
    "bias_ih_l0": State(flags=("bias",)),
    "bias_hh_l0": State(flags=("bias",)),
    "weight_ih_l0_reverse": State(fans=True, flags=("bidirectional",)),
    "weight_hh_l0_reverse": State(fans=True, flags=("bidirectional",)),
    "bias_ih_l0_reverse": State(flags=("bias", "bidirectional")),
    "bias_hh_l0_reverse": State(flags=("bias", "bidirectional")),
}


class _Recurrent(Kind):
    """What recurrent layers share: the input is steps × features, and so is the output, the state at each step.

    `state` has the tensors of the first of `num_layers`.
    """

    positional: ClassVar[tuple[str, ...]] = ("input_size", "hidden_size")
    features_last: ClassVar[bool] = True
    state: ClassVar[Mapping[str, State]] = _STATE
    role: ClassVar[Role] = "linear"
    examples: ClassVar[tuple[str, ...]] = ("256", "{hidden_size: 256, num_layers: 2, bidirectional: true}")
    gates: ClassVar[int]
    """How many vectors of the size of the state a step computes from its input and the state."""

    hidden_size: Count
    """Features of the state, and of the output in each direction."""
    num_layers: Count = 1
    """Number of layers; each but the first reads the output of the layer before it."""
    bias: Flag = True
    """Add learned biases to what a step computes."""
    dropout: Probability = 0.0
    """Probability of setting a value between two layers to zero in training."""
    bidirectional: Flag = False
    """Read the sequence from its end, too, with other weights; the output has both states at each step."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"hidden_size": [1, 2, 3, 4, 8], "num_layers": [1, 1, 2, 3]}

    def label(self, inputs: Inputs) -> str:
        both = "bidirectional " if value_of(self.bidirectional) is True else ""
        layers = "" if value_of(self.num_layers) == 1 else f", {text(self.num_layers)} layers"
        return f"{both}{self.title}, {text(self.hidden_size)}{layers}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if len(x) != 2:
            help = "turn a map into a sequence: `flatten: {end_dim: 2}`, then `permute: [0, 2, 1]`"
            message = f"`{self.kind}` expects steps × features, but gets {form(x)}"
            yield Fault("E0301", message, help=help if len(x) > 2 else "")
        if self.dropout and self.num_layers == 1:
            message = f"`dropout` of `{self.kind}` acts between layers, and there is one"
            help = "add a `dropout` layer after it, or use `num_layers: 2` or more"
            yield Fault("E0203", message, "dropout", help=help, value="0.0")

    @property
    def _directions(self) -> Any:
        return choose(self.bidirectional, 2, 1)

    def output(self, inputs: Inputs) -> Shape:
        return (inputs[0][0], self._directions * self.hidden_size)

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"input_size": inputs[0][-1]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        rows = self.gates * self.hidden_size
        columns = {"weight_ih": (inputs[0][-1],), "weight_hh": (self.hidden_size,)}
        return {name: (rows, *columns.get(name.partition("_l0")[0], ())) for name in self.state}

    def _layers(self, inputs: Inputs) -> Iterator[Inputs]:
        """The input of each layer."""
        yield inputs
        for _ in range(1, self.num_layers):
            yield (self.output(inputs),)

    def tensors(self, inputs: Inputs) -> dict[str, Stored]:
        return {
            name.replace("_l0", f"_l{layer}"): tensor
            for layer, given in enumerate(self._layers(inputs))
            for name, tensor in super(_Recurrent, self).tensors(given).items()
        }

    def parameters(self, inputs: Inputs) -> int:
        return sum(prod(tensor.shape) for tensor in self.tensors(inputs).values())

    def macs(self, inputs: Inputs, y: Shape) -> int:
        steps, rows = inputs[0][0], self.gates * self.hidden_size
        columns = sum(x[-1] + self.hidden_size for (x,) in self._layers(inputs))
        return int(steps * self._directions * rows * columns)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return (Window(None),)

    def needs_input(self, inputs: Inputs) -> bool:
        return bool(inputs[0][0] == 1)  # of several steps, a copy with the steps first is kept

    @property
    def needs_output(self) -> bool:
        return True  # as cuDNN and oneDNN do

    @property
    def keeps_output(self) -> bool:
        return False

    def kept(self, inputs: Inputs, images: int) -> int:
        """As PyTorch's own kernels keep; what those of oneDNN and cuDNN reserve is about as much."""
        (steps, features), size = inputs[0], self._directions * self.hidden_size
        copies = self._directions * features * (steps > 1)
        between = self.num_layers - 1
        # Gates, states and what is between them are the size of seven states.
        values = steps * (copies + (7 * self.num_layers + between) * size)
        noise = 0 if self.dropout == 0 else between if self.dropout == 1 else between * images * steps * size
        return int(FLOAT * (images * values + noise))

    def scratch(self, inputs: Inputs, images: int) -> int:
        return int(FLOAT * images * inputs[0][0] * self.gates * self.hidden_size)  # the gates of a direction


@register
class LSTM(_Recurrent):
    """Long short-term memory over a sequence of steps × features (https://doi.org/10.1162/neco.1997.9.8.1735).

    The output is the state at every step; the states after the last one are dropped.
    """

    kind: ClassVar[str] = "lstm"
    torch: ClassVar[str] = "archc.LSTM"
    title: ClassVar[str] = "LSTM"
    aliases: ClassVar[tuple[str, ...]] = ("bilstm", "longshorttermmemory")
    gates: ClassVar[int] = 4


@register
class GRU(_Recurrent):
    """Gated recurrent units over a sequence of steps × features (https://arxiv.org/abs/1406.1078).

    The output is the state at every step; the state after the last one is dropped.
    """

    kind: ClassVar[str] = "gru"
    torch: ClassVar[str] = "archc.GRU"
    title: ClassVar[str] = "GRU"
    aliases: ClassVar[tuple[str, ...]] = ("bigru", "gatedrecurrentunit")
    gates: ClassVar[int] = 3
