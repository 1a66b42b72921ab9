"""The meaning of a spec, written a second time: plain data to shapes, in the fewest words that do.

Nothing is shared with the compiler but the kinds' own rules. The strategies follow the shapes of what they
draw with it, so a drawn spec is valid by this reading, and archc must find it so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from archc.kinds import KINDS, Inputs, Kind, Shape, volume
from archc.testing.formula import Formula, Names, evaluated

Outputs = dict[str | None, Shape]
"""The shapes of an entry's results by name; None is the name of an only result."""

MODIFIERS = ("from", "when", "auxiliary", "repeat", "for", "in", "index")


class Unsound(Exception):
    """The spec has no meaning, or one that is too large to test."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as it runs: its path, kind, input and output; a `shared` one has the weights of an earlier one."""

    path: str
    kind: Kind
    inputs: tuple[Shape, ...]
    outputs: Outputs
    auxiliary: bool
    shared: bool = False


class Owner(NamedTuple):
    """An entry that others can share: the values of its names, its inputs, and its layers below a path."""

    entry: Any
    scope: Names
    inputs: Inputs
    layers: tuple[Layer, ...] = ()
    path: str = ""


@dataclass(slots=True)
class Meaning:
    """Reads bodies of one spec; `layers` collects what runs, in its order.

    More than `most` layers, or more than `largest` elements of one image, are too much to test.
    """

    blocks: Mapping[str, Any]
    network: Names = field(default_factory=dict)  # the network's parameters, which its blocks can read
    most: int = 200
    largest: int = 2**15
    layers: list[Layer] = field(default_factory=list)
    path: tuple[str, ...] = ()
    auxiliary: bool = False
    inside: bool = False  # whether the body at hand is a block's, or within one
    decided: set[bool] = field(default_factory=set)  # what the conditions came to
    owners: dict[str, Owner] = field(default_factory=dict)  # the entries that the body at hand can share
    ran: Inputs = ()  # the inputs of the last entry that was present

    def body(
        self, body: Any, x: Shape, scope: Names, seen: Mapping[str, Outputs], others: Sequence[Shape] = ()
    ) -> Outputs:
        """The results of a body for its input, and for the others that it declares. Raises Unsound.

        `seen` are the names of the bodies around it.
        """
        branches = "branches" in body
        parts = body["branches" if branches else "layers"]
        if branches and isinstance(parts, list):
            parts = {str(position): part for position, part in enumerate(parts)}
        named = not isinstance(parts, list)
        names: dict[str, Outputs] = {**(seen if named else {}), "input": {None: x}}
        if body.get("inputs"):
            names |= {name: {None: shape} for name, shape in zip(body["inputs"], (x, *others), strict=True)}
        current: Outputs = {None: x}
        results = []
        absent = 0
        left_out: set[str] = set()
        outer, self.owners = self.owners, {}

        def flow() -> Outputs:
            return {None: x} if branches else current

        for position, (name, entry, inner) in enumerate(self.unfold(parts, scope, flow)):
            source = flow()
            inner = self.arriving(entry, source, inner, names if named else {})
            called = evaluated(_name(name), inner) if named else str(position - absent)
            if is_share(entry) and evaluated(_name(entry["share"]), inner) in left_out:
                entry = {**entry, "when": False}
            self.path += (called,)
            before, within = len(self.layers), self.owners
            made = self.entry(entry, source, inner, names if named else {})
            path = ".".join(self.path)
            self.path, self.owners = self.path[:-1], within
            if named and is_present(entry, inner) and may_be_shared(entry):
                self.owners[called] = Owner(entry, inner, self.ran, tuple(self.layers[before:]), path)
            if not named:
                absent += not is_present(entry, inner)
                single(made)
            if is_mapping(entry) and entry.get("auxiliary"):
                single(made)
                continue
            if named:
                names[called] = made
                if not is_present(entry, inner):
                    left_out.add(called)
            if not branches or is_present(entry, inner):
                results.append(made)
            current = made
        self.owners = outer
        if branches:
            joined = [single(made) for made in results]
            if not joined:
                raise Unsound("no branch is left")
            if len(joined) == 1:
                return {None: joined[0]}
            return self.layer(KINDS[body["join"]](), tuple(joined), "join")
        if "outputs" in body:
            found: Outputs = {
                name: value_of(reference, names)
                for name, reference in named_outputs(body["outputs"], self.arriving(None, flow(), scope, {}))
                if reference.partition(".")[0] not in left_out
            }
            if not found:
                raise Unsound("no output is left")
            return found
        return {None: single(current)}

    def arriving(self, entry: Any, x: Outputs, scope: Names, names: Mapping[str, Outputs]) -> Names:
        """Outside of blocks, `in_channels` are those that arrive at an entry."""
        if self.inside:
            return scope
        given = value_of(sources_of(entry)[0], names) if sources_of(entry) else x.get(None)
        return scope if given is None else {**scope, "in_channels": given[0]}

    def unfold(self, parts: Any, scope: Names, flow: Callable[[], Outputs]) -> Iterator[tuple[Any, Any, Names]]:
        """(name, entry, scope) of the entries with loops spliced in; `flow` is what arrives."""
        for name, entry in parts.items() if is_mapping(parts) else ((None, entry) for entry in parts):
            if not is_mapping(entry) or not ("repeat" in entry or "for" in entry):
                yield name, entry, scope
                continue
            scope = self.arriving(None, flow(), scope, {})
            loops = "layers" in entry and (name is None or is_mapping(entry["layers"]))
            if loops and not is_present(entry, scope):
                continue
            for turn in turns(entry, scope):
                if loops:
                    yield from self.unfold(entry["layers"], turn, flow)
                else:
                    yield name, {key: item for key, item in entry.items() if key not in MODIFIERS[3:]}, turn

    def entry(self, entry: Any, x: Outputs, scope: Names, names: Mapping[str, Outputs]) -> Outputs:
        """The results of one entry without loops. Raises Unsound."""
        if isinstance(entry, list):
            made = self.body({"layers": entry}, single(x), scope, {})
            self.ran = (single(x),)
            return made
        if isinstance(entry, str):
            entry = {entry: None}
        taken = [value_of(source, names) for source in sources_of(entry)]
        given, others = (taken[0], taken[1:]) if taken else (None, [])
        if "when" in entry:
            self.decided.add(is_present(entry, scope))
        if not is_present(entry, scope):
            for name, operands in entry.items():
                if name in KINDS and KINDS[name].many:
                    given = value_of((operands if isinstance(operands, list) else operands["inputs"])[0], names)
            return {None: single(x) if given is None else given}
        around, self.auxiliary = self.auxiliary, self.auxiliary or bool(entry.get("auxiliary"))
        try:
            for name, arguments in entry.items():
                if name in KINDS and KINDS[name].many:
                    operands, options = (arguments, {}) if isinstance(arguments, list) else split_inputs(arguments)
                    join = _construct(KINDS[name], named_arguments(list(KINDS[name].model_fields), options, scope))
                    return self.layer(join, tuple(value_of(reference, names) for reference in operands))
            inputs = (single(x) if given is None else given, *others)
            if is_share(entry):
                made = self.share(evaluated(_name(entry["share"]), scope), inputs, names)
            else:
                made = self.run(entry, inputs, scope, names)
            self.ran = inputs
            return made
        finally:
            self.auxiliary = around

    def run(self, entry: Any, inputs: Inputs, scope: Names, names: Mapping[str, Outputs]) -> Outputs:
        """The results of an entry's layer, block or body for its inputs. Raises Unsound."""
        entry = {"layers": entry} if isinstance(entry, list) else {entry: None} if isinstance(entry, str) else entry
        x, *others = inputs
        target, arguments = next((key, item) for key, item in entry.items() if key not in MODIFIERS)
        if target.startswith("$"):
            target = scope[target[1:]]
        if target in self.blocks:
            return self.call(target, arguments, inputs, scope)
        if others:
            raise Unsound("several inputs of a layer")
        if "layers" in entry or "branches" in entry:
            return self.body(entry, x, scope, names)
        kind = KINDS.get(target)
        if kind is None:
            raise Unsound(f"no layer {target}")
        made = _construct(kind, named_arguments(list(kind.model_fields), arguments, scope))
        return self.layer(made, (x,))

    def share(self, name: str, inputs: Inputs, names: Mapping[str, Outputs]) -> Outputs:
        """The results of an earlier entry's layers for other inputs, with the same weights. Raises Unsound."""
        if name not in self.owners:
            raise Unsound(f"nothing to share is named {name}")
        owner = self.owners[name]
        before = len(self.layers)
        within, self.owners = self.owners, {}
        made = self.run(owner.entry, inputs, owner.scope, names)
        self.owners = within
        path = ".".join(self.path)
        found = [replace(layer, shared=True) for layer in self.layers[before:]]
        if [_module(layer, path) for layer in found] != [_module(layer, owner.path) for layer in owner.layers]:
            raise Unsound("other weights")
        is_layer = [layer.path for layer in found] == [path]
        if not is_layer and list(map(len, inputs)) != list(map(len, owner.inputs)):
            raise Unsound("another rank")
        self.layers[before:] = found
        self.owners[self.path[-1] if self.path else ""] = owner
        return made

    def call(self, name: str, arguments: Any, inputs: Inputs, scope: Names) -> Outputs:
        """The results of a block for its arguments and inputs. Raises Unsound."""
        block = self.blocks[name]
        parameters = block.get("arguments") or {}
        given = named_arguments(list(parameters), arguments, scope, many=True)
        if not given.keys() <= parameters.keys():
            raise Unsound("an unknown argument")
        declared = block.get("inputs") or ["x"]
        if len(declared) != len(inputs):
            raise Unsound("another number of inputs")
        inner: dict[str, Any] = {**self.network, "in_channels": inputs[0][0]}
        inner |= {f"{name}_channels": shape[0] for name, shape in zip(declared[1:], inputs[1:], strict=True)}
        for parameter, default in parameters.items():
            inner[parameter] = given[parameter] if parameter in given else evaluated(default, inner)
        around, self.inside = self.inside, True
        try:
            return self.body(block, inputs[0], inner, {}, inputs[1:])
        finally:
            self.inside = around

    def layer(self, kind: Kind, inputs: Inputs, name: str = "") -> Outputs:
        """The results of a layer; counted. Raises Unsound."""
        for fault in kind.requirements(inputs):
            raise Unsound(fault.message)
        y = kind.output(inputs)
        made: Outputs = dict(y) if isinstance(y, dict) else {None: y}
        if max(map(volume, made.values())) > self.largest or kind.parameters(inputs) > self.largest:
            raise Unsound("too large to test")
        if len(self.layers) >= self.most:
            raise Unsound("too many layers to test")
        path = ".".join((*self.path, name) if name else self.path)
        self.layers.append(Layer(path, kind, inputs, made, self.auxiliary))
        return made


