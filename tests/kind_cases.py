"""One row a layer kind: what the contract test draws for it, and where archc means to differ from torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import nn

from archc.build import modules
from archc.kinds import KINDS, Kind, Shape

Draw = SearchStrategy[Any] | Callable[[Shape], SearchStrategy[Any]]
"""How an argument is drawn, if need be for the input's shape."""


class View(Enum):
    """How the inferred receptive field stands to the measured one, window by window."""

    EXACT = auto()
    """Every output sees exactly the inferred stretch."""
    WIDEST = auto()
    """Outputs differ: none sees more than the inferred stretch, and some see as much."""
    BOUND = auto()
    """No output sees more than the inferred stretch."""


CHANNELS = st.sampled_from([1, 2, 3, 4, 6])
SIZES = st.integers(1, 9)
MAPS = st.tuples(CHANNELS, SIZES, SIZES)
VECTORS = st.tuples(st.integers(1, 400))
MAPS_MOSTLY = st.sampled_from([MAPS, MAPS, MAPS, MAPS, MAPS, VECTORS]).flatmap(lambda shapes: shapes)
VECTORS_MOSTLY = st.sampled_from([VECTORS, VECTORS, VECTORS, MAPS]).flatmap(lambda shapes: shapes)
EITHER = st.one_of(MAPS, VECTORS)


@dataclass(frozen=True)
class Leniency:
    """What archc refuses and torch runs: why, and an example."""

    why: str
    arguments: Mapping[str, Any]
    x: Shape


@dataclass(frozen=True)
class Case:
    """A kind's row."""

    name: str
    arguments: Mapping[str, Draw] = field(default_factory=dict)
    """Values within each argument's range; together they may be illegal."""
    wrong: Mapping[str, SearchStrategy[Any]] = field(default_factory=dict)
    """Values outside an argument's range."""
    shapes: SearchStrategy[Shape] = MAPS_MOSTLY
    refuses: bool = True
    """Whether there is an input or an argument that it refuses."""
    own: Mapping[str, str] = field(default_factory=dict)
    """Arguments whose name or default is not torch's, and why."""
    lenient: Mapping[str, Leniency] = field(default_factory=dict)
    """Where torch runs what archc refuses, by the fault's code or the argument that is out of range."""
    view: View | None = View.EXACT
    """None for vectors, and for statistics of the whole map, which do not count as a receptive field."""
    module: Callable[..., nn.Module] | None = None
    """What takes the kind's arguments as they are; the torch class unless given."""

    @property
    def kind(self) -> type[Kind]:
        """The layer kind."""
        return KINDS[self.name]

    def reference(self, kind: Kind, x: Shape) -> nn.Module:
        """The module made straight from all arguments, in evaluation mode."""
        made = (self.module or torch_class(self.kind))(**{**dict(kind), **kind.derived(x)})
        return made.eval()

    def any(self) -> SearchStrategy[tuple[dict[str, Any], Shape]]:
        """Arguments and an input's shape, legal or not."""
        return _draws(self, self.shapes, True)

    def legal(self, shapes: SearchStrategy[Shape] | None = None) -> SearchStrategy[tuple[Kind, Shape]]:
        """A layer and the shape of an input that it takes."""
        layers = _draws(self, self.shapes if shapes is None else shapes, False).map(
            lambda drawn: (self.kind(**drawn[0]), drawn[1])
        )
        return layers.filter(lambda layer: not list(layer[0].requirements(layer[1])))


@st.composite
def _draws(draw: st.DrawFn, case: Case, shapes: SearchStrategy[Shape], spoil: bool) -> tuple[dict[str, Any], Shape]:
    x = draw(shapes)
    arguments = {
        name: draw(value if isinstance(value, SearchStrategy) else value(x)) for name, value in case.arguments.items()
    }
    if spoil and case.wrong and draw(st.integers(0, 4)) == 4:
        name = draw(st.sampled_from(sorted(case.wrong)))
        arguments[name] = draw(case.wrong[name])
    return arguments, x


