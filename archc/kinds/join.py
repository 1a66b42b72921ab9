"""Joins: several tensors become one. They take a list of inputs."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from archc.expressions.symbol import plain
from archc.kinds.base import FLOAT, Call, Fault, Kind, Shape, form, volume


class Join(Kind):
    """What the joins share. `inputs` are shapes in the order in which they are written."""

    many: ClassVar[bool] = True
    broadcasts: ClassVar[bool] = False

    def join_faults(self, inputs: Sequence[Shape]) -> Iterator[tuple[int, Fault]]:
        """Faults with the position of the input to blame: the first that differs from the majority."""
        if len(inputs) < 2:
            yield 0, Fault("E0310", f"`{self.kind}` joins two inputs or more, this is {len(inputs)}")
            return
        ranks = [len(x) for x in inputs]
        odd = _odd_one(ranks)
        if odd is not None:
            yield (
                odd,
                Fault(
                    "E0310",
                    f"`{self.kind}` joins maps with maps and vectors with vectors",
                    label=f"gives {form(inputs[odd])}, the others {form(inputs[ranks.index(_usual(ranks))])}",
                ),
            )
            return
        if self.kind != "concat":
            channels = [plain(x[0]) for x in inputs]
            odd = _odd_one(channels)
            if odd is not None:
                yield (
                    odd,
                    Fault(
                        "E0311",
                        f"`{self.kind}` needs equal channels",
                        label=f"gives {channels[odd]} channels, {_others(channels, odd)}",
                        help=f"a 1×1 convolution with `out_channels: {_usual(channels)}` makes them equal",
                    ),
                )
                return
        sizes = [x[1:] for x in inputs]
        # A 1×1 map is a gate where the kind broadcasts: it scales every position.
        counted = [size for size in sizes if not (self.broadcasts and size == (1, 1))] or sizes
        differing = _odd_one(counted)
        if differing is not None:
            odd = sizes.index(counted[differing])
            usual = _usual(counted)
            yield (
                odd,
                Fault(
                    "E0312",
                    f"inputs of `{self.kind}` differ in height and width",
                    label=f"gives {_plane(sizes[odd])}, {_others([_plane(size) for size in sizes], odd)}",
                    help=f"make this branch give {_plane(usual)}: a stride-1 layer keeps its input's size"
                    " with `padding: same`",
                ),
            )

    def requirements(self, x: Any) -> Iterator[Fault]:
        for _, fault in self.join_faults(x):
            yield fault


def _plane(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))


def _usual(values: list[Any]) -> Any:
    return max(values, key=values.count)


def _odd_one(values: list[Any]) -> int | None:
    """The first position that differs from the commonest value; of two unequal ones, the second."""
    usual = _usual(values)
    return next((i for i, value in enumerate(values) if value != usual), None)


def _others(values: list[Any], odd: int) -> str:
    others = list(dict.fromkeys(value for i, value in enumerate(values) if i != odd))
    count = len(values) - 1
    which = "the other input" if count == 1 else "the other inputs"
    return f"{which} {' and '.join(map(str, others))}"


class Concat(Join):
    """Maps side by side: the channels add up."""

    kind: ClassVar[str] = "concat"
    torch: ClassVar[str] = "archc.Concat"

    def output(self, x: Any) -> Shape:
        channels: Any = 0
        for part in x:
            channels = part[0] + channels if channels == 0 else channels + part[0]
        return (channels, *x[0][1:])

    def function(self, x: Any) -> Call:
        return Call("torch.cat", (), (("dim", 1),))


def _partial(kind: Join, inputs: Any, images: int) -> int:
    """Bytes of the result so far, while the last of three inputs or more is joined to it."""
    return FLOAT * images * volume(kind.output(inputs[:-1])) if len(inputs) > 2 else 0


class Add(Join):
    """The sum of equal shapes, element by element."""

    kind: ClassVar[str] = "add"
    torch: ClassVar[str] = "archc.Add"
    infix: ClassVar[str] = "+"

    def output(self, x: Any) -> Shape:
        return (x[0][0], *x[0][1:])

    def scratch(self, x: Any, images: int) -> int:
        return _partial(self, x, images)


class Multiply(Join):
    """The product of equal shapes, element by element; a 1×1 map scales a whole map (a gate)."""

    kind: ClassVar[str] = "multiply"
    torch: ClassVar[str] = "archc.Multiply"
    infix: ClassVar[str] = "*"
    broadcasts: ClassVar[bool] = True

    def output(self, x: Any) -> Shape:
        largest = max(x, key=lambda part: part[1:])
        return (x[0][0], *largest[1:])

    @property
    def needs_input(self) -> bool:
        return True

    def kept(self, x: Any, images: int) -> int:
        products = (self.output(x[:count]) for count in range(2, len(x)))  # from left to right; the last is the output
        return FLOAT * images * sum(map(volume, products))

    def scratch(self, x: Any, images: int) -> int:
        return _partial(self, x, images)
