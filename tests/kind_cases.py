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
VECTORS_MOSTLY = st.sampled_from([VECTORS, VECTORS, VECTORS, MAPS]).flatmap(lambda shapes: shapes)
EITHER = st.one_of(MAPS, VECTORS)
ANY_RANK = st.one_of(MAPS, VECTORS, st.tuples(CHANNELS, SIZES), st.tuples(CHANNELS, *[st.integers(1, 4)] * 3))
CHANNELS_LAST = st.one_of(*[st.tuples(st.integers(2, 9), st.integers(2, 9), st.sampled_from([8, 12]))] * 5, VECTORS)
AXES_OF = st.sampled_from([1, 1, 2, 3, 4, 5, -1, -1, -2, -3, -4, -5])


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
    shapes: SearchStrategy[Shape] = field(default_factory=lambda: maps(2))
    refuses: bool = True
    """Whether there is an input or an argument that it refuses."""
    own: Mapping[str, str] = field(default_factory=dict)
    """Arguments whose name or default is not torch's, and why."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Arguments of the torch class that the kind lacks, other than those that follow from its input, and why."""
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
        made = (self.module or torch_class(self.kind))(**{**dict(kind), **kind.derived((x,))})
        return made.eval()

    def any(self) -> SearchStrategy[tuple[dict[str, Any], Shape]]:
        """Arguments and an input's shape, legal or not."""
        return _draws(self, self.shapes, True)

    def legal(self, shapes: SearchStrategy[Shape] | None = None) -> SearchStrategy[tuple[Kind, Shape]]:
        """A layer and the shape of an input that it takes."""
        layers = _draws(self, self.shapes if shapes is None else shapes, False).map(
            lambda drawn: (self.kind(**drawn[0]), drawn[1])
        )
        return layers.filter(lambda layer: not list(layer[0].requirements((layer[1],))))


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


def _unflattened(x: Shape) -> list[tuple[int, ...]]:
    """Sizes that fit one of the axes, and some that may not."""
    fitting = [size for n in x for size in ((n, 1), (1, n, 1), (-1, 1), (-1, n))]
    return [*fitting, (2, -1), (3, 2), (-1,)]


def pad_module(padding: Any, mode: str, value: float, channels: int = 0) -> nn.Module:
    """The class of torch.nn for each mode of `pad`."""
    if channels != 0:
        sides = (padding,) * 4 if isinstance(padding, int) else padding
        return nn.ConstantPad3d((*sides, channels, channels), value)
    if mode == "constant":
        return nn.ConstantPad2d(padding, value)
    made: nn.Module = {
        "reflect": nn.ReflectionPad2d,
        "replicate": nn.ReplicationPad2d,
        "circular": nn.CircularPad2d,
    }[mode](padding)
    return made


def sizes(least: int, most: int, rank: int = 2) -> SearchStrategy[Any]:
    """An integer for all axes, or one for each."""
    one = st.integers(least, most)
    return st.one_of(one, st.tuples(*[one] * rank))


def maps(rank: int) -> SearchStrategy[Shape]:
    """Mostly shapes with so many axes after the channels; vectors, too."""
    one = {1: st.integers(1, 16), 2: SIZES, 3: st.integers(2, 6)}[rank]
    found = st.tuples(CHANNELS, *[one] * rank)
    return st.sampled_from([found, found, found, found, found, VECTORS]).flatmap(lambda shapes: shapes)


def tails(x: Shape) -> SearchStrategy[Any]:
    """What a layer normalisation may normalise over, and what it may not."""
    ends = [x[i:] for i in range(len(x))]
    return st.sampled_from([None, x[-1], *ends, *ends, x[0], x[:2], (1, *x)])


def orders(x: Shape) -> SearchStrategy[Any]:
    """Orders of the axes, and what is none."""
    right = st.permutations(range(1, 1 + len(x))).map(lambda order: (0, *order))
    wrong = st.sampled_from([(1, 0, *range(2, 1 + len(x))), tuple(range(len(x))), (0, *[1] * len(x))])
    return st.one_of(right, right, right.map(lambda order: (0, *[axis - 1 - len(x) for axis in order[1:]])), wrong)


