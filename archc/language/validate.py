"""Conversion of pydantic's errors to problems with locations."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from archc.kinds.base import shown
from archc.language.header import SpecKeys
from archc.language.intended import intended
from archc.limits import how_to_raise
from archc.problems import Fix, Mark, Problem, Problems
from archc.problems.suggest import nearest
from archc.reading import Map, mark_at, node_at, removal

Model = TypeVar("Model", bound=BaseModel)

_TYPES = {
    "bool_type": "expected `true` or `false`",
    "float_type": "expected a number",
    "int_type": "expected an integer",
    "string_type": "expected a string",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "tuple_type": "expected a list",
}


_WRITTEN = {
    ("input",): "`input: [3, 224, 224]`: channels, height, width; several inputs go under `inputs`",
    ("inputs",): "`input: [3, 224, 224]`, or `inputs: {left: [3, 224, 224], right: [3, 224, 224]}`",
    ("init",): "`init: [{match: linear, weight: {normal: {std: 0.01}}, bias: 0}]`",
    ("expect", "outputs"): "`output: [10]`, or `outputs: {main: [10], aux: [10]}`",
    ("layers",): "an extension replaces entries by their names: `layers: {fc: {linear: 10}}`",
    ("blocks",): "write a block as `Unit: {arguments: {width: }, layers: […]}`",
}
"""What to write if the type is wrong."""


def validate(
    model: type[Model],
    data: Any,
    root: Any,
    mark: Mark,
    problems: Problems,
    what: str,
    names: Set[str] | None = frozenset(),
) -> Model | None:
    """An instance of `model`, or None with every error reported at its place below `root`.

    `root` may be a function that builds the located data, which is only called after an error. `names` are those that
    expressions can use there; None for values of expressions.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        root = root() if callable(root) else root
        missing, misspelled = [], set()
        for fault in error.errors(include_url=False):
            if fault["type"] == "missing":
                missing.append(fault)
                continue
            problem = _problem(model, fault, root, mark, what, problems, data, names)
            problems.add(problem)
            if problem.code == "E0201" and problem.fix is not None:
                misspelled.add((*_steps(fault)[:-1], problem.fix.text))
        for fault in missing:
            if _steps(fault) not in misspelled:
                problems.add(_problem(model, fault, root, mark, what, problems, data, names))
        return None


def _problem(
    model: type[BaseModel],
    fault: Any,
    root: Any,
    mark: Mark,
    what: str,
    problems: Problems,
    data: Any,
    names: Set[str] | None,
) -> Problem:
    path = _steps(fault)
    last, help = next((step for step in reversed(path) if isinstance(step, str)), ""), ""
    match fault["type"]:
        case "extra_forbidden":
            keys = [*_fields(model, path[:-1]), *(["extends"] if model is SpecKeys and len(path) == 1 else [])]
            owner = _owner(path[:-1], what)
            place = mark_at(root, path, mark, key=True)
            help, fix = problems.suggest(last, keys, place)
            holder = node_at(root, path[:-1])
            value = node_at(root, path)
            if not help and model is SpecKeys and len(path) == 1 and isinstance(value, bool | int | float):
                help = f"declare it as an argument: `arguments: {{{last}: {shown(value)}}}`"
            if fix and isinstance(holder, Map) and fix.text in holder:
                fix = removal(holder, last)
            return Problem("E0201", f"unknown key `{last}` in {owner}", place, help=help, fix=fix)
        case "missing":
            place = mark_at(root, path[:-1], mark)
            return Problem(
                "E0202", f"{_owner(path[:-1], what)} is missing the key `{last}`", place, help=f"add `{last}:`"
            )
        case "too_short" if last == "inputs":
            message = f"expected at least one name, got {shown(fault['input'])}"
        case "too_short" | "too_long":
            message = f"expected a shape such as [channels, height, width], got {shown(fault['input'])}"
            help = "an input has channels and up to three axes after them, or features alone"
        case "too_large":
            message = fault["msg"]
            help = how_to_raise(fault["ctx"]["bound"]) if fault["ctx"]["bound"] else ""
        case "literal_error" if isinstance(fault["input"], str):
            words = re.findall(r"'(.*?)'", fault["ctx"]["expected"])
            place = mark_at(root, path, mark)
            help, fix = problems.suggest(fault["input"], words, place if place != mark else None)
            return Problem("E0203", f"`{last}` cannot be {shown(fault['input'])}", place, help=help, fix=fix)
        case kind if kind in _TYPES:
            message = f"{_TYPES[kind]}, got {shown(fault['input'])}"
            help = _WRITTEN.get(path[:-1] if path[:1] == ("blocks",) else path, "")
        case _:
            message = str(fault["msg"][0]).lower() + fault["msg"][1:]
            if "got" not in message:
                message += f", got {shown(fault['input'])}"
    place, value = mark_at(root, path, mark), fault["input"]
    meant, text = intended(value, lambda other: _accepts(model, data, path, other), names, place)
    fix = Fix(place, text) if text is not None and not help and place != mark else None
    return Problem("E0203", f"`{last}`: {message}" if last else message, place, help=help or meant, fix=fix)