def torch_class(kind: type[Kind]) -> type[nn.Module]:
    """The class that a kind stands for: torch's, or archc's own."""
    space, _, name = kind.torch.partition(".")
    found: type[nn.Module] = getattr(nn if space == "nn" else modules, name)
    return found


def pad_module(padding: Any, mode: str, value: float) -> nn.Module:
    """The class of torch.nn for each mode of `pad`."""
    if mode == "constant":
        return nn.ConstantPad2d(padding, value)
    made: nn.Module = {
        "reflect": nn.ReflectionPad2d,
        "replicate": nn.ReplicationPad2d,
        "circular": nn.CircularPad2d,
    }[mode](padding)
    return made


def pairs(least: int, most: int) -> SearchStrategy[Any]:
    """An integer for both axes, or one for each."""
    one = st.integers(least, most)
    return st.one_of(one, st.tuples(one, one))


def tails(x: Shape) -> SearchStrategy[Any]:
    """What a layer normalisation may normalise over, and what it may not."""
    ends = [x[i:] for i in range(len(x))]
    return st.sampled_from([None, x[-1], *ends, *ends, x[0], x[:2], (1, *x)])


def parts(x: Shape) -> SearchStrategy[Any]:
    """Sections of the channels, mostly with the right sum."""
    cuts = st.lists(st.integers(1, x[0]), max_size=3, unique=True).map(lambda found: sorted({0, *found, x[0]}))
    right = cuts.map(lambda found: tuple(b - a for a, b in pairwise(found)))
    return st.one_of(right, right, st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))


NONE = st.just(0)
NEGATIVE = st.just(-1)
FLAG = st.booleans()
GROUPS = st.sampled_from([1, 1, 2, 3])
EPS = st.sampled_from([1e-5, 1e-3, 1])
SLOPE = st.sampled_from([0.01, 0.2, 1, 0.0, -0.1])
_NO_WAY_BACK = "torch refuses the backward pass alone"
CHANCE = st.sampled_from([0, 0.2, 0.5, 1, 1.0])
NO_CHANCE = st.sampled_from([-0.5, 1.5])

CONVOLUTION: Mapping[str, Draw] = {
    "stride": st.one_of(st.just(1), pairs(1, 3)),
    "dilation": st.one_of(st.just(1), pairs(1, 3)),
    "groups": st.sampled_from([1, 1, 1, 2, 3]),
    "bias": FLAG,
}
NO_CONVOLUTION: Mapping[str, SearchStrategy[Any]] = {
    "out_channels": NONE,
    "kernel_size": st.sampled_from([0, (0, 2)]),
    "stride": st.sampled_from([0, (1, 0), -1]),
    "padding": NEGATIVE,
    "dilation": st.sampled_from([0, (1, 0), -1]),
    "groups": NONE,
}
POOLING: Mapping[str, Draw] = {
    "stride": st.one_of(st.none(), pairs(1, 4)),
    "padding": st.one_of(st.just(0), pairs(0, 2)),
    "ceil_mode": FLAG,
}
NO_POOLING: Mapping[str, SearchStrategy[Any]] = {
    "kernel_size": st.sampled_from([0, (2, 0)]),
    "stride": st.sampled_from([0, (0, 1)]),
    "padding": NEGATIVE,
}
SIDES = st.one_of(st.none(), st.integers(1, 12))
ADAPTIVE: Mapping[str, Draw] = {"output_size": st.one_of(st.integers(1, 12), st.tuples(SIDES, SIDES))}
NO_ADAPTIVE: Mapping[str, SearchStrategy[Any]] = {"output_size": st.sampled_from([0, -1, (0, None)])}
BATCH_NORM: Mapping[str, Draw] = {
    "eps": EPS,
    "momentum": st.sampled_from([None, 0.1, 0.9]),
    "affine": FLAG,
    "track_running_stats": FLAG,
}


