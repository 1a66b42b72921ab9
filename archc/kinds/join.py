"""Joins: several tensors become one. They take a list of inputs."""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, ClassVar

from archc.expressions.symbol import plain
from archc.kinds.base import FLOAT, Call, Fault, Kind, Shape, form, volume


class Join(Kind):
    """What the joins share. `inputs` are shapes in the order in which they are written."""

    many: ClassVar[bool] = True
    broadcasts: ClassVar[bool] = False

    def join_faults(
        self,
        inputs: Sequence[Shape],
        shortcuts: Container[int] = frozenset(),
        keeps: Callable[[int], bool] = lambda _: False,
    ) -> Iterator[tuple[int, Fault]]:
        """Faults, each with the position of the input to blame: those that differ from the majority.

        Where there is none, `shortcuts` are to blame if a stride brings them to the others' size, the inputs that are
        handed on unchanged; else what is not of the size that an input `keeps`; else the smaller maps.
        """
        if len(inputs) < 2:
            yield 0, Fault("E0310", f"`{self.kind}` joins two inputs or more, this is {len(inputs)}")
            return
        ranks = [len(x) for x in inputs]
        usual = _usual(ranks)
        if len(set(ranks)) > 1:
            message = f"`{self.kind}` joins maps with maps and vectors with vectors"
            for odd in _differing(ranks, usual)[:_TOLD]:
                label = f"gives {form(inputs[odd])}, the others {form(inputs[ranks.index(usual)])}"
                yield odd, Fault("E0310", message, label=label)
            return
        sizes = [x[1:] for x in inputs]
        # A 1×1 map is a gate where the kind broadcasts: it scales every position.
        counted = [size for size in sizes if not (self.broadcasts and size == (1, 1))] or sizes
        size = _usual_size(sizes, counted, shortcuts, keeps)
        unequal = [at for at in _differing(sizes, size) if not (self.broadcasts and sizes[at] == (1, 1))][:_TOLD]
        mended = set()
        if self.kind != "concat":
            channels = [plain(x[0]) for x in inputs]
            usual = _usual(channels, [value for at, value in enumerate(channels) if at not in shortcuts])
            for odd in _differing(channels, usual)[:_TOLD]:
                stride = _stride(sizes[odd], size)
                if stride > 1:
                    mended.add(odd)
                written = f"out_channels: {usual}, stride: {stride}" if stride > 1 else f"out_channels: {usual}"
                help = f"a 1×1 convolution with `{written}` makes them equal"
                label = f"gives {channels[odd]} channels, {_others(channels, odd, usual)}"
                yield odd, Fault("E0311", f"`{self.kind}` needs equal channels", label=label, help=help)
        for odd in unequal:
            if odd in mended:
                continue
            help = f"make this branch give {form(size)}"
            stride = _stride(sizes[odd], size)
            help += f", as with `stride: {stride}`" if stride > 1 else _KEEPS
            label = f"gives {form(sizes[odd])}, {_others([form(size) for size in sizes], odd, form(size))}"
            yield odd, Fault("E0312", f"inputs of `{self.kind}` differ in height and width", label=label, help=help)

    def requirements(self, x: Any) -> Iterator[Fault]:
        for _, fault in self.join_faults(x):
            yield fault


_KEEPS = ": a stride-1 layer keeps its input's size with `padding: same`"


def _usual(values: list[Any], better: list[Any] | None = None) -> Any:
    """The commonest value; of equally common ones the first of the `better` values, or the first."""
    found = _commonest(values)
    return next((value for value in better or () if value in found), found[0])


def _usual_size(
    sizes: list[tuple[int, ...]],
    counted: list[tuple[int, ...]],
    shortcuts: Container[int],
    keeps: Callable[[int], bool],
) -> tuple[int, ...]:
    """The commonest; of equally common ones that to which a stride brings a shortcut, a kept one, or the largest."""
    found: list[tuple[int, ...]] = _commonest(counted)
    if len(found) == 1:
        return found[0]
    short = {size for at, size in enumerate(sizes) if at in shortcuts}
    brought = (size for size in found if any(_stride(shortcut, size) > 1 for shortcut in short))
    kept = (size for at, size in enumerate(sizes) if size in found and keeps(at))
    return next(brought, None) or next(kept, None) or max(found)


def _commonest(values: list[Any]) -> list[Any]:
    counts = Counter(values)
    most = max(counts.values())
    return [value for value, count in counts.items() if count == most]


_TOLD = 16
"""Inputs of one join that are told to differ: where there are more, they have one cause."""


def _differing(values: list[Any], usual: Any) -> list[int]:
    return [at for at, value in enumerate(values) if value != usual]


def _stride(size: tuple[int, ...], wanted: tuple[int, ...]) -> int:
    """The stride of a 1×1 window, or one that keeps its size otherwise, that makes one size of another; 0 if none."""
    for stride in range(1, 5):
        if tuple((length - 1) // stride + 1 for length in size) == wanted:
            return stride
    return 0


def _others(values: list[Any], odd: int, usual: Any) -> str:
    others = set(values[:odd] + values[odd + 1 :])
    if len(others) > 1:
        return f"others {usual}"
    return f"the other input{'s' * (len(values) > 2)} {usual}"


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
