"""Finds the blocks of a network: bodies of one class and one structure become one block with parameters.

The arguments of all layers in a body are its slots. Over the instances of a block, each slot has a row of values. A
row that is constant is a number in the block. A row that equals the channels of the input or another row, or is a
multiple or fraction of one, is an expression. Each other row is a parameter. It is named after the argument of the
class's constructor that has these values, or after the layer's argument.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from archc.importing.constructors import PREFIX
from archc.importing.merge import ABSENT, CONTAINERS, Instance, merged
from archc.importing.tree import Block, Body, Entry, Formula, Layer, Parameter, Share, Use, bodies, same_value
from archc.kinds import KINDS
from archc.language.names import class_name_fault, parameter_name_fault

_HIDDEN = "hidden_channels"
"""The parameter for the channels of a layer inside a block."""
_FACTORS = range(2, 65)

Row = tuple[Any, ...]


def find_blocks(root: Body, arguments: Mapping[str, Mapping[str, Any]], merge: bool = True) -> list[Block]:
    """Replace the instances of blocks below a body by uses, and return the blocks, inner ones first.

    `arguments` are the constructor's arguments of modules by their paths. With `merge`, one block serves instances that
    differ in some parts.
    """
    found = [Instance(entry, body) for entry, body in bodies(root) if body.closed and body.title not in CONTAINERS]
    names: set[str] = {root.title}
    return [
        _block(_free(alike[0].body.title, names), alike, arguments)
        for alike in _alike(found, merge)
        if len(alike) > 1 or alike[0].body.inputs
    ]


def name_classes(root: Body, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make the size of the network's output a parameter, if the constructor has an argument for it.

    Returns the network's parameters. A network with auxiliary heads has none, because heads are blocks of their own.
    """
    if any(entry.auxiliary for entry in root.entries):
        return {}
    last = [layer for layer in _layers(root) if layer.kind.state and any(map(_is_width, layer.arguments))][-1:]
    for layer in last:
        width = next(filter(_is_width, layer.arguments))
        value = layer.arguments[width]
        for name, given in arguments.items():
            if "classes" in name and type(given) is int and given == value == root.output and value > 1:
                layer.arguments[width] = Formula(name)
                return {name: value}
    return {}


def _is_width(argument: str) -> bool:
    return argument.startswith("out_")


def _layers(body: Body) -> Iterator[Layer]:
    """The layers of a body that are not in blocks, in order."""
    for entry in body.entries:
        if isinstance(entry.element, Body):
            yield from _layers(entry.element)
        elif isinstance(entry.element, Layer):
            yield entry.element


def _alike(found: Sequence[Instance], merge: bool) -> Iterator[list[Instance]]:
    """The instances in groups of one title and one structure; those that are used within others come first.

    If two titles are within each other, there is no such order, and each instance is alone.
    """
    instances: dict[str, list[Instance]] = defaultdict(list)
    for each in found:
        instances[each.body.title].append(each)
    within = {
        title: {
            inner.title
            for instance in alike
            for _, inner in bodies(instance.body)
            if inner.title in instances and inner.title != title
        }
        for title, alike in instances.items()
    }
    try:
        titles = list(TopologicalSorter(within).static_order())
    except CycleError:
        yield from ([each] for each in found)
        return
    for title in titles:
        yield from _same_structure(instances[title], merge)


def _same_structure(instances: Sequence[Instance], merge: bool) -> list[list[Instance]]:
    """The instances in groups of one structure, if need be after parts that only some have became optional."""
    groups: dict[Any, list[Instance]] = defaultdict(list)
    for instance in instances:
        groups[_structure(instance.body)].append(instance)
    return merged(list(groups.values())) if merge else list(groups.values())


def _structure(element: Layer | Use | Body | Share) -> Any:
    """What instances of a block have in common: everything but the values of arguments."""
    if isinstance(element, Share):
        return "share", element.owner
    if isinstance(element, Layer):
        return element.structure
    if isinstance(element, Use):
        return element.block.name, tuple(element.arguments)
    entries = tuple(
        ("" if element.form == "list" else entry.name, entry.source, entry.operands, _structure(entry.element))
        for entry in element.entries
    )
    return element.form, entries, tuple(element.outputs.items()), tuple(element.inputs)


def _free(title: str, names: set[str]) -> str:
    """A name for a block that no other has."""
    stem = re.sub(r"\W", "", title).lstrip("_") or "Block"
    if class_name_fault(stem) or stem in KINDS:
        stem = f"{stem}Block" if stem[0].isalpha() else f"Block{stem}"
    name, number = stem, 2
    while name in names:
        name, number = f"{stem}{number}", number + 1
    names.add(name)
    return name


