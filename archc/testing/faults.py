"""Specs that are wrong in exactly one known way: a valid one with one fault planted in it.

A planted fault is an entry put into a body, or a key of the file. Its code and line are known from how it was
planted; everything else in the spec is valid, so archc must report it, there, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from archc.kinds import KINDS, Kind, Shape
from archc.testing.arguments import Arguments, fault_of, kinds_for, repaired, schema_of
from archc.testing.draft import Draft
from archc.testing.meaning import Meaning, single
from archc.testing.specs import specs
from archc.testing.text import Path, dump, lines_of


@dataclass(frozen=True)
class WrongSpec:
    """A spec with one fault: its YAML text, the code that archc should report, and the line."""

    text: str
    code: str
    line: int

    def __repr__(self) -> str:
        return f"\n# {self.code} in line {self.line} of the following\n{self.text}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))


@st.composite
def wrong_specs(draw: st.DrawFn, most: int = 40) -> WrongSpec:
    """Specs of up to `most` layers with one fault, of any sort that archc knows within a file."""
    draft = draw(specs(most=most))
    plants: list[Callable[[st.DrawFn, Draft], tuple[Any, Path, str]]] = [_in_any_body, _in_the_file]
    if "layers" in draft.data:
        plants.append(_in_the_network)
    data, path, code = draw(st.sampled_from(plants))(draw, draft)
    return WrongSpec(dump(data), code, lines_of(data)[path])


def _copied(node: Any) -> Any:
    """The collections anew; names and formulas are shared."""
    if isinstance(node, dict):
        return {key: _copied(item) for key, item in node.items()}
    return [_copied(item) for item in node] if isinstance(node, list) else node


_SHAPES: tuple[Shape, ...] = ((4, 5, 6), (4,), (4, 6), (4, 4, 5, 6), (4, 4, 6))
"""One input of each rank, and windows of 2×2 positions."""

# Faults that reading finds: in any body


def _in_any_body(draw: st.DrawFn, draft: Draft) -> tuple[Any, Path, str]:
    data = _copied(draft.data)
    path, entries = draw(st.sampled_from(list(_bodies(data, ()))))
    kind = draw(st.sampled_from([kind for kind in KINDS.values() if not (kind.many or kind.opaque)]))
    entry, code = draw(st.sampled_from(list(_unreadable(kind))))
    return data, _insert(entries, path, entry, draw(st.integers(0, len(entries)))), code


def _unreadable(kind: type[Kind]) -> Iterator[tuple[Any, str]]:
    name, fields = kind.kind, kind.model_fields
    valid = next((found for x in _SHAPES if (found := repaired(kind, {}, x)) is not None), {})
    yield {f"{name}3": None}, "E0204"
    yield {name: {**valid, "strid": 1}}, "E0205"
    yield {name: valid or None, "form": 1}, "E0201"
    yield {name: valid or None, "tanh" if name == "sigmoid" else "sigmoid": None}, "E0217"
    yield {name: valid or None, "when": True}, "E0203"
    yield {name: valid or None, "when": "$(nobody > 1)"}, "E0212"
    yield {name: valid or None, "when": "$(print(1))"}, "E0211"
    yield {"concat": ["input"]}, "E0310"
    yield [], "E0217"
    if not fields:
        yield {name: 3}, "E0207"
    for argument in (argument for argument, field in fields.items() if field.is_required()):
        yield {name: {key: value for key, value in valid.items() if key != argument}}, "E0206"
    for argument, schema in schema_of(kind).items():
        yield {name: {**valid, argument: "a word"}}, "E0203"
        if not any(map(_allows_negative, schema.get("anyOf", [schema]))):
            yield {name: {**valid, argument: -3}}, "E0203"


def _allows_negative(schema: Mapping[str, Any]) -> bool:
    """Return True if -3 may be a number of a JSON Schema."""
    least = schema.get("minimum", schema.get("exclusiveMinimum", -4))
    return schema.get("type") in ("number", "integer") and least <= -3


def _bodies(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The lists and mappings of entries below a mapping, with their paths."""
    for name, block in node.get("blocks", {}).items():
        yield from _bodies(block, (*path, "blocks", name))
    for key in ("layers", "branches"):
        if node.get(key):
            yield from _entries(node[key], (*path, key), _holds_entries(node))


def _entries(entries: Any, path: Path, wanted: bool = True) -> Iterator[tuple[Path, Any]]:
    if wanted:
        yield path, entries
    for key, entry in entries.items() if isinstance(entries, dict) else enumerate(entries):
        if isinstance(entry, list) and entry:
            yield from _entries(entry, (*path, key))
        elif isinstance(entry, dict):
            yield from _bodies(entry, (*path, key))


def _holds_entries(node: Any) -> bool:
    """A body or a loop; the entries of a mapping loop need an index in their names, so those are left alone."""
    return "layers" not in node or not ("repeat" in node or "for" in node)


