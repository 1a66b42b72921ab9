"""The rules of weight initialization: `init` of a spec."""

from __future__ import annotations

from typing import Any

from archc.kinds import KINDS, Kind
from archc.kinds.base import shown
from archc.kinds.initializers import INITIALIZERS, SET
from archc.language.spec import InitRule
from archc.language.validate import validate
from archc.problems import Mark, Problem, Problems
from archc.reading import Map, Seq


def initialized_kinds() -> list[str]:
    """The kinds that rules can name: those with weights."""
    return [name for name, kind in KINDS.items() if any(tensor in kind.state for tensor in SET)]


def tensor_problem(kind: type[Kind], tensor: str, function: str, which: str, mark: Mark) -> Problem | None:
    """Why an initializer cannot set a tensor of a layer, which messages call `which`; None if it can."""
    if tensor not in kind.state:
        help = f"omit `{tensor}` here, and set it for the other layers in a separate rule"
        return Problem("E0222", f"{which} has no {tensor}", mark, help=help)
    if INITIALIZERS[function].fans and not kind.state[tensor].fans:
        what = "a bias" if tensor == "bias" else f"the {tensor} of {which}"
        message = f"`{function}` needs a fan-in and fan-out, which {what} does not have"
        return Problem("E0222", message, mark, help="use `normal` or a number")
    return None


def parse_init(node: Any, problems: Problems) -> tuple[InitRule, ...]:
    """The rules of weight initialization."""
    rules = []
    for item, mark in zip(node, node.items_at, strict=True) if isinstance(node, Seq) else ():
        if not isinstance(item, Map) or "match" not in item:
            continue
        names = item["match"]
        listed = list(names) if isinstance(names, Seq) else [names]
        if not all(isinstance(name, str) for name in listed):
            continue  # told by the types of the keys
        marks = (
            dict(zip(names, names.items_at, strict=True))
            if isinstance(names, Seq)
            else {names: item.values_at["match"]}
        )
        known = initialized_kinds()
        kinds = tuple(name for name in marks if name in known)
        tensors = {}
        for tensor in SET:
            if item.get(tensor) is not None:
                at = item.values_at[tensor]
                function = _initializer(item[tensor], at, problems)
                if function:
                    tensors[tensor] = function
                    faults = (tensor_problem(KINDS[name], tensor, function[0], f"`{name}`", at) for name in kinds)
                    problem = next(filter(None, faults), None)
                    if problem is not None:
                        problems.add(problem)
        if not tensors and not problems:
            problems.add(
                Problem(
                    "E0202", "an init rule must set `weight` or `bias`", mark, help="`weight: {normal: {std: 0.01}}`"
                )
            )
        for name in marks:
            if name in KINDS and name not in known:
                problems.add(Problem("E0222", f"`{name}` has no weights", marks[name]))
        paths = tuple(name for name in marks if name not in KINDS)
        rules.append(InitRule(kinds, paths, tensors, mark, {path: marks[path] for path in paths}))
    return tuple(rules)


def _initializer(node: Any, mark: Mark, problems: Problems) -> tuple[str, dict[str, Any]] | None:
    if isinstance(node, int | float) and not isinstance(node, bool) and abs(node) < 3e38:
        return "constant", {"val": float(node)}
    arguments: Any = {}
    name = node
    if isinstance(node, Map) and len(node) == 1:
        ((name, arguments),) = node.items()
        mark = node.keys_at[name]
    if not isinstance(name, str) or name not in INITIALIZERS:
        help, fix = problems.suggest(str(name), INITIALIZERS, mark)
        problems.add(Problem("E0203", f"{shown(name)} is not an initializer", mark, help=help, fix=fix))
        return None
    root = arguments if isinstance(arguments, Map) else None
    model = validate(INITIALIZERS[name], arguments or {}, root, mark, problems, f"`{name}`")
    return (
        None
        if model is None
        else (name, model.model_dump(exclude_defaults=True) if name != "constant" else model.model_dump())
    )