def parts(x: Shape) -> SearchStrategy[Any]:
    """Sections of the channels, mostly with the right sum."""
    cuts = st.lists(st.integers(1, x[0]), max_size=3, unique=True).map(lambda found: sorted({0, *found, x[0]}))
    right = cuts.map(lambda found: tuple(b - a for a, b in pairwise(found)))
    return st.one_of(right, right, st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))


def dims(x: Shape) -> SearchStrategy[Any]:
    """Axes to reduce: none in particular, one, or several, which may be the same."""
    one = st.sampled_from([*range(1, 1 + len(x)), -1])
    several = st.lists(st.integers(1, len(x)), min_size=1, max_size=len(x), unique=True).map(tuple)
    return st.one_of(st.none(), one, several, several, st.lists(AXES_OF, min_size=1, max_size=2).map(tuple))


def bounds(x: Shape) -> SearchStrategy[int]:
    """Ends of a slice."""
    return st.integers(-max(x), max(x))


def lengths(x: Shape) -> SearchStrategy[Any]:
    """Sizes to which axes may be expanded, and some to which they may not."""
    fitting = [st.sampled_from([-1, length, *([2, 3] if length == 1 else [])]) for length in x]
    return st.one_of(st.tuples(*fitting), st.tuples(*fitting), st.tuples(*[st.sampled_from([-1, 1, 2])] * len(x)))


NONE = st.just(0)
NEGATIVE = st.just(-1)
FLAG = st.booleans()
FACTORS = st.one_of(st.sampled_from([2, 2.0, 0.5, 0.3, 0.1]), st.floats(0.05, 4))
GROUPS = st.sampled_from([1, 1, 2, 3])
EPS = st.sampled_from([1e-5, 1e-3, 1])
SLOPE = st.sampled_from([0.01, 0.2, 1, 0.0, -0.1])
_NO_WAY_BACK = "torch refuses the backward pass alone"
CHANCE = st.sampled_from([0, 0.2, 0.5, 1, 1.0])
NO_CHANCE = st.sampled_from([-0.5, 1.5])
_SHIFT = {"num_heads": 1, "window_size": 3, "shift_size": 5}
SHIFTED = Leniency("torch ignores the shift of a map that is one window", _SHIFT, (3, 3, 8))

SIDES = st.one_of(st.none(), st.integers(1, 12))


def convolution(rank: int) -> Mapping[str, Draw]:
    """The arguments that convolutions share."""
    return {
        "out_channels": CHANNELS,
        "kernel_size": sizes(1, 5 - max(1, rank - 1), rank),
        "stride": st.one_of(st.just(1), sizes(1, 3, rank)),
        "dilation": st.one_of(st.just(1), st.just(1), sizes(1, 4 - max(1, rank - 1), rank)),
        "groups": st.sampled_from([1, 1, 1, 1, 2, 3]),
        "bias": FLAG,
    }


def no_convolution(rank: int) -> Mapping[str, SearchStrategy[Any]]:
    """Arguments out of their ranges."""
    zero = (0,) + (2,) * (rank - 1)
    return {
        "out_channels": NONE,
        "kernel_size": st.sampled_from([0, zero]),
        "stride": st.sampled_from([0, zero, -1]),
        "padding": NEGATIVE,
        "dilation": st.sampled_from([0, zero, -1]),
        "groups": NONE,
    }


def conv(rank: int) -> Case:
    """The row of a convolution."""
    spot = (1,) + (3,) * rank
    return Case(
        f"conv{rank}d",
        {
            **convolution(rank),
            "padding": st.one_of(sizes(0, 3, rank), st.just("same")),
            "padding_mode": st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
        },
        {**no_convolution(rank), "padding_mode": st.just("constant")},
        shapes=maps(rank),
        lenient={
            "E0303": Leniency(
                "torch pads the two sides unequally for an even kernel; no integer says that",
                {"out_channels": 1, "kernel_size": 2, "padding": "same"},
                spot,
            ),
            "padding": Leniency(
                "torch crops where padding is negative, but not by zeros",
                {"out_channels": 1, "kernel_size": 1, "padding": -1, "padding_mode": "reflect"},
                spot,
            ),
        },
    )