# Parameters


class _Slot(NamedTuple):
    """An argument within a body: the entry's names on the way to it, and the layer or use that has it."""

    way: tuple[str, ...]
    name: str
    owner: Layer | Use | Share

    @property
    def value(self) -> Any:
        return self.owner.arguments[self.name]


def _slots(body: Body, way: tuple[str, ...] = ()) -> Iterator[_Slot]:
    for entry in body.entries:
        inner = (*way, entry.name)
        if isinstance(entry.element, Body):
            yield from _slots(entry.element, inner)
        else:
            for name in entry.element.arguments:
                yield _Slot(inner, name, entry.element)


class _Naming:
    """The parameters of a block as they are found, and the expressions for rows of values."""

    def __init__(self, instances: Sequence[Instance], arguments: Mapping[str, Mapping[str, Any]]) -> None:
        self.rows: dict[str, Row] = {}
        self.measures: dict[str, str] = {}
        self.channels = tuple(instance.body.channels for instance in instances)
        self.further = {
            f"{name}_channels": tuple(instance.body.inputs[name] for instance in instances)
            for name in list(instances[0].body.inputs)[1:]
        }
        self.output = tuple(instance.body.output for instance in instances)
        constructed = [arguments.get(instance.body.path, {}) for instance in instances]
        self.constructed = {
            name: tuple(given[name] for given in constructed)
            for name in constructed[0]
            if all(name in given for given in constructed)
        }

    def known(self, measure: str) -> dict[str, Row]:
        """The rows that can stand for one of this measure, by their names."""
        found = {"in_channels": self.channels, **self.further} if measure == "channels" else {}
        return {**found, **{name: row for name, row in self.rows.items() if self.measures[name] == measure}}

    def equal(self, row: Row, measure: str) -> Formula | None:
        """A parameter, or the input's channels, that has the values of a row and varies."""
        for name, values in self.known(measure).items():
            if ABSENT not in values and _same(values, row) and len(set(map(repr, values))) > 1:
                return Formula(name)
        return None

    def formula(self, row: Row, measure: str) -> Formula | None:
        """An expression over the parameters and the input's channels; None if there is none."""
        known = self.known(measure)
        for name, values in known.items():
            if _same(values, row):
                if name in self.rows:
                    self.rows[name] = tuple(b if a is ABSENT else a for a, b in zip(values, row, strict=True))
                return Formula(name)
        present = [value for value in row if value is not ABSENT]
        named = self.named(row)
        if measure != "channels" or not all(type(value) is int for value in present):
            return None
        if named and len(set(present)) < 3:
            return None  # two numbers are no evidence for a factor
        for name, values in known.items():
            pairs = [(value, wanted) for value, wanted in zip(values, row, strict=True) if wanted is not ABSENT]
            if any(type(value) is not int or value < 1 for value, _ in pairs) or len(set(pairs)) < 2:
                continue
            for factor in _FACTORS:
                if all(value * factor == wanted for value, wanted in pairs):
                    return Formula(f"{name} * {factor}")
                if all(value // factor == wanted for value, wanted in pairs):
                    return Formula(f"{name} // {factor}")
        return None

    def named(self, row: Row) -> str:
        """The argument of the constructor that has these values; empty if there is none."""
        return next((name for name, values in self.constructed.items() if self.free(name) and _same(values, row)), "")

    def add(self, row: Row, measure: str, name: str) -> Formula:
        """A new parameter for a row of values."""
        name = self.named(row) or name
        self.rows[name] = row
        self.measures[name] = measure
        return Formula(name)

    def role(self, slot: _Slot, row: Row) -> str:
        """The name of a parameter after the argument that it is."""
        own = slot.name.removeprefix(PREFIX)
        if own.startswith("out_") and _same(row, self.output) and self.free(own):
            return own
        if self.free(own) and not own.startswith("out_"):
            return own
        if own.startswith("out_") and self.free(_HIDDEN):
            return _HIDDEN
        words = [f"n{part}" if part[0].isdigit() else part for part in slot.way]
        short = own.removeprefix("out_")
        return self.unique(f"{'_'.join(words)}_{short}")

    def unique(self, name: str) -> str:
        """A name that no parameter has yet."""
        number, found = 2, name
        while not self.free(found):
            found, number = f"{name}{number}", number + 1
        return found

    def free(self, name: str) -> bool:
        """Return True if a parameter can have this name."""
        return name not in self.rows and name not in self.further and not parameter_name_fault(name)

    def condition(self, present: tuple[bool, ...], entry: Entry) -> Formula:
        """An expression that is true for the instances that have an entry."""
        channels = {name: row for name, row in self.known("channels").items() if name != "in_channels"}
        output = self.formula(self.output, "channels")
        if output is not None and output != "in_channels":
            channels = {output: self.output, **channels}
        channels = {name: values for name, values in channels.items() if ABSENT not in values}
        equal = {name: tuple(map(same_value, values, self.channels)) for name, values in channels.items()}
        for name, same in equal.items():
            if tuple(not each for each in same) == present:
                return Formula(f"in_channels != {name}")
            if same == present:
                return Formula(f"in_channels == {name}")
        for name, same in equal.items():
            for stride, steps in self.known("stride").items():
                kept = tuple(each and step in (1, (1, 1)) for each, step in zip(same, steps, strict=True))
                if kept == present:
                    return Formula(f"{stride} == 1 and in_channels == {name}")
                if tuple(not each for each in kept) == present:
                    return Formula(f"{stride} != 1 or in_channels != {name}")
        for name, values in self.rows.items():
            if self.measures[name] in ("stride", "flag") and ABSENT not in values:
                for wanted in dict.fromkeys(values):
                    if type(wanted) in (bool, int) and tuple(value == wanted for value in values) == present:
                        if wanted is True:
                            return Formula(name)
                        return Formula(f"not {name}" if wanted is False else f"{name} == {wanted}")
        stem = entry.name if entry.name[0].isalpha() else _word(entry.element)
        return self.add(present, "flag", self.unique(stem))


def _word(element: Layer | Use | Body | Share) -> str:
    if isinstance(element, Share):
        return element.owner
    if isinstance(element, Layer):
        return element.kind.kind
    title = element.block.name if isinstance(element, Use) else element.title or "part"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title).lower()


