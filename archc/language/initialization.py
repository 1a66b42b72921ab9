"""The rules of weight initialization: `init` of a spec."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

from archc.expressions import has_expression, is_expression
from archc.kinds import KINDS, Kind
from archc.kinds.base import shown
from archc.kinds.initializers import INITIALIZERS, SET
from archc.language.parse import Parser
from archc.language.spec import InitRule, is_known
from archc.language.validate import validate
from archc.problems import Mark, Problem, Problems
from archc.reading import Map, Seq


def initialized_kinds() -> list[str]:
    """The kinds that rules can name: those with weights."""
    return [name for name, kind in KINDS.items() if any(tensor in kind.state for tensor in SET)]


def tensor_problem(kind: type[Kind], tensor: str, function: str, which: str, mark: Mark) -> Problem | None:
    """The problem if an initializer can't set a tensor of a layer, which messages call `which`; otherwise None."""
    if tensor not in kind.state:
        help = f"omit `{tensor}` here, and set it for the other layers in a separate rule"
        return Problem("E0222", f"{which} has no {tensor}", mark, help=help)
    if INITIALIZERS[function].fans and not kind.state[tensor].fans:
        what = "a bias" if tensor == "bias" else f"the {tensor} of {which}"
        message = f"`{function}` needs a fan-in and fan-out, which {what} does not have"
        return Problem("E0222", message, mark, help="use `normal` or a number")
    return None


def parse_init(node: Any, parser: Parser, scope: frozenset[str]) -> tuple[InitRule, ...]:
    """The rules of weight initialization; the arguments of their functions may be expressions over a scope."""
    rules, problems = [], parser.problems
    for item, mark in zip(node, node.items_at, strict=True) if isinstance(node, Seq) else ():
        if not isinstance(item, Map) or "match" not in item:
            continue
        names = item["match"]
        listed = list(names) if isinstance(names, Seq) else [names]
        if not all(isinstance(name, str) for name in listed):
            continue  # reported by the types of the keys
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
                function = _initializer(item[tensor], at, parser, scope)
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
        paths = tuple(name for name in marks if name not in known)
        rules.append(InitRule(kinds, paths, tensors, mark, {path: marks[path] for path in paths}))
    return tuple(rules)


def _initializer(node: Any, mark: Mark, parser: Parser, scope: frozenset[str]) -> tuple[str, dict[str, Any]] | None:
    problems = parser.problems
    arguments, root = {}, Map(mark)
    name: Any = node
    if isinstance(node, Map) and len(node) == 1:
        ((name, given),) = node.items()
        mark = node.keys_at[name]
        root = given if isinstance(given, Map) else root
        arguments = {key: parser.read(value, root.values_at[key], scope) for key, value in root.items()}
        if given is not None and not isinstance(given, Map):
            arguments = given
    elif (isinstance(node, int | float) and not isinstance(node, bool)) or (
        isinstance(node, str) and is_expression(node)
    ):
        name, arguments = "constant", {"val": parser.read(node, mark, scope)}
        root.keys_at["val"] = root.values_at["val"] = mark
    if not isinstance(name, str) or name not in INITIALIZERS:
        help, fix = problems.suggest(str(name), INITIALIZERS, mark)
        problems.add(Problem("E0203", f"{shown(name)} is not an initializer", mark, help=help, fix=fix))
        return None
    if isinstance(arguments, dict) and not all(map(is_known, arguments.values())):
        return None
    return _validated(name, arguments, root, mark, problems, scope)


def evaluated(rule: InitRule, value: Callable[[Any], Any], problems: Problems) -> InitRule:
    """A rule with the values of its arguments, as `value` tells them; what is wrong with them is reported."""
    found = rule.replaced(value)
    for tensor, (function, written) in rule.tensors.items():
        _, arguments = found.tensors[tensor]
        if any(map(has_expression, written.values())) and all(map(is_known, arguments.values())):
            places = Map(rule.mark)
            places |= arguments
            places.values_at = {name: getattr(argument, "mark", rule.mark) for name, argument in written.items()}
            _validated(function, arguments, places, rule.mark, problems, None)
    return found


def _validated(
    name: str, arguments: Any, root: Map, mark: Mark, problems: Problems, names: Set[str] | None
) -> tuple[str, dict[str, Any]] | None:
    """An initializer and its arguments that differ from the defaults; None after a report at a place below `root`.

    `names` are those that expressions can use there; None for values that expressions have given.
    """
    model = validate(INITIALIZERS[name], arguments, root, mark, problems, f"`{name}`", names)
    return None if model is None else (name, model.arguments())