def _module(layer: Layer, path: str) -> Any:
    """The torch module of a layer, and its place below a path."""
    kind, inputs = layer.kind, layer.inputs
    return layer.path.removeprefix(path), kind.call(inputs), kind.function(inputs)


def is_share(entry: Any) -> bool:
    """Return True if an entry runs the layers of another one."""
    return is_mapping(entry) and "share" in entry


def may_be_shared(entry: Any) -> bool:
    """Return True if others can run the layers of an entry: not a share, a join, a tensor or a head."""
    given = entry if is_mapping(entry) else {}
    kinds = [KINDS[key] for key in given if key in KINDS]
    return not is_share(entry) and not given.get("auxiliary") and not any(kind.many or kind.bare for kind in kinds)


def split_inputs(written: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The inputs of a join that has arguments, and these."""
    return written["inputs"], {name: value for name, value in written.items() if name != "inputs"}


def sources_of(entry: Any) -> list[str]:
    """What an entry names in its `from`."""
    written = entry.get("from") if is_mapping(entry) else None
    return [] if written is None else written if isinstance(written, list) else [written]


def is_mapping(node: Any) -> bool:
    """Return True if a part of a spec is a mapping."""
    return isinstance(node, dict)


def turns(loop: Mapping[str, Any], scope: Names) -> Iterator[Names]:
    """The scope of each turn of a loop. Raises Unsound."""
    index = loop.get("index")
    if "repeat" in loop:
        count = evaluated(loop["repeat"], scope)
        if count < 0:
            raise Unsound(f"{count} turns")
        for turn in range(count):
            yield {**scope, index: turn} if index else scope
        return
    variables = [loop["for"]] if isinstance(loop["for"], str) else loop["for"]
    for turn, row in enumerate(evaluated(loop["in"], scope)):
        row = row if len(variables) > 1 else (row,)
        if not isinstance(row, tuple) or len(row) != len(variables):
            raise Unsound(f"a row of {row}")
        yield {**scope, **dict(zip(variables, row, strict=True)), **({index: turn} if index else {})}


def named_outputs(written: Any, scope: Names) -> Iterator[tuple[str, str]]:
    """The names of a body's outputs, and the values that they name."""
    if isinstance(written, str):
        yield written, written
    elif not is_mapping(written):
        for item in written:
            yield from named_outputs(item, scope)
    else:
        loop = "repeat" in written or "for" in written
        for inner in turns(written, scope) if loop else (scope,):
            for name, reference in written.items():
                if not loop or name not in MODIFIERS[3:]:
                    yield evaluated(_name(name), inner), evaluated(_name(reference), inner)


def single(outputs: Outputs) -> Shape:
    """The shape of an only result. Raises Unsound where there are several."""
    if None not in outputs:
        raise Unsound("several outputs")
    return outputs[None]


def value_of(reference: str, names: Mapping[str, Outputs]) -> Shape:
    """The shape that `name` or `name.output` stands for. Raises Unsound."""
    name, _, output = reference.partition(".")
    if name not in names or (output or None) not in names[name]:
        raise Unsound(f"no value {reference}")
    return names[name][output or None]


def named_arguments(parameters: list[str], given: Any, scope: Names, *, many: bool = False) -> dict[str, Any]:
    """Arguments by name, however they are written: by name, as the first, or by position (`many`)."""
    if given is None:
        return {}
    if not is_mapping(given):
        given = dict(zip(parameters, given if many and isinstance(given, list) else [given], strict=False))
    return {name: evaluated(value, scope) for name, value in given.items()}


def is_present(entry: Any, scope: Names) -> bool:
    """Return True if an entry's condition holds, if it has one."""
    return not is_mapping(entry) or "when" not in entry or bool(evaluated(entry["when"], scope))


def _name(name: Any) -> Any:
    """An entry's name; one that carries a value is a formula of text."""
    return name.formula if isinstance(name, IndexedName) else name


def _construct(kind: type[Kind], arguments: dict[str, Any]) -> Kind:
    try:
        return kind(**arguments)
    except ValueError as error:
        raise Unsound(str(error)) from None


class IndexedName(str):
    """A name that carries a value, as `conv$i`: `stem` and the formula behind it."""

    __slots__ = ("formula",)
    formula: Formula

    def __new__(cls, stem: str, value: Formula) -> IndexedName:
        """`stem` with the formula's text after it."""
        made = super().__new__(cls, stem + value.text)
        made.formula = Formula(stem + value.text, lambda scope: f"{stem}{value.compute(scope)}")
        return made