def _same(one: Row, other: Row) -> bool:
    """Return True if two rows are equal where both have values."""
    pairs = zip(one, other, strict=True)
    return all(a is ABSENT or b is ABSENT or same_value(a, b) for a, b in pairs)


_CHANNELS = ("groups", "normalized_shape", "shape")
"""Arguments that count channels, beside those that begin with `out_`."""


def _block(name: str, instances: Sequence[Instance], arguments: Mapping[str, Mapping[str, Any]]) -> Block:
    """The block of some instances, each of which becomes a use of it."""
    naming = _Naming(instances, arguments)
    columns = [list(_slots(instance.body)) for instance in instances]
    values: dict[tuple[int, str], Any] = {}
    for slots in zip(*columns, strict=True):
        row = tuple(slot.value for slot in slots)
        first = slots[0]
        where = (id(first.owner), first.name)
        given = [(slot, value) for slot, value in zip(slots, row, strict=True) if value is not ABSENT]
        if all(isinstance(slot.owner, Layer) and slot.name in slot.owner.implied for slot, _ in given):
            continue
        measure = _measure(first)
        if all(same_value(value, given[0][1]) for _, value in given):
            values[where] = (naming.equal(row, measure) if ABSENT in row else None) or given[0][1]
            continue
        values[where] = (
            _padding(slots, values, row)
            or naming.formula(row, measure)
            or _items(naming, first, row, measure)
            or naming.add(row, measure, naming.role(first, row))
        )
    conditions = _conditions([instance.body for instance in instances], naming)
    body = _template(instances[0].body, values, conditions)
    parameters = [Parameter(name, _default(row), naming.measures[name]) for name, row in naming.rows.items()]
    parameters.sort(key=lambda parameter: parameter.default is not None)
    block = Block(name, parameters, body)
    for at, instance in enumerate(instances):
        found = {parameter.name: naming.rows[parameter.name][at] for parameter in parameters}
        for parameter in parameters:
            if found[parameter.name] is ABSENT:
                assert parameter.default is not None
                found[parameter.name] = parameter.default[0]
        instance.entry.element = Use(block, found, instance.body)
    return block


def _items(naming: _Naming, slot: _Slot, row: Row, measure: str) -> tuple[Any, ...] | None:
    """Lists of sizes of one length, size by size; None for other values."""
    if not (isinstance(slot.owner, Layer) and slot.name in slot.owner.kind.listed):
        return None
    if len({len(value) if isinstance(value, tuple) else 0 for value in row}) > 1:
        return None
    found = []
    for column in zip(*row, strict=True):
        same = all(same_value(value, column[0]) for value in column)
        formula = column[0] if same else naming.formula(column, measure)
        found.append(formula or naming.add(column, measure, naming.role(slot, column)))
    return tuple(found)


