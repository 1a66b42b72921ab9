"""Joins: several tensors become one. They take a list of inputs."""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from typing import Any, ClassVar

from archc.expressions.tree import Choice, Expr, choose, compare
from archc.kinds.base import FLOAT, Call, Fault, Inputs, Kind, Role, Shape, form, volume
from archc.kinds.registry import register


class Join(Kind):
    """What the joins share. `inputs` are shapes in the order in which they are written."""

    many: ClassVar[bool] = True
    broadcasts: ClassVar[bool] = False
    """Whether a 1×1 map is a gate that joins a whole map."""
    adds_channels: ClassVar[bool] = False
    """Whether the output has the channels of all inputs, which may differ; they are equal otherwise."""
    role: ClassVar[Role] = "join"

    def join_faults(
        self,
        inputs: Inputs,
        shortcuts: Container[int] = frozenset(),
        keeps: Callable[[int], bool] = lambda _: False,
    ) -> Iterator[tuple[int, Fault, int]]:
        """Faults, each with the position of the input to blame, and of one that is as it should be.

        To blame are those that differ from the majority.

        Where there is none, `shortcuts` are to blame if a stride brings them to the others' size, the inputs that are
        handed on unchanged; else what is not of the size that an input `keeps`; else the smaller maps.
        """
        if len(inputs) < 2:
            yield 0, Fault("E0310", f"`{self.kind}` joins two inputs or more, this is {len(inputs)}"), 0
            return
        ranks = [len(x) for x in inputs]
        usual = _usual(ranks)
        if len(set(ranks)) > 1:
            message = f"`{self.kind}` cannot join feature maps with vectors"
            for odd in _differing(ranks, usual)[:_TOLD]:
                label = f"gives {form(inputs[odd])}, the others {form(inputs[ranks.index(usual)])}"
                yield odd, Fault("E0310", message, label=label), ranks.index(usual)
            return
        sizes = [x[1:] for x in inputs]
        gates = [self.broadcasts and all(length == 1 for length in size) for size in sizes]  # they scale every position
        counted = [size for size, gate in zip(sizes, gates, strict=True) if not gate] or sizes
        size = _usual_size(sizes, counted, shortcuts, keeps)
        unequal = [at for at in _differing(sizes, size) if not gates[at]][:_TOLD]
        mended = set()
        if not self.adds_channels:
            channels = [x[0] for x in inputs]
            many = [value for value in channels if value != 1] if self.broadcasts else []  # a gate is not to be met
            usual = _usual(many or channels, [value for at, value in enumerate(channels) if at not in shortcuts])
            for odd in _differing(channels, usual)[:_TOLD]:
                stride = _stride(sizes[odd], size)
                if stride > 1:
                    mended.add(odd)
                written = f"out_channels: {usual}, stride: {stride}" if stride > 1 else f"out_channels: {usual}"
                help = f"a 1×1 convolution with `{written}` makes them equal"
                if not sizes[odd]:
                    help = f"a layer `linear: {usual}` makes them equal"
                if channels[odd] == 1 and self.broadcasts:
                    help = f"a gate needs one channel for each channel that it scales: {usual} here"
                label = f"gives {channels[odd]} channel{'s' * (channels[odd] != 1)}, {_others(channels, odd, usual)}"
                fault = Fault("E0311", f"`{self.kind}` needs equal channels", label=label, help=help)
                yield odd, fault, channels.index(usual)
        for odd in unequal:
            if odd in mended:
                continue
            help = f"make this branch give {form(size)}"
            stride = _stride(sizes[odd], size)
            help += f", as with `stride: {stride}`" if stride > 1 else ""
            label = f"gives {form(sizes[odd])}, {_others([form(size) for size in sizes], odd, form(size))}"
            fault = Fault("E0312", f"inputs of `{self.kind}` differ in height and width", label=label, help=help)
            yield odd, fault, sizes.index(size)

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        for _, fault, _ in self.join_faults(inputs):
            yield fault


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
        return f"but the others give {usual}"
    return f"but the other input{'s give' if len(values) > 2 else ' gives'} {usual}"


@register
class Concat(Join):
    """Concatenates feature maps over the channels (`torch.cat`)."""

    kind: ClassVar[str] = "concat"
    torch: ClassVar[str] = "archc.Concat"
    adds_channels: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("cat", "concatenate")

    def output(self, inputs: Inputs) -> Shape:
        return (sum([x[0] for x in inputs]), *inputs[0][1:])

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.cat", (), (("dim", 1),))


def _channels(inputs: Inputs) -> Any:
    """The channels that equal inputs have, in the words of one that has them under all conditions."""
    for x in inputs:
        if not isinstance(x[0], Choice):
            return x[0]
    return inputs[0][0]


def _larger(one: Any, other: Any) -> Any:
    """Of two sizes the one that is not 1; they are equal, or one of them is 1."""
    for size, another in ((one, other), (other, one)):
        if not isinstance(size, Expr):
            return another if size == 1 else size
    return one if one == other else choose(compare(one, "==", 1), other, one)


def _partial(kind: Join, inputs: Inputs, images: int) -> int:
    """Bytes of the result so far, while the last of three inputs or more is joined to it."""
    return FLOAT * images * volume(kind.output(inputs[:-1])) if len(inputs) > 2 else 0


@register
class Add(Join):
    """Adds inputs of equal shapes element by element."""

    kind: ClassVar[str] = "add"
    torch: ClassVar[str] = "archc.Add"
    infix: ClassVar[str] = "+"
    aliases: ClassVar[tuple[str, ...]] = ("sum",)

    def output(self, inputs: Inputs) -> Shape:
        return inputs[0] if not isinstance(inputs[0][0], Choice) else (_channels(inputs), *inputs[0][1:])

    def scratch(self, inputs: Inputs, images: int) -> int:
        return _partial(self, inputs, images)


@register
class Multiply(Join):
    """Multiplies inputs of equal shapes element by element; a 1×1 feature map scales a whole feature map (a gate)."""

    kind: ClassVar[str] = "multiply"
    torch: ClassVar[str] = "archc.Multiply"
    infix: ClassVar[str] = "*"
    broadcasts: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("mul",)

    def output(self, inputs: Inputs) -> Shape:
        sizes = inputs[0][1:]
        for x in inputs[1:]:
            sizes = tuple(map(_larger, sizes, x[1:]))
        return (_channels(inputs), *sizes)

    @property
    def needs_input(self) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        products = (self.output(inputs[:count]) for count in range(2, len(inputs)))  # the last one is the output
        return FLOAT * images * sum(map(volume, products))

    def scratch(self, inputs: Inputs, images: int) -> int:
        return _partial(self, inputs, images)
