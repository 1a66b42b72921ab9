"""The reference of the Python API, from the signatures and docstrings of the public objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from .page import Page, fence, prose, table

_INTRO = """# Python API

This page lists the public functions and classes. [archc from Python](python.md) shows them at work. `import archc`
loads only the standard library, and everything else is imported when you use it.
"""

SECTIONS: dict[str, list[str]] = {
    "Load a spec": ["archc.load", "archc.loads", "archc.Architecture"],
    "Handle errors": ["archc.SpecError", "archc.Problem"],
    "Compare": ["archc.diff", "archc.Difference"],
    "Train": [
        "archc.train",
        "archc.training.resume_run",
        "archc.training.Result",
        "archc.training.Data",
        "archc.training.Images",
        "archc.load_recipe",
    ],
    "Export": ["archc.export", "archc.exporting.Exported", "archc.exporting.Comparison"],
    "Load and save weights": ["archc.build.load_weights", "archc.build.save_state"],
    "Draw and explore": ["archc.drawing.draw_svg", "archc.explorer.html", "archc.explorer.explorer_data"],
    "Walk the graph": ["archc.graph.walk", "archc.graph.flow"],
}
"""The public objects by what you do with them."""


def api_page() -> Page:
    """The page with every public function and class."""
    parts = [_INTRO]
    for heading, names in SECTIONS.items():
        parts.append(f"## {heading}\n")
        parts += [_entry(name) for name in names]
    return Page("api.md", "Python API", "\n".join(parts))


def _entry(name: str) -> str:
    module, _, attribute = name.rpartition(".")
    found = getattr(import_module(module), attribute)
    text = f"### `{name}`\n\n"
    if inspect.isclass(found):
        text += f"{prose(inspect.getdoc(found) or '')}\n"
        rows = list(_members(found))
        return text + (f"\n{table('member | description', rows)}" if rows else "")
    return f"{text}{fence(f'{name}{_signature(found)}', 'python')}\n{prose(inspect.getdoc(found) or '')}\n"


def _signature(function: Callable[..., Any]) -> str:
    """The parameters of a function and its result, one per line if they need more than a line."""
    signature = inspect.signature(function)
    parts: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(_parameter(parameter))
    result = f" -> {signature.return_annotation}"
    line = f"({', '.join(parts)}){result}"
    return line if len(line) <= 80 else "(\n" + "".join(f"    {part},\n" for part in parts) + f"){result}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL) or "**" * (parameter.kind is parameter.VAR_KEYWORD)
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _members(found: type) -> Iterator[tuple[str, str]]:
    """Public attributes, properties and methods with the first paragraph of their docstrings."""
    for name, member in vars(found).items():
        if name.startswith("_") or not (callable(member) or isinstance(member, property)):
            continue
        doc = prose(inspect.getdoc(member) or "").partition("\n\n")[0]
        if doc:
            yield f"`{name}{'()' if callable(member) else ''}`", doc