def _insert(entries: Any, path: Path, entry: Any, position: int) -> Path:
    if isinstance(entries, list):
        entries.insert(position, entry)
        return (*path, position)
    before = list(entries.items())
    entries.clear()
    entries.update([*before[:position], ("planted", entry), *before[position:]])
    return (*path, "planted")


# Faults that only the shapes show: in the network's own layers


def _in_the_network(draw: st.DrawFn, draft: Draft) -> tuple[Any, Path, str]:
    data = _copied(draft.data)
    data.pop("init", None)  # its paths count the entries of lists
    entries = data["layers"]
    position = draw(st.integers(0, len(entries))) if isinstance(entries, list) else 0
    x = _shape_at(data, position)
    wrong = list(_unfitting(x))
    if position == 0 and _reads_what_arrives(next(iter(entries.values() if isinstance(entries, dict) else entries))):
        wrong.append(({"relu": {"inplace": True}}, "E0320", ()))
    code = draw(st.sampled_from(sorted({code for _, code, _ in wrong})))  # so that none is rare among many layer types
    entry, _, inner = draw(st.sampled_from([each for each in wrong if each[1] == code]))
    return data, (*_insert(entries, ("layers",), entry, position), *inner), code


def _reads_what_arrives(entry: Any) -> bool:
    """Return True if an entry is a layer that certainly reads the result before it."""
    if isinstance(entry, str):
        return entry in KINDS
    if not isinstance(entry, dict) or {"from", "when"} & entry.keys():
        return False
    return any(name in KINDS and not KINDS[name].many for name in entry)


def _shape_at(data: Any, position: int) -> Shape:
    channels = data["input"][0]
    scope = {**(data.get("arguments") or {}), "in_channels": channels}
    body = {"layers": data["layers"][:position] if position else []}
    meaning = Meaning(data.get("blocks", {}), data.get("arguments") or {}, most=400, largest=2**20)
    return single(meaning.body(body, tuple(data["input"]), scope, {}))


def _unfitting(x: Shape) -> Iterator[tuple[Any, str, Path]]:
    """Entries that do not work on x, with the code and the place within them."""
    for kind in KINDS.values():
        if kind.many or kind.opaque:
            continue
        for other in _SHAPES:  # made for another rank
            arguments = repaired(kind, {}, other)
            if arguments is not None and len(other) != len(x):
                yield from _if_refused(kind, arguments, x)
    for kind in kinds_for(x):
        valid = repaired(kind, {}, x)
        assert valid is not None
        for name in kind.model_fields:
            for value in (97, [97, 1], [1, 97]):  # a prime that is larger than any size
                yield from _if_refused(kind, {**valid, name: value}, x)
    parts: dict[str, Any] = {"a": "identity", "b": {"conv2d": {"out_channels": x[0] + 1, "kernel_size": 1}}}
    if len(x) == 3:
        if x[0] > 1:  # one channel is repeated; else the shortcut has to follow
            yield {"branches": parts, "join": "add"}, "E0311", ("branches", "a")
        cropped = {"conv2d": {"out_channels": x[0], "kernel_size": 1, "padding": 1}}
        yield {"branches": {"a": "identity", "b": cropped, "c": "relu"}, "join": "concat"}, "E0312", ("branches", "b")


def _if_refused(kind: type[Kind], arguments: Arguments, x: Shape) -> Iterator[tuple[Any, str, Path]]:
    fault = fault_of(kind, arguments, x)
    if fault is not None and fault[0] != "E0203":
        yield {kind.kind: arguments or None}, fault[0], ()


# Faults of the file


def _in_the_file(draw: st.DrawFn, draft: Draft) -> tuple[Any, Path, str]:
    data = _copied(draft.data)
    owned = [layer for layer in draft.layers if not (layer.auxiliary or layer.shared)]
    trained = sum(layer.kind.parameters(layer.inputs) for layer in owned)
    keys: list[tuple[str, Any, str]] = [
        ("sizes", 3, "E0201"),
        ("init", [{"match": "nowhere", "weight": 1}], "E0222"),
        ("init", [{"match": "relu", "weight": 1}], "E0222"),
        ("init", [{"match": "conv2d", "weight": "normale"}], "E0203"),
        ("expect", {"parameters": trained + 1}, "E0401"),
        ("name", "class", "E0208"),
        ("arguments", {**data.get("arguments", {}), "self": 1}, "E0208"),
        ("blocks", {**data.get("blocks", {}), "Ring": {"layers": ["Ring"]}}, "E0214"),
        ("blocks", {**data.get("blocks", {}), "relu": {"layers": ["identity"]}}, "E0208"),
        ("import", {"other.yaml": ["Block"]}, "E0215"),
    ]
    key, value, code = draw(st.sampled_from(keys))
    data[key] = value
    inner: dict[str, Path] = {"E0214": ("Ring", "layers", 0), "E0222": (0, "match"), "E0401": ("parameters",)}
    place = inner.get(code, ())
    if key == "init":
        place = (0, "match") if code == "E0222" else (0, "weight")
    if key == "blocks" and code == "E0208":
        place = ("relu",)
    return data, (key, *place), code