def conv_transpose(rank: int) -> Case:
    """The row of a transposed convolution."""
    return Case(
        f"conv_transpose{rank}d",
        {
            **convolution(rank),
            "padding": st.one_of(st.just(0), sizes(0, 3, rank)),
            "output_padding": st.one_of(st.just(0), sizes(0, 2, rank)),
        },
        {**no_convolution(rank), "output_padding": NEGATIVE},
        shapes=maps(rank),
        without={"padding_mode": "torch takes none but zeros"},
        view=View.WIDEST,  # outputs between the strides see less
    )


def pool(name: str, rank: int) -> Case:
    """The row of a pooling."""
    own: dict[str, Draw] = {"dilation": sizes(1, 3, rank)} if name == "max_pool" else {"count_include_pad": FLAG}
    wrong: dict[str, SearchStrategy[Any]] = {"dilation": NONE} if name == "max_pool" else {}
    if name == "avg_pool" and rank > 1:
        own["divisor_override"], wrong["divisor_override"] = st.sampled_from([None, 1, 5]), NONE
    zero = (0,) + (2,) * (rank - 1)
    return Case(
        f"{name}{rank}d",
        {
            "kernel_size": sizes(1, 5 - max(1, rank - 1), rank),
            "stride": st.one_of(st.none(), sizes(1, 4, rank)),
            "padding": st.one_of(st.just(0), sizes(0, 2 if rank < 3 else 1, rank)),
            "ceil_mode": FLAG,
            **own,
        },
        {"kernel_size": st.sampled_from([0, zero]), "stride": st.sampled_from([0, zero]), "padding": NEGATIVE, **wrong},
        shapes=maps(rank),
        lenient=unbatched({"kernel_size": 1}) if rank == 1 else {},
        without=INDICES if name == "max_pool" else {},
    )


def unbatched(arguments: Mapping[str, Any]) -> Mapping[str, Leniency]:
    """What the kinds for sequences have in common."""
    return {"E0301": Leniency("torch takes a batch of vectors for one sequence", arguments, (3,))}


INDICES = {"return_indices": "no layer type takes indices"}


def adaptive(name: str, rank: int, lenient: Mapping[str, Leniency] | None = None) -> Case:
    """The row of a pooling to a given size."""
    return Case(
        f"adaptive_{name}{rank}d",
        {"output_size": st.one_of(st.integers(1, 12), st.tuples(*[SIDES if rank > 1 else st.integers(1, 12)] * rank))},
        wrong={"output_size": st.sampled_from([0, -1, (0,) + (None,) * (rank - 1)])},
        shapes=maps(rank),
        view=View.WIDEST,  # the regions differ by one
        lenient=lenient or (unbatched({"output_size": 1}) if rank == 1 else {}),
        without=INDICES if name == "max_pool" else {},
    )


def instance_norm(rank: int) -> Case:
    """The row of an instance normalization."""
    return Case(
        f"instance_norm{rank}d",
        {
            "eps": EPS,
            "momentum": st.sampled_from([0.1, 0.9]),
            "affine": FLAG,
            "track_running_stats": FLAG,
            "bias": FLAG,
        },
        shapes=maps(rank),
        view=None,
        lenient={
            "E0316": Leniency("torch runs it in evaluation alone", {"track_running_stats": True}, (3,) + (1,) * rank),
            **(unbatched({}) if rank == 1 else {}),
        },
    )


def of_the_batch(argument: str, **given: Any) -> Mapping[str, Leniency]:
    """Where torch works on the batch, too."""
    return {
        argument: Leniency("torch counts the batch", {argument: 0, **given}, (3,)),
        "E0317": Leniency("counted from the last axis, the first may be the batch", {argument: -2, **given}, (3,)),
    }