def activation(name: str, arguments: Mapping[str, Draw] | None = None, **given: Any) -> Case:
    """The row of a kind that works on any shape."""
    return Case(name, arguments or {}, shapes=EITHER, **{"refuses": False, **given})


_ROWS = [
    Case(
        "conv2d",
        {
            "out_channels": CHANNELS,
            "kernel_size": pairs(1, 4),
            **CONVOLUTION,
            "padding": st.one_of(pairs(0, 3), st.just("same")),
            "padding_mode": st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
        },
        {**NO_CONVOLUTION, "padding_mode": st.just("constant")},
        lenient={
            "E0303": Leniency(
                "torch pads the two sides unequally for an even kernel; no integer says that",
                {"out_channels": 1, "kernel_size": 2, "padding": "same"},
                (1, 3, 3),
            ),
            "padding": Leniency(
                "torch crops where padding is negative, but not by zeros",
                {"out_channels": 1, "kernel_size": 1, "padding": -1, "padding_mode": "reflect"},
                (1, 3, 3),
            ),
        },
    ),
    Case(
        "conv_transpose2d",
        {
            "out_channels": CHANNELS,
            "kernel_size": pairs(1, 4),
            **CONVOLUTION,
            "padding": st.one_of(st.just(0), pairs(0, 3)),
            "output_padding": st.one_of(st.just(0), pairs(0, 2)),
        },
        {**NO_CONVOLUTION, "output_padding": NEGATIVE},
        view=View.WIDEST,  # outputs between the strides see less
    ),
    Case(
        "max_pool2d",
        {"kernel_size": pairs(1, 4), **POOLING, "dilation": pairs(1, 3)},
        {**NO_POOLING, "dilation": NONE},
    ),
    Case(
        "avg_pool2d",
        {
            "kernel_size": pairs(1, 4),
            **POOLING,
            "count_include_pad": FLAG,
            "divisor_override": st.sampled_from([None, 1, 5]),
        },
        {**NO_POOLING, "divisor_override": NONE},
    ),
    Case(
        "adaptive_avg_pool2d",
        ADAPTIVE,
        wrong=NO_ADAPTIVE,
        view=View.WIDEST,  # the regions differ by one
        lenient={
            "E0301": Leniency(
                "to the size 1, torch averages the last two dimensions of any tensor", {"output_size": 1}, (3,)
            )
        },
    ),
    Case("adaptive_max_pool2d", ADAPTIVE, wrong=NO_ADAPTIVE, view=View.WIDEST),
    Case("batch_norm2d", BATCH_NORM),
    Case("batch_norm1d", BATCH_NORM, shapes=VECTORS_MOSTLY, view=None),
    Case(
        "group_norm",
        {"num_groups": GROUPS, "eps": EPS, "affine": FLAG},
        {"num_groups": NONE},
        shapes=EITHER,
        view=None,
    ),
    Case(
        "layer_norm",
        {"normalized_shape": tails, "eps": EPS, "elementwise_affine": FLAG, "bias": FLAG},
        wrong={"normalized_shape": st.sampled_from([0, (), (0, 1)])},
        shapes=EITHER,
        own={"normalized_shape": "the input's whole shape where it is left out"},
        view=None,
    ),
    Case(
        "local_response_norm",
        {"size": st.integers(1, 6), "alpha": SLOPE, "beta": SLOPE, "k": st.sampled_from([0.5, 1, 2.0])},
        {"size": NONE},
    ),
    Case(
        "linear",
        {"out_features": CHANNELS, "bias": FLAG},
        {"out_features": NONE},
        shapes=VECTORS_MOSTLY,
        view=None,
        lenient={
            "E0301": Leniency(
                "torch works along a map's width if it equals the channels", {"out_features": 1}, (3, 4, 3)
            )
        },
    ),
    activation("flatten"),
    activation("dropout", {"p": CHANCE, "inplace": FLAG}, wrong={"p": NO_CHANCE}, refuses=True),
    Case(
        "dropout2d",
        {"p": CHANCE, "inplace": FLAG},
        {"p": NO_CHANCE},
        lenient={"E0301": Leniency("torch warns that a vector will be an error", {}, (3,))},
    ),
    Case("stochastic_depth", {"p": CHANCE, "mode": st.sampled_from(["row", "batch"])}, refuses=False),
    activation("relu", {"inplace": FLAG}),
    activation("relu6", {"inplace": FLAG}),
    activation(
        "leaky_relu",
        {"negative_slope": SLOPE, "inplace": FLAG},
        refuses=True,
        lenient={"E0320": Leniency(_NO_WAY_BACK, {"negative_slope": -0.1, "inplace": True}, (3,))},
    ),
    activation(
        "elu",
        {"alpha": SLOPE, "inplace": FLAG},
        refuses=True,
        lenient={"E0320": Leniency(_NO_WAY_BACK, {"alpha": -0.1, "inplace": True}, (3,))},
    ),
    activation(
        "gelu",
        {"approximate": st.sampled_from(["none", "tanh"])},
        wrong={"approximate": st.just("erf")},
        refuses=True,
    ),
    activation("silu", {"inplace": FLAG}),
    activation("sigmoid"),
    activation("tanh"),
    activation("hardswish", {"inplace": FLAG}),
    activation("hardsigmoid", {"inplace": FLAG}),
    activation("softmax", {"dim": st.just(1)}, own={"dim": "torch's default depends on the rank, and is deprecated"}),
    Case(
        "pad",
        {
            "padding": st.one_of(st.integers(0, 4), st.tuples(*[st.integers(0, 4)] * 4)),
            "mode": st.sampled_from(["constant", "reflect", "replicate", "circular"]),
            "value": st.sampled_from([0, 0.0, 1, -2.5]),
        },
        {"padding": st.sampled_from([-1, (0, 0, 0, -1)])},
        own={
            "mode": "torch has a class for each mode",
            "value": "torch has a class for each mode",
        },
        lenient={
            "padding": Leniency("torch crops where padding is negative", {"padding": -1}, (1, 3, 3)),
            "E0301": Leniency("torch pads the last two dimensions of any tensor with a constant", {"padding": 1}, (3,)),
        },
        module=pad_module,
    ),
    Case(
        "upsample",
        {
            "size": st.one_of(st.none(), st.none(), pairs(1, 12)),
            "scale_factor": st.one_of(st.none(), st.sampled_from([2, 2.0, 0.5, 0.3, 0.1]), st.floats(0.05, 4)),
            "mode": st.sampled_from(["nearest", "nearest-exact", "bilinear", "bicubic"]),
            "align_corners": st.sampled_from([None, None, None, False, True]),
        },
        wrong={"size": st.sampled_from([0, -1]), "scale_factor": st.just(-2.0)},
        lenient={
            "scale_factor": Leniency("torch takes a factor of 0 for none", {"size": 2, "scale_factor": 0.0}, (3, 4, 4))
        },
        view=View.BOUND,  # where an output falls on an input, it sees that one alone
    ),
    Case("channel_shuffle", {"groups": GROUPS}, wrong={"groups": NONE}),
    Case(
        "chunk",
        {"chunks": st.integers(1, 4)},
        wrong={"chunks": NONE},
        shapes=EITHER,
        lenient={"E0306": Leniency("torch makes the last chunk smaller, or fewer chunks", {"chunks": 2}, (3, 1, 1))},
    ),
    Case("split", {"sections": parts}, wrong={"sections": st.just((-1, 3))}, shapes=EITHER),
    Case("mean", {"keepdim": FLAG}),
    activation("identity"),
]

CASES = {case.name: case for case in _ROWS}
JOINS = ("concat", "add", "multiply")
"""Kinds that take several inputs; they have tests of their own."""
