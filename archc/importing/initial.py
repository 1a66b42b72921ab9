"""The `init` rules of a spec, from the initializers that a source notes for each of its layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from archc.importing.graph import Operation, Start
from archc.kinds import KINDS

_Starts = tuple[Start | None, Start | None]
"""The initializers of weight and bias."""


def init_rules(layers: Sequence[tuple[str, Operation]]) -> list[dict[str, Any]]:
    """One rule for all layers that start alike: by their layer type if all of this type do, or else by their paths.

    `layers` are those with weights, with their paths. A path that is the name of a layer type is written as a pattern.
    """
    groups: dict[_Starts, list[tuple[str, str]]] = defaultdict(list)
    kinds: dict[str, list[str]] = defaultdict(list)
    for path, operation in layers:
        kinds[operation.kind].append(path)
        starts = operation.initial.get("weight"), operation.initial.get("bias")
        if any(starts):
            groups[starts].append((operation.kind, path))
    for weight, bias in list(groups):  # layers without a bias fit into any rule for theirs
        others = [key for key in groups if key[0] == weight and key[1] is not None]
        if bias is None and others:
            groups[others[0]] += groups.pop((weight, bias))
    rules = []
    for starts, members in groups.items():
        paths = {path for _, path in members}
        whole = [kind for kind in dict.fromkeys(kind for kind, _ in members) if paths.issuperset(kinds[kind])]
        alone = [_named(path) for kind, path in members if kind not in whole]
        given = {name: _value(start) for name, start in zip(("weight", "bias"), starts, strict=True) if start}
        match = [*whole, *alone]
        rules.append({"match": match[0] if len(match) == 1 else match, **given})
    return rules


def _named(path: str) -> str:
    """What fits this path alone: `[l]inear` is the layer of this name, and `linear` would be all linear layers."""
    return f"[{path[0]}]{path[1:]}" if path in KINDS else path


def _value(start: Start) -> Any:
    """What a rule says: a number, or a function, with its arguments if it has any."""
    function, arguments = start
    if function == "constant":
        value = dict(arguments)["val"]
        return int(value) if value == int(value) else value
    return {function: dict(arguments)} if arguments else function