BATCH_NORM: Mapping[str, Draw] = {
    "eps": EPS,
    "momentum": st.sampled_from([None, 0.1, 0.9]),
    "affine": FLAG,
    "track_running_stats": FLAG,
    "bias": FLAG,
}


def activation(name: str, arguments: Mapping[str, Draw] | None = None, **given: Any) -> Case:
    """The row of a kind that works on any shape."""
    return Case(name, arguments or {}, shapes=EITHER, **{"refuses": False, **given})


_ROWS = [
    *map(conv, (1, 2, 3)),
    *map(conv_transpose, (1, 2, 3)),
    *(pool(name, rank) for name in ("max_pool", "avg_pool") for rank in (1, 2, 3)),
    adaptive("avg_pool", 1),
    adaptive(
        "avg_pool",
        2,
        {
            "E0301": Leniency(
                "to the size 1, torch averages the last two dimensions of any tensor", {"output_size": 1}, (3,)
            )
        },
    ),
    adaptive("avg_pool", 3),
    *(adaptive("max_pool", rank) for rank in (1, 2, 3)),
    Case("batch_norm1d", BATCH_NORM, shapes=st.one_of(VECTORS_MOSTLY, maps(1)), view=None),
    Case("batch_norm2d", BATCH_NORM),
    Case("batch_norm3d", BATCH_NORM, shapes=maps(3)),
    *map(instance_norm, (1, 2, 3)),
    Case(
        "group_norm",
        {"num_groups": GROUPS, "eps": EPS, "affine": FLAG, "bias": FLAG},
        {"num_groups": NONE},
        shapes=EITHER,
        view=None,
    ),
    Case(
        "layer_norm",
        {"normalized_shape": tails, "eps": EPS, "elementwise_affine": FLAG, "bias": FLAG},
        wrong={"normalized_shape": st.sampled_from([0, (), (0, 1)])},
        shapes=EITHER,
        own={"normalized_shape": "the input's whole shape by default"},
        view=None,
    ),
    Case(
        "layer_norm2d",
        {"eps": EPS, "elementwise_affine": FLAG, "bias": FLAG},
    ),
    Case(
        "local_response_norm",
        {"size": st.integers(1, 6), "alpha": SLOPE, "beta": SLOPE, "k": st.sampled_from([0.5, 1, 2.0])},
        {"size": NONE},
        lenient={"E0301": Leniency("torch takes any number of axes", {"size": 1}, (4, 6))},
    ),
    Case(
        "linear",
        {"out_features": CHANNELS, "bias": FLAG},
        {"out_features": NONE},
        shapes=ANY_RANK,
        view=None,
    ),
    Case(
        "permute",
        {"dims": orders},
        {"dims": st.just(())},
        shapes=ANY_RANK,
        lenient={"E0317": Leniency("torch moves the batch, too", {"dims": (1, 0)}, (1,))},
        view=None,  # whose axes are those of the input
    ),
    Case(
        "flatten",
        {"start_dim": AXES_OF, "end_dim": AXES_OF},
        {"start_dim": NONE},
        shapes=ANY_RANK,
        lenient={
            "start_dim": Leniency("torch flattens the batch, too", {"start_dim": 0, "end_dim": 0}, (3,)),
            "E0317": Leniency("counted from the last axis, the first may be the batch", {"start_dim": -2}, (3,)),
        },
        view=None,
    ),
    Case(
        "unflatten",
        {"dim": AXES_OF, "unflattened_size": lambda x: st.sampled_from(_unflattened(x))},
        {"dim": NONE, "unflattened_size": st.sampled_from([(), (-1, -1), (0, 2)])},
        shapes=ANY_RANK,
        lenient={
            "dim": Leniency("torch parts the batch, too", {"dim": 0, "unflattened_size": (-1, 1)}, (3,)),
            "E0317": Leniency(
                "counted from the last axis, the first may be the batch", {"dim": -2, "unflattened_size": (-1, 1)}, (3,)
            ),
            "E0301": Leniency("torch takes more axes", {"dim": 1, "unflattened_size": (1,) * 6}, (1, 2, 2)),
        },
        view=None,
    ),
    Case(
        "select",
        {"dim": AXES_OF, "index": st.sampled_from([0, 0, 1, 2, -1, -1, -3])},
        {"dim": NONE},
        shapes=ANY_RANK,
        lenient={
            "dim": Leniency("torch takes one of the images", {"dim": 0, "index": 0}, (3,)),
            "E0317": Leniency("counted from the last axis, the first may be the batch", {"dim": -2, "index": 0}, (3,)),
            "E0301": Leniency("torch gives a number for each image", {"dim": 1, "index": 0}, (3,)),
        },
        view=None,
    ),
    Case(
        "multihead_attention",
        {"num_heads": st.sampled_from([1, 2, 3, 4]), "dropout": st.sampled_from([0, 0.2, 0.5]), "bias": FLAG},
        {"num_heads": NONE, "dropout": NO_CHANCE},
        shapes=st.one_of(*[st.tuples(st.integers(2, 9), st.sampled_from([8, 12]))] * 4, MAPS),
        view=None,
        lenient={
            "dropout": Leniency("torch uses it in training alone", {"num_heads": 1, "dropout": -0.5}, (2, 8)),
        },
    ),
    Case(
        "embedding",
        {
            "num_embeddings": st.sampled_from([1, 2, 5]),
            "embedding_dim": st.integers(1, 4),
            "padding_idx": st.sampled_from([None, None, 0, -1, 1, -2]),
        },
        {"num_embeddings": NONE, "embedding_dim": NONE},
        shapes=EITHER,
        without={
            "max_norm": "it changes the weights in the forward pass",
            "norm_type": "it is the norm of `max_norm`",
            "scale_grad_by_freq": "it changes the gradient alone",
            "sparse": "it changes the gradient alone",
            "_weight": "weights are loaded",
            "_freeze": "weights are frozen in training",
        },
        lenient={
            "E0301": Leniency("torch takes more axes", {"num_embeddings": 1, "embedding_dim": 1}, (1,) * 7),
        },
        view=None,
    ),
    *(
        Case(
            name,
            {
                "hidden_size": st.integers(2, 5),  # of a state of one feature torch counts no products
                "num_layers": st.sampled_from([1, 1, 2, 3]),
                "bias": FLAG,
                "dropout": st.sampled_from([0, 0, 0.2, 1.0]),
                "bidirectional": FLAG,
            },
            {"hidden_size": NONE, "num_layers": NONE, "dropout": NO_CHANCE},
            shapes=st.one_of(*[st.tuples(st.integers(1, 9), st.integers(1, 8))] * 4, MAPS),
            view=None,
            lenient={"E0203": Leniency("torch warns that it does nothing", {"hidden_size": 2, "dropout": 0.2}, (3, 4))},
        )
        for name in ("lstm", "gru")
    ),
    Case(
        "window_attention",
        {
            "num_heads": st.sampled_from([1, 2, 3, 4]),
            "window_size": st.integers(2, 4),
            "shift_size": st.sampled_from([0, 0, 1]),
            "attention_dropout": st.sampled_from([0, 0.2]),
            "dropout": st.sampled_from([0, 0.2]),
        },
        {"num_heads": NONE, "window_size": NONE, "shift_size": st.just(5), "attention_dropout": NO_CHANCE},
        lenient={"E0203": SHIFTED},
        shapes=CHANNELS_LAST,
        view=None,
    ),
    Case("patch_merging", {"eps": EPS}, shapes=CHANNELS_LAST, view=None),
    Case(
        "window_attention_v2",
        {
            "num_heads": st.sampled_from([1, 2, 3, 4]),
            "window_size": st.integers(2, 4),
            "shift_size": st.sampled_from([0, 0, 1]),
            "attention_dropout": st.sampled_from([0, 0.2]),
            "dropout": st.sampled_from([0, 0.2]),
        },
        {"num_heads": NONE, "window_size": NONE, "shift_size": st.just(5), "attention_dropout": NO_CHANCE},
        lenient={"E0203": SHIFTED},
        shapes=CHANNELS_LAST,
        view=None,
    ),
    Case("patch_merging_v2", {"eps": EPS}, shapes=CHANNELS_LAST, view=None),
    Case(
        "relative_attention",
        {  # of heads with one feature torch counts no products
            "size": lambda x: st.sampled_from([2, 3, round(x[1] ** 0.5), round(x[1] ** 0.5)]),
            "head_dim": st.sampled_from([2, 3, 4, 5, 8]),
        },
        {"head_dim": NONE, "size": NONE},
        shapes=st.tuples(st.integers(1, 4), st.sampled_from([4, 9, 6]), st.sampled_from([8, 12])),
        view=None,
    ),
    activation("dropout", {"p": CHANCE, "inplace": FLAG}, wrong={"p": NO_CHANCE}, refuses=True),
    *(
        Case(
            f"dropout{rank}d",
            {"p": CHANCE, "inplace": FLAG},
            {"p": NO_CHANCE},
            shapes=maps(rank),
            lenient={"E0301": Leniency("torch warns that a vector will be an error", {}, (3,))},
        )
        for rank in (1, 2, 3)
    ),
    activation("stochastic_depth", {"p": CHANCE, "mode": st.sampled_from(["row", "batch"])}),
    activation("relu", {"inplace": FLAG}),
    activation("relu6", {"inplace": FLAG}),
    activation(
        "leaky_relu",
        {"negative_slope": SLOPE, "inplace": FLAG},
        refuses=True,
        lenient={"E0320": Leniency(_NO_WAY_BACK, {"negative_slope": -0.1, "inplace": True}, (3,))},
    ),
    activation(
        "prelu",
        {"num_parameters": lambda x: st.sampled_from([1, x[0], 2]), "init": SLOPE},
        wrong={"num_parameters": NONE},
        refuses=True,
    ),
    activation(
        "elu",
        {"alpha": SLOPE, "inplace": FLAG},
        refuses=True,
        lenient={"E0320": Leniency(_NO_WAY_BACK, {"alpha": -0.1, "inplace": True}, (3,))},
    ),
    activation("selu", {"inplace": FLAG}),
    activation(
        "gelu",
        {"approximate": st.sampled_from(["none", "tanh"])},
        wrong={"approximate": st.just("erf")},
        refuses=True,
    ),
    activation("silu", {"inplace": FLAG}),
    activation("mish", {"inplace": FLAG}),
    activation("sigmoid"),
    activation("tanh"),
    activation("hardswish", {"inplace": FLAG}),
    activation("hardsigmoid", {"inplace": FLAG}),
    Case(
        "softmax",
        {"dim": AXES_OF},
        {"dim": NONE},
        shapes=ANY_RANK,
        own={"dim": "torch's default depends on the rank, and is deprecated"},
        lenient=of_the_batch("dim"),
        view=None,
    ),
    Case(
        "normalize",
        {"p": st.sampled_from([2, 1, 2.0, 3.5]), "dim": AXES_OF, "eps": EPS},
        {"dim": NONE},
        shapes=ANY_RANK,
        lenient=of_the_batch("dim"),
        view=None,
    ),
    Case(
        "slice",
        {
            "dim": AXES_OF,
            "start": lambda x: st.one_of(st.just(0), bounds(x)),
            "end": lambda x: st.one_of(st.none(), bounds(x)),
            "step": st.sampled_from([1, 1, 2, 3]),
        },
        {"dim": NONE, "step": NONE},
        shapes=ANY_RANK,
        lenient={
            "dim": Leniency("torch slices the batch, too", {"dim": 0, "end": 1}, (3,)),
            "E0317": Leniency("torch takes positions that there are not for the ends", {"dim": 1, "end": 9}, (3,)),
        },
    ),
    Case(
        "roll",
        {
            "shifts": st.one_of(*[st.integers(-3, 3)] * 3, st.tuples(st.integers(-3, 3), st.integers(-3, 3))),
            "dims": lambda x: st.one_of(*[st.integers(1, len(x)), AXES_OF] * 2, st.tuples(AXES_OF, AXES_OF)),
        },
        {"dims": NONE},
        shapes=ANY_RANK,
        lenient=of_the_batch("dims", shifts=1),
    ),
    Case("expand", {"sizes": lengths}, {"sizes": st.sampled_from([(), (0,)])}, shapes=ANY_RANK, view=None),
    Case(
        "pad",
        {
            "padding": st.one_of(st.integers(-2, 4), st.tuples(*[st.integers(-3, 4)] * 4)),
            "mode": st.sampled_from(["constant", "reflect", "replicate", "circular"]),
            "value": st.sampled_from([0, 0.0, 1, -2.5]),
            "channels": st.sampled_from([0, 0, 1, 3]),
        },
        {"channels": NEGATIVE},
        own={
            "mode": "torch has a class for each mode",
            "value": "torch has a class for each mode",
            "channels": "torch pads them as the third axis from the end",
        },
        lenient={
            "channels": Leniency("torch removes channels", {"padding": 0, "channels": -1}, (3, 3, 3)),
            "E0307": Leniency("torch crops in other modes, too", {"padding": -1, "mode": "replicate"}, (1, 3, 3)),
            "E0308": Leniency("torch crops to nothing, and then pads", {"padding": (2, -1, 0, 0)}, (1, 1, 1)),
            "E0301": Leniency("torch pads the last two dimensions of any tensor with a constant", {"padding": 1}, (3,)),
        },
        module=pad_module,
    ),
    Case(
        "upsample",
        {
            "size": st.one_of(st.none(), st.none(), st.none(), sizes(1, 12)),
            "scale_factor": st.one_of(FACTORS, st.tuples(FACTORS, FACTORS), st.none()),
            "mode": st.sampled_from(["nearest", "nearest-exact", "bilinear", "bicubic", "area"]),
            "align_corners": st.sampled_from([None, None, None, None, False, True]),
        },
        wrong={"size": st.sampled_from([0, -1]), "scale_factor": st.sampled_from([-2.0, (2.0, -2.0)])},
        lenient={
            "scale_factor": Leniency("torch takes a factor of 0 for none", {"size": 2, "scale_factor": 0.0}, (3, 4, 4))
        },
        without={"recompute_scale_factor": "`size` says the same"},
        view=View.BOUND,  # where an output falls on an input, it sees that one alone
    ),
    Case(
        "pixel_shuffle",
        {"upscale_factor": st.sampled_from([1, 2, 2, 3])},
        wrong={"upscale_factor": NONE},
        lenient={
            "E0301": Leniency("torch takes further axes before the channels", {"upscale_factor": 1}, (2, 4, 3, 3))
        },
        view=View.WIDEST,  # an output sees one of the channels
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
    *(
        Case(
            name,
            {"dim": dims, "keepdim": FLAG},
            {"dim": st.sampled_from([0, ()])},
            shapes=ANY_RANK,
            lenient={
                **of_the_batch("dim"),
                "E0301": Leniency("torch takes the mean of everything where no axes are left", {}, (3,)),
            },
        )
        for name in ("mean", "amax")
    ),
    activation("scale", {"factor": st.sampled_from([0.17, -1.0, 2])}, refuses=False),
    activation("identity"),
]

CASES = {case.name: case for case in _ROWS}
TENSORS = ("parameter", "buffer")
OPAQUE = ("module",)
"""Kinds that are tensors of the body itself; they have tests of their own."""
JOINS = ("concat", "add", "subtract", "multiply", "maximum", "resize", "crop")
"""Kinds that take several inputs; they have tests of their own."""
PRODUCTS = ("matmul", "scaled_dot_product_attention")
"""Joins whose inputs need not be alike."""
