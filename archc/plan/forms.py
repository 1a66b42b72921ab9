"""Type inference for the arguments of a spec (integers, pairs, strings, …), from its defaults and calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from archc.expressions import (
    Axis,
    Binary,
    Call,
    Choice,
    Compare,
    Const,
    Expr,
    Item,
    Items,
    Logic,
    Name,
    Slice,
    Unary,
    free_names,
    lift,
    tree_of,
    walk,
)
from archc.language.spec import (
    Block,
    BlockCall,
    Body,
    Callee,
    ChosenCall,
    Entry,
    InitRule,
    LayerCall,
    Parameter,
    Spec,
    Splice,
)

Source = tuple[Any, int]
"""A value with the scope of its names: the id of a block, or 0 for the network."""


class Forms:
    """The types of every argument and loop variable, for Python annotations.

    `overridden` has, by block, the derived arguments that some call sets.
    """

    def __init__(self, spec: Spec) -> None:
        self.sources: dict[tuple[int, str], list[Source]] = {}
        self.rows: set[tuple[int, str]] = set()
        self.words: dict[tuple[int, str], list[str | tuple[int, str]]] = {}
        self.overridden: dict[int, set[str]] = {}
        self.blocks: dict[int, Block] = {}
        self.known: dict[tuple[int, str], list[str]] = {}
        self.declared(spec.parameters, 0)
        self.visit(spec.body, 0)
        self.rules(spec.init, 0)

    def declared(self, parameters: Mapping[str, Parameter], scope: int) -> None:
        """Record the defaults of a block's arguments, or the network's."""
        for name, parameter in parameters.items():
            self.sources.setdefault((scope, name), [])
            if not parameter.required:
                self.sources[scope, name].append((tree_of(parameter.default), scope))
                self.indexed(tree_of(parameter.default), scope)

    def visit(self, body: Body, scope: int) -> None:
        """Record the values that a body gives to blocks and loops."""
        for part in _parts((*body.entries, *body.outputs)):
            if isinstance(part, Splice):
                self.loop(part, scope)
                continue
            if part.when is not None:
                self.indexed(part.when.tree, scope)
            element = part.element
            if isinstance(element, Body):
                self.visit(element, scope)
            elif isinstance(element, BlockCall):
                self.call(element, scope)
            elif isinstance(element, ChosenCall):
                self.indexed(element.which.tree, scope)
                for _, call in element.calls():
                    if isinstance(call, BlockCall):
                        self.call(call, scope)
                    else:
                        self.layer(call, scope)
            elif isinstance(element, LayerCall):
                self.layer(element, scope)

    def layer(self, element: LayerCall, scope: int) -> None:
        """Record the arguments of a layer."""
        for name, value in element.arguments.items():
            self.indexed(tree_of(value), scope)
            if name == "padding_mode":  # the one string argument for which PyTorch's annotations list the values
                self.handed_on(value, scope, _words(element.kind.model_fields[name].annotation))

    def call(self, call: BlockCall, scope: int) -> None:
        """Record the arguments of a block's use, and visit the block once."""
        block = call.block
        if id(block) not in self.blocks:
            self.blocks[id(block)] = block
            self.declared(block.parameters, id(block))
            for name in block.channels:
                self.sources[id(block), name] = [(1, id(block))]
            if block.body is not None:
                self.visit(block.body, id(block))
            self.rules(block.init, id(block))
        for name, value in call.arguments.items():
            if name == "padding" and value == "same":  # it follows from the kernel, and has the same type
                value = call.arguments.get("kernel_size", 1)
            self.sources[id(block), name].append((tree_of(value), scope))
            self.indexed(tree_of(value), scope)
            self.handed_on(value, scope, (id(block), name))
            if free_names(tree_of(block.parameters[name].default)):
                self.overridden.setdefault(id(block), set()).add(name)

    def rules(self, rules: tuple[InitRule, ...], scope: int) -> None:
        """Note what the rules of initial weights read."""
        for rule in rules:
            rule.replaced(lambda value: self.indexed(tree_of(value), scope))

    def loop(self, splice: Splice, scope: int) -> None:
        """Record the values of a loop's variables."""
        if splice.index:
            self.sources.setdefault((scope, splice.index), []).append((0, scope))
        rows = tree_of(splice.rows)
        if type(rows) is Name:
            self.rows.add((scope, rows.name))
        if splice.variables:
            several = len(splice.variables) > 1
            for position, variable in enumerate(splice.variables):
                found = self.sources.setdefault((scope, variable), [])
                for row, owner in self.elements(rows, scope):
                    inner = [(row, owner)] if not several else list(self.elements(row, owner))[position : position + 1]
                    found += inner

    def elements(self, value: Any, scope: int) -> Iterator[Source]:
        """The elements of a list, as far as they are known."""
        if isinstance(value, tuple):
            yield from ((item, scope) for item in value)
        elif isinstance(value, Items):
            yield from ((item, scope) for item in value.items)
        elif isinstance(value, Const) and isinstance(value.value, tuple):
            yield from ((item, scope) for item in value.value)
        elif isinstance(value, Name):
            for source, owner in self.sources.get((scope, value.name), ()):
                if source != value:
                    yield from self.elements(source, owner)
        elif isinstance(value, Choice):
            yield from self.elements(value.yes, scope)
            yield from self.elements(value.no, scope)
        elif isinstance(value, Slice):
            yield from self.elements(value.base, scope)
        elif isinstance(value, Item):
            for item, owner in self.elements(value.base, scope):
                yield from self.elements(item, owner)

    def indexed(self, value: Any, scope: int) -> None:
        """Record lists with an element at an unknown index, which may have any length."""
        if not isinstance(value, Expr | tuple):
            return
        for node in walk(lift(value)):
            if isinstance(node, Item) and type(node.base) is Name and free_names(node.index):
                self.rows.add((scope, node.base.name))
            if isinstance(node, Call) and node.function in ("len", "sum") and type(node.arguments[0]) is Name:
                self.rows.add((scope, node.arguments[0].name))
            if isinstance(node, Slice) and type(node.base) is Name:
                self.rows.add((scope, node.base.name))
            if isinstance(node, Compare) and "in" in " ".join(node.signs) and type(node.operands[-1]) is Name:
                self.rows.add((scope, node.operands[-1].name))

    def handed_on(self, value: Any, scope: int, user: str | tuple[int, str]) -> None:
        """Record where an argument is passed on unchanged, to a block's or a layer's argument."""
        tree = tree_of(value)
        if type(tree) is Name:
            self.words.setdefault((scope, tree.name), []).append(user)
        elif isinstance(tree, Choice):
            self.handed_on(tree.yes, scope, user)
            self.handed_on(tree.no, scope, user)

    # Types

    def one_of(self, key: tuple[int, str], seen: frozenset[tuple[int, str]] = frozenset()) -> str | None:
        """The type of a layer's string argument, if an argument of the spec is passed on to one."""
        if key in seen:
            return None
        for user in self.words.get(key, ()):
            found = user if isinstance(user, str) else self.one_of(user, seen | {key})
            if found is not None:
                return found
        return None

    def types(self, scope: int, name: str, seen: frozenset[tuple[int, str]] = frozenset()) -> list[str]:
        """The types of a name's values, in order of appearance."""
        key = (scope, name)
        if key in seen:
            return []
        if not seen and key in self.known:
            return self.known[key]
        found = [kind for value, owner in self.sources.get(key, ()) for kind in self.of(value, owner, seen | {key})]
        if key in self.rows:
            found = [_any_length(kind) for kind in found]
        found = _merged(found)
        if not seen:  # within a cycle of arguments the answer depends on the start
            self.known[key] = found
        return found

    def of(self, value: Any, scope: int, seen: frozenset[tuple[int, str]]) -> list[str]:
        """The types that a value or a tree may have."""
        match value:
            case tuple() | Items():
                items = value if isinstance(value, tuple) else value.items
                kinds = [" | ".join(_merged(self.of(item, scope, seen))) or "int" for item in items]
                return [f"tuple[{', '.join(kinds) or '()'}]"]
            case Name("in_channels"):
                return ["int"]
            case Name(name):
                return self.types(scope, name, seen)
            case Const(constant):
                return self.of(constant, scope, seen) if isinstance(constant, tuple) else [_type(constant)]
            case Compare() | Unary("not", _):
                return ["bool"]
            case Unary(_, operand):
                return self.of(operand, scope, seen)
            case Binary(_, "/", _):
                return ["float"]
            case Binary(left, _, right):
                both = _merged([*self.of(left, scope, seen), *self.of(right, scope, seen)])
                return ["float"] if "float" in both else ["int"]
            case Choice(_, yes, no):
                return _merged([*self.of(yes, scope, seen), *self.of(no, scope, seen)])
            case Logic(_, operands):
                return _merged([kind for operand in operands for kind in self.of(operand, scope, seen)])
            case Call("int" | "len" | "ceil", _):
                return ["int"]
            case Call("sum", (value,)):
                kinds = [k for item, owner in self.elements(value, scope) for k in self.of(item, owner, seen)]
                return ["float"] if "float" in kinds else ["int"]
            case Slice(base, _, _):
                return [_any_length(kind) for kind in self.of(base, scope, seen)]
            case Call("round", arguments):
                return ["int"] if len(arguments) == 1 else ["float"]
            case Call(_, arguments):
                return _merged([kind for argument in arguments for kind in self.of(argument, scope, seen)])
            case Item(base, _) | Axis(base, _):
                return _merged([k for item, owner in self.elements(base, scope) for k in self.of(item, owner, seen)])
            case Expr():
                return []
        return [_type(value)]

    def form(self, scope: int, name: str) -> str:
        """`integer`, `pair` or `layer` if a name has only such values (for `layer`, also None)."""
        kinds = self.types(scope, name)
        if any(map(_is_layer, kinds)):
            return "layer"
        if kinds == ["int"]:
            return "integer"
        return "pair" if kinds == ["tuple[int, int]"] else ""

    def annotation(self, scope: int, name: str, value: Any = None) -> str:
        """The type annotation of a constructor argument; `value` is a further default."""
        kinds = _merged([*self.types(scope, name), *([] if value is None else self.of(value, scope, frozenset()))])
        words = self.one_of((scope, name)) if kinds == ["str"] else None
        return words or " | ".join(kinds) or "int"