def _measure(slot: _Slot) -> str:
    """What an argument counts: values of one measure can be expressed by each other."""
    if isinstance(slot.owner, Use):
        return next(each.measure for each in slot.owner.block.parameters if each.name == slot.name)
    counts = slot.name.startswith(PREFIX) and type(slot.value) is int  # of any class: often channels
    return "channels" if slot.name.startswith("out_") or slot.name in _CHANNELS or counts else slot.name


def _conditions(instances: Sequence[Body], naming: _Naming) -> dict[int, Formula]:
    """The condition of each entry of the first body that only some instances have."""
    found: dict[int, Formula] = {}
    columns = zip(*(body.entries for body in instances), strict=True)
    optional: list[tuple[Entry, tuple[bool, ...]]] = []
    for entries in columns:
        present = tuple(not entry.absent for entry in entries)
        if not all(present):
            optional.append((entries[0], present))
        elif isinstance(entries[0].element, Body):
            inner = [entry.element for entry in entries if isinstance(entry.element, Body)]
            found.update(_conditions(inner, naming))
    while optional:
        entry, present = optional.pop(0)
        others = [each for each in optional if _activation(each[0])] if _activation(entry) else []
        rows = [present, *(row for _, row in others)]
        if others and all(sum(column) <= 1 for column in zip(*rows, strict=True)):
            words = [_word(each.element) for each in (entry, *(other for other, _ in others))]
            chosen = tuple(
                next((word for word, has in zip(words, column, strict=True) if has), "none")
                for column in zip(*rows, strict=True)
            )
            known = next((name for name, row in naming.rows.items() if row == chosen), None)
            name = known or naming.add(chosen, "activation", naming.unique("activation"))
            for each, word in zip((entry, *(other for other, _ in others)), words, strict=True):
                found[id(each)] = Formula(f"{name} == '{word}'")
            optional = [each for each in optional if each not in others]
        else:
            found[id(entry)] = naming.condition(present, entry)
    return found


def _activation(entry: Entry) -> bool:
    return isinstance(entry.element, Layer) and entry.element.kind.role == "activation"


def _padding(slots: Sequence[_Slot], values: Mapping[tuple[int, str], Any], row: Row) -> Formula | None:
    """The expression of a convolution's padding in terms of its kernel, if it has one: d(k - 1)/2."""
    owners = [slot.owner for slot in slots]
    if slots[0].name != "padding" or not all(isinstance(o, Layer) and "dilation" in o.arguments for o in owners):
        return None
    kernel = values.get((id(owners[0]), "kernel_size"))
    given = [(owner.arguments["kernel_size"], owner.arguments["dilation"]) for owner in owners]
    rows = [(k, d, wanted) for (k, d), wanted in zip(given, row, strict=True) if wanted is not ABSENT]
    if not isinstance(kernel, Formula) or any(type(k) is not int or d != 1 for k, d, _ in rows):
        return None
    if any((k - 1) // 2 != wanted for k, _, wanted in rows):
        return None
    return Formula(f"({kernel} - 1) // 2")


def _default(row: Row) -> tuple[Any] | None:
    """The default of a parameter: the value that most instances have."""
    present = [value for value in row if value is not ABSENT]
    counts = Counter(map(repr, present))
    text, count = counts.most_common(1)[0]
    if len(present) == len(row) and (count * 2 <= len(row) or len(row) < 3):
        return None
    return (next(value for value in present if repr(value) == text),)


def _template(body: Body, values: Mapping[tuple[int, str], Any], conditions: Mapping[int, Formula]) -> Body:
    """The body of a block: that of its first instance, with the block's values."""

    def copied(element: Layer | Use | Body | Share) -> Layer | Use | Body | Share:
        if isinstance(element, Share):
            return element
        if isinstance(element, Body):
            return _template(element, values, conditions)
        given = {name: values[id(element), name] for name in element.arguments if (id(element), name) in values}
        if isinstance(element, Use):
            return replace(element, arguments=given)
        return Layer(element.kind, given)

    entries = [
        replace(entry, element=copied(entry.element), when=conditions.get(id(entry)), absent=False)
        for entry in body.entries
    ]
    return replace(body, entries=entries)