def _owner(path: tuple[Any, ...], what: str) -> str:
    """The mapping at a path, as errors call it."""
    if path and isinstance(path[-1], str):
        return f"`{path[-1]}`"
    above = [step for step in path if isinstance(step, str)]
    return f"an entry of `{above[-1]}`" if above else what


def _replaced(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Plain data with another value at a path."""
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = _replaced(data[path[0]], path[1:], value)
    return copy


def _accepts(model: type[BaseModel], data: Any, path: tuple[Any, ...], value: Any) -> bool:
    """Return True if a value would be valid at a path, regardless of other errors."""
    try:
        model.model_validate(_replaced(data, path, value))
    except ValidationError as error:
        return not any(_steps(fault)[: len(path)] == path for fault in error.errors(include_url=False))
    return True


def _steps(fault: Any) -> tuple[Any, ...]:
    """The path of an error in the data."""
    return tuple(step for step in fault["loc"] if not _is_union_tag(step))


def meant(node: Map, model: type[BaseModel]) -> Map:
    """Like `meant_among`, with the keys of a model."""
    return meant_among(node, [field.alias or name for name, field in model.model_fields.items()])


def meant_among(node: Map, known: list[str], others: Set[str] = frozenset()) -> Map:
    """A mapping with its unknown keys, which are reported separately, under the names that they are likely to mean.

    So their contents aren't reported as missing. `others` are further keys that aren't unknown.
    """
    strange = [key for key in node if key not in known and key not in others]
    if not strange or len(strange) > len(known):
        return node
    found = Map(node.mark)
    for key, value in node.items():
        name = nearest(key, known) if key in strange else key
        name = key if not name or (name != key and (name in node or name in found)) else name
        found[name], found.keys_at[name], found.values_at[name] = value, node.keys_at[key], node.values_at[key]
    return found


def takes_list(model: type[BaseModel], name: str) -> bool:
    """Return True if a field may be a list."""
    field = _schema(model)["properties"][name]
    return any(option.get("type") == "array" for option in field.get("anyOf", [field]))


def _is_union_tag(step: Any) -> bool:
    return isinstance(step, str) and ("[" in step or step in ("str", "int"))


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _fields(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """The known keys at a path, read from the model's own JSON Schema."""
    schema = _schema(model)
    definitions = schema.get("$defs", {})

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        for option in node.get("anyOf", [node]):
            if "$ref" in option:
                return dict(definitions[option["$ref"].rsplit("/", 1)[-1]])
            if option.get("type") in ("object", "array"):
                return dict(option)
        return node

    node = resolve(schema)
    for step in path:
        if isinstance(step, int):
            node = resolve(node.get("items", {}))
        elif step in node.get("properties", {}):
            node = resolve(node["properties"][step])
        else:
            node = resolve(node.get("additionalProperties", {}))
    return list(node.get("properties", {}))
