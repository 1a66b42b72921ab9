"""`archc list`."""

from __future__ import annotations

import inspect
from textwrap import wrap
from typing import Any, Final

from archc.expressions import Expression
from archc.kinds.plugins import load_installed
from archc.language.keys import EXAMPLES
from archc.library import bundled, families
from archc.problems import did_you_mean
from archc.problems.suggest import nearest
from archc.terminal import say, say_json
from archc.terminal import width as terminal_width
from archc.text import form, hanging

_LINE: Final = 100
"""The maximum length of a line that lists a family."""


def run(given: Any) -> int:
    """List the bundled specs or the layer types, or describe one of them."""
    load_installed()
    if given.name is not None:
        return _describe(given)
    rows = _kinds() if given.kinds else _specs()
    if given.format == "json":
        say_json(rows)
        return 0
    others = {row["name"]: [] for row in rows} if given.kinds else families()
    width, columns = max(map(len, others)), terminal_width()
    for row in rows:
        if row["name"] in others:
            say(hanging(f"{row['name'].ljust(width)}  ", row["description"], columns))
            for line in wrap(", ".join(others[row["name"]]), min(_LINE, columns or _LINE) - width - 4):
                say(f"{' ' * width}    {line}")
    return 0


def _describe(given: Any) -> int:
    from archc.kinds import KINDS

    rows = [row for row in _kinds() if row["name"] == given.name] or [
        row for row in _specs() if row["name"] == given.name
    ]
    if not rows:
        say(f"archc list: unknown layer type or spec `{given.name}`", error=True)
        key = nearest(given.name, list(EXAMPLES))
        help = f"`{key}` is a key of specs: run `archc explain {key}`" if key else "`archc list` shows all specs"
        say(did_you_mean(given.name, [*KINDS, *bundled()]) or help, error=True)
        return 2
    if given.format == "json":
        say_json(rows)
    else:
        say(describe_kind(given.name) or _describe_spec(rows[0]))
    return 0


def describe_kind(name: str) -> str:
    """A layer type as text: its torch class, arguments and docstring; empty if it doesn't exist."""
    from archc.kinds import KINDS

    kind = KINDS.get(name)
    if kind is None:
        return ""
    rows = [
        (field, "required" if info.is_required() else f"default: {info.default!r}")
        for field, info in kind.model_fields.items()
    ]
    width = max((len(field) for field, _ in rows), default=0)
    lines = [f"{name}: {kind.torch}", "", *inspect.cleandoc(kind.__doc__ or "").splitlines()]
    if rows:
        lines += ["", "Arguments:", *(f"  {field.ljust(width)}  {default}" for field, default in rows)]
    return "\n".join(lines)


def _describe_spec(row: dict[str, Any]) -> str:
    parameters = ", ".join(f"{name}={value}" for name, value in row["arguments"].items())
    lines = [f"{row['name']}: {row['description']}", "", _inputs(row["inputs"])]
    lines += [f"arguments: {parameters}"] if parameters else []
    lines += [f"paper: {row['paper']}"] if row["paper"] else []
    return "\n".join(lines)


def _inputs(inputs: dict[str, Any]) -> str:
    if len(inputs) > 1:
        return f"inputs: {', '.join(f'{name} {form(shape)}' for name, shape in inputs.items())}"
    return f"input: {form(next(iter(inputs.values())))}"


def _specs() -> list[dict[str, Any]]:
    from archc.language import load_file

    specs = [load_file(path, f"specs/{path.name}") for path in bundled().values()]
    family = {name: first for first, others in families().items() for name in (first, *others)}
    return [
        {
            "name": spec.stem,
            "family": family[spec.stem],
            "class": spec.name,
            "description": spec.description,
            "paper": spec.paper,
            "input": list(next(iter(spec.inputs.values()))),
            "inputs": {name: list(shape) for name, shape in spec.inputs.items()},
            "arguments": {name: _written(parameter.default) for name, parameter in spec.parameters.items()},
        }
        for spec in specs
    ]


def _written(value: Any) -> Any:
    """An argument's default as the spec writes it: `$(width * 2)` for an expression."""
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return f"$({value.text})" if isinstance(value, Expression) else value


def _kinds() -> list[dict[str, Any]]:
    from archc.kinds import KINDS

    rows = []
    for name, kind in KINDS.items():
        arguments = [
            field if info.is_required() else f"{field}={info.default!r}" for field, info in kind.model_fields.items()
        ]
        rows.append({"name": name, "description": f"({', '.join(arguments)})", "torch": kind.torch})
    return rows