def _words(annotation: Any) -> str:
    """The annotation with the strings written out: `Literal["zeros", "reflect"]`."""
    return "Literal[" + ", ".join(f'"{word}"' for word in get_args(annotation)) + "]"


def _parts(entries: tuple[Entry | Splice, ...]) -> Iterator[Entry | Splice]:
    """Entries and loops, each loop before its entries."""
    for entry in entries:
        yield entry
        if isinstance(entry, Splice):
            yield from _parts(entry.entries)


LAYER = "Callable[..., nn.Module]"
"""The type of a layer's class."""


def _is_layer(kind: str) -> bool:
    return kind == LAYER or kind.startswith("type[")


def _type(value: Any) -> str:
    if isinstance(value, Callee):
        return LAYER if isinstance(value.target, type) else f"type[#{id(value.target)}]"  # the printer names the class
    return "None" if value is None else type(value).__name__


def _any_length(kind: str) -> str:
    """`tuple[int, int]` becomes `tuple[int, ...]`."""
    if not kind.startswith("tuple[") or kind.endswith(", ...]"):
        return kind
    inner = _merged(_split(kind.removeprefix("tuple[")[:-1]))
    return f"tuple[{' | '.join(inner) or 'int'}, ...]"


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [part for part in [*parts, text[start:].strip()] if part and part != "()"]


def _merged(kinds: list[str]) -> list[str]:
    """Each type once; `float` includes `int`."""
    found = list(dict.fromkeys(kinds))
    if LAYER in found:
        found = [kind for kind in found if kind == LAYER or not _is_layer(kind)]
    if "float" in found and "int" in found:
        found.remove("int")
    if "None" in found:
        found.remove("None")
        found.append("None")
    return found
