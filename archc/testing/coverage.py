"""What drawn specs have covered, by layer kind and by feature of the language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archc.kinds import KINDS
from archc.testing.draft import Draft, Folder
from archc.testing.formula import Formula
from archc.testing.meaning import MODIFIERS, IndexedName, is_share, sources_of

FEATURES = (
    "chain: list",
    "chain: mapping",
    "chain: nested list",
    "chain: nested mapping",
    "branches",
    "branches: join concat",
    "branches: join add",
    "branches: join multiply",
    "branches: one with a condition",
    "branches: a loop among them",
    "join by name",
    "from",
    "from: input",
    "from: a part (`name.0`)",
    "from: across levels",
    "share",
    "share: of a body or block",
    "share: in a loop",
    "layer: bare name",
    "layer: first argument",
    "layer: arguments by name",
    "layer: `{name: }`",
    "block",
    "block: within a block",
    "block: several uses",
    "block: branches",
    "block: several inputs",
    "block: several outputs",
    "block: bare name",
    "block: by position",
    "block: by name",
    "block: default",
    "block: default is an expression",
    "a layer or block that an argument names",
    "several inputs",
    "arguments of the network",
    "arguments of the network: a word",
    "arguments of the network: a list",
    "expression",
    "expression: of in_channels",
    "expression: choice",
    "expression: call",
    "repeat",
    "repeat: several entries",
    "repeat: count is an expression",
    "for",
    "for: several variables",
    "for: rows by name",
    "index",
    "name with an index",
    "when: true",
    "when: false",
    "when: on a loop",
    "outputs",
    "outputs: a loop",
    "auxiliary",
    "auxiliary: a join",
    "init",
    "init: a part of the network",
    "expect",
    "description",
    "inplace",
    "import",
    "extends",
)
"""The features of the language that are counted."""


@dataclass
class Coverage:
    """Counts over many networks: how many had a kind, and how many a feature."""

    networks: int = 0
    layers: int = 0
    largest: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)

    def add(self, drawn: Draft | Folder) -> None:
        """Count one network."""
        draft = drawn.draft if isinstance(drawn, Folder) else drawn
        if isinstance(drawn, Folder):
            self.features.update({key for data in drawn.files.values() for key in ("import", "extends") if key in data})
        self.networks += 1
        self.layers += len(draft.layers)
        self.largest = max(self.largest, len(draft.layers))
        self.kinds.update({layer.kind.kind for layer in draft.layers})
        self.features.update(set(features_of(draft)))

    def merge(self, other: Coverage) -> None:
        """Add the counts of another process."""
        self.networks += other.networks
        self.layers += other.layers
        self.largest = max(self.largest, other.largest)
        self.kinds.update(other.kinds)
        self.features.update(other.features)

    def missing(self) -> list[str]:
        """Kinds and features that were never drawn."""
        kinds = [name for name, kind in KINDS.items() if not (kind.opaque or self.kinds[name])]
        return kinds + [name for name in FEATURES if not self.features[name]]

    def table(self, cases: Mapping[str, int] | None = None) -> str:
        """The counts as Markdown, in the order of the lists; `cases` are those of single layers, by kind."""
        rows = ["| layer kind | networks | single-layer cases |", "| --- | ---: | ---: |"]
        drawn = [name for name, kind in KINDS.items() if not kind.opaque]
        rows += [f"| `{name}` | {self.kinds[name]:,} | {(cases or {}).get(name, 0):,} |" for name in drawn]
        rows += ["", "| feature of the language | networks |", "| --- | ---: |"]
        rows += [f"| {name} | {self.features[name]:,} |" for name in FEATURES]
        return "\n".join(rows)

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain data, for another process."""
        return {**vars(self), "kinds": dict(self.kinds), "features": dict(self.features)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Coverage:
        """The counts of another process."""
        kinds, features = Counter(data["kinds"]), Counter(data["features"])
        return cls(data["networks"], data["layers"], data["largest"], kinds, features)


def features_of(draft: Draft) -> Iterator[str]:
    """The features of the language that a spec has, some of them several times."""
    data = draft.data
    yield from (key for key in ("init", "expect", "description") if key in data)
    if len(data.get("inputs", ())) > 1:
        yield "several inputs"
    paths = {layer.path for layer in draft.layers}
    rules = [rule["match"] for rule in data.get("init", ()) if isinstance(rule["match"], str)]
    if any(path not in paths and path not in KINDS for path in rules):
        yield "init: a part of the network"
    yield from (f"when: {str(value).lower()}" for value in draft.decided)
    for value in data.get("arguments", {}).values():
        yield "arguments of the network"
        if isinstance(value, str | tuple):
            yield f"arguments of the network: a {'word' if isinstance(value, str) else 'list'}"
    if any(layer.kind.overwrites for layer in draft.layers):
        yield "inplace"
    yield from _body(data, data.get("blocks", {}), 0, set())
    calls: Counter[str] = Counter()
    for name, block in data.get("blocks", {}).items():
        calls.update(_calls(block, data["blocks"]))
        yield from _block(name, block, data["blocks"])
    calls.update(_calls(data, data.get("blocks", {})))
    if calls:
        yield "block"
    if any(count > 1 for count in calls.values()):
        yield "block: several uses"


def _block(name: str, block: Any, blocks: Any) -> Iterator[str]:
    if "description" in block:
        yield "description"
    if "branches" in block:
        yield "block: branches"
    if "outputs" in block:
        yield "block: several outputs"
    for default in (block.get("arguments") or {}).values():
        if default is not None:
            yield "block: default is an expression" if isinstance(default, Formula) else "block: default"
            yield from _values(default)
    if any(_calls(block, blocks)):
        yield "block: within a block"
    yield from _body(block, blocks, 0, set())


def _body(body: Any, blocks: Any, depth: int, around: set[str]) -> Iterator[str]:
    if "outputs" in body:
        yield "outputs"
        wanted = body["outputs"]
        if any(isinstance(part, dict) and "for" in part for part in (wanted if isinstance(wanted, list) else [wanted])):
            yield "outputs: a loop"
    parts = body.get("layers", body.get("branches"))
    if "branches" in body:
        yield "branches"
        yield f"branches: join {body['join']}"
        branches = parts if isinstance(parts, list) else parts.values()
        mappings = [entry for entry in branches if isinstance(entry, dict)]
        if any("when" in entry for entry in mappings):
            yield "branches: one with a condition"
        if any("repeat" in entry or "for" in entry for entry in mappings):
            yield "branches: a loop among them"
    else:
        yield f"chain: {'nested ' if depth else ''}{'list' if isinstance(parts, list) else 'mapping'}"
    yield from _entries(parts, blocks, depth, around)


def _entries(parts: Any, blocks: Any, depth: int, around: set[str]) -> Iterator[str]:
    names = set() if isinstance(parts, list) else {str(name) for name in parts}
    for entry in parts.values() if isinstance(parts, dict) else ():
        if is_share(entry) and _is_body(parts.get(entry["share"]), blocks):
            yield "share: of a body or block"
    for name, entry in parts.items() if isinstance(parts, dict) else ((None, entry) for entry in parts):
        if isinstance(name, IndexedName):
            yield "name with an index"
        yield from _entry(entry, blocks, depth, names, around)


def _entry(entry: Any, blocks: Any, depth: int, names: set[str], around: set[str]) -> Iterator[str]:
    if isinstance(entry, list):
        yield from _body({"layers": entry}, blocks, depth + 1, set())
        return
    if isinstance(entry, str) and entry.startswith("$"):
        yield "a layer or block that an argument names"
        return
    if isinstance(entry, str):
        yield "block: bare name" if entry in blocks else "layer: bare name"
        return
    loop = "repeat" in entry or "for" in entry
    if "auxiliary" in entry:
        yield "auxiliary"
    if "index" in entry:
        yield "index"
    if "when" in entry:
        yield from _values(entry["when"])
        if loop and "layers" in entry:
            yield "when: on a loop"
    if "repeat" in entry:
        yield "repeat: several entries" if "layers" in entry else "repeat"
        if isinstance(entry["repeat"], Formula):
            yield "repeat: count is an expression"
    if "for" in entry:
        yield "for: several variables" if isinstance(entry["for"], list) else "for"
        if isinstance(entry["in"], Formula):
            yield "for: rows by name"
    sources = sources_of(entry)
    if len(sources) > 1:
        yield "block: several inputs"
    for source in sources:
        yield from _reference(source, names, around)
    if loop and "layers" in entry:
        yield from _entries(entry["layers"], blocks, depth, around)
        return
    if "layers" in entry or "branches" in entry:
        yield from _body(entry, blocks, depth + 1, names | around)
        return
    target, given = next((key, item) for key, item in entry.items() if key not in MODIFIERS)
    if target == "share":
        yield "share: in a loop" if loop else "share"
        return
    if target in KINDS and KINDS[target].many:
        yield "join by name"
        if "auxiliary" in entry:
            yield "auxiliary: a join"
        for reference in given:
            yield from _reference(reference, names, around)
        return
    if target.startswith("$"):
        yield "a layer or block that an argument names"
        yield from _values(given)
        return
    sort = "block" if target in blocks else "layer"
    if isinstance(given, dict):
        yield f"{sort}: by name" if sort == "block" else "layer: arguments by name"
    elif given is None:
        yield "layer: `{name: }`" if sort == "layer" else "block: bare name"
    else:
        yield "block: by position" if sort == "block" else "layer: first argument"
    yield from _values(given)


def _is_body(entry: Any, blocks: Any) -> bool:
    if isinstance(entry, dict):
        return any(key in ("layers", "branches") or key in blocks for key in entry)
    return isinstance(entry, list) or entry in blocks


def _reference(reference: str, names: set[str], around: set[str]) -> Iterator[str]:
    name, _, part = reference.partition(".")
    yield "from: input" if name == "input" else "from"
    if part:
        yield "from: a part (`name.0`)"
    if name in around - names:
        yield "from: across levels"


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _values(item)
    if isinstance(value, Formula):
        yield "expression"
        if "in_channels" in value.text:
            yield "expression: of in_channels"
        if " if " in value.text:
            yield "expression: choice"
        if "max(" in value.text or "min(" in value.text:
            yield "expression: call"


def _calls(body: Any, blocks: Any) -> Iterator[str]:
    """Every call of a block in a body."""
    if isinstance(body, str):
        yield from (body,) if body in blocks else ()
    elif isinstance(body, list):
        for entry in body:
            yield from _calls(entry, blocks)
    elif isinstance(body, dict):
        for key, item in body.items():
            if key in blocks:
                yield key
            elif key in ("layers", "branches") and isinstance(item, dict):
                for entry in item.values():
                    yield from _calls(entry, blocks)
            elif key in ("layers", "branches"):
                yield from _calls(item, blocks)
