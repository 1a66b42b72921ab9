"""pydantic's verdicts as problems with places."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from archc.kinds.base import shown
from archc.limits import how_to_raise
from archc.problems import Mark, Problem, Problems
from archc.problems.suggest import nearest
from archc.reading import Map, mark_at, node_at, removal

Model = TypeVar("Model", bound=BaseModel)

_TYPES = {
    "bool_type": "expected `true` or `false`",
    "float_type": "expected a number",
    "int_type": "expected an integer",
    "string_type": "expected text",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "tuple_type": "expected a list",
}


_WRITTEN = {
    ("input",): "`input: [3, 224, 224]`: channels, height, width",
    ("blocks",): "a block is written `Unit: {parameters: {width: }, layers: […]}`",
}
"""What to write where the type is wrong."""


def validate(model: type[Model], data: Any, root: Any, mark: Mark, problems: Problems, what: str) -> Model | None:
    """An instance of `model`, or None with every fault reported at its place below `root`.

    `root` may be a function that makes the located data: it is called only where there is a fault.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        root = root() if callable(root) else root
        for fault in error.errors(include_url=False):
            problems.add(_problem(model, fault, root, mark, what, problems))
        return None


def _problem(model: type[BaseModel], fault: Any, root: Any, mark: Mark, what: str, problems: Problems) -> Problem:
    path = tuple(step for step in fault["loc"] if not _is_union_tag(step))
    last, help = next((step for step in reversed(path) if isinstance(step, str)), ""), ""
    match fault["type"]:
        case "extra_forbidden":
            known = _fields(model, path[:-1])
            owner = f"`{path[-2]}`" if len(path) > 1 else what
            place = mark_at(root, path, mark, key=True)
            help, fix = problems.suggest(last, known, place)
            holder = node_at(root, path[:-1])
            if fix and isinstance(holder, Map) and fix.text in holder:
                fix = removal(holder, last)
            return Problem("E0201", f"unknown key `{last}` in {owner}", place, help=help, fix=fix)
        case "missing":
            place = mark_at(root, path[:-1], mark)
            names = [step for step in path[:-1] if isinstance(step, str)]
            owner = f"an entry of `{names[-1]}`" if names else what
            return Problem("E0202", f"{owner} lacks the key `{last}`", place, help=f"add `{last}:`")
        case "too_short" | "too_long":
            message = f"expected [channels, height, width], got {shown(fault['input'])}"
        case "too_large":
            message = fault["msg"]
            help = how_to_raise(fault["ctx"]["bound"]) if fault["ctx"]["bound"] else ""
        case kind if kind in _TYPES:
            message = f"{_TYPES[kind]}, got {shown(fault['input'])}"
            help = _WRITTEN.get(path[:-1] if path[:1] == ("blocks",) else path, "")
        case _:
            message = str(fault["msg"][0]).lower() + fault["msg"][1:]
            if "got" not in message:
                message += f", got {shown(fault['input'])}"
    help = help or _as_text(fault["input"], message)
    return Problem("E0203", f"`{last}`: {message}" if last else message, mark_at(root, path, mark), help=help)


_TRUTH = {"yes": "true", "on": "true", "True": "true", "no": "false", "off": "false", "False": "false"}
_FORMULA = re.compile(r"(?=.*[A-Za-z])(?=.*[-+*/])[\w\s+*/()-]{1,60}")


def _as_text(value: Any, message: str) -> str:
    """What a text was meant to be."""
    if isinstance(value, float) and "expected an integer" in message:
        return "`//` divides to an integer, `round(…)` makes one"
    if not isinstance(value, str) or value == "same":
        return ""
    if "`true` or `false`" in message:
        return f"write `{_TRUTH[value]}`" if value in _TRUTH else ""
    if "integer" not in message and "number" not in message:
        return ""
    if re.fullmatch(r"\d{1,9}", value):
        return f"write it without quotes: `{value}`"
    if value.isidentifier():
        return f"a parameter's value is written `${value}`"
    return f"an expression is written `$({value})`" if _FORMULA.fullmatch(value) else ""


def meant(node: Map, model: type[BaseModel]) -> Map:
    """A mapping with its unknown keys, which are told of elsewhere, under the names that they are likely to mean.

    So what hangs on them is not told as missing.
    """
    known = _fields(model, ())
    strange = [key for key in node if key not in known]
    if not strange or len(strange) > len(known):
        return node
    found = Map(node.mark)
    for key, value in node.items():
        name = nearest(key, known) if key in strange else key
        name = key if not name or (name != key and (name in node or name in found)) else name
        found[name], found.keys_at[name], found.values_at[name] = value, node.keys_at[key], node.values_at[key]
    return found


def takes_list(model: type[BaseModel], name: str) -> bool:
    """Whether a field may be a list."""
    field = _schema(model)["properties"][name]
    return any(option.get("type") == "array" for option in field.get("anyOf", [field]))


def _is_union_tag(step: Any) -> bool:
    return isinstance(step, str) and ("[" in step or step in ("str", "int"))


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _fields(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """The keys known where `path` leads, read from the model's own JSON Schema."""
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
