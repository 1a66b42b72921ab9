"""Merging of an extension and the spec that it extends into one located tree, in which every part knows its file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Any, Final

from archc.expressions import ExpressionError, is_expression, parse_expression
from archc.kinds.base import shown
from archc.language.names import parameter_name_fault
from archc.language.validate import meant_among
from archc.problems import Mark, Problem, Problems
from archc.reading import Map, Seq

_OWN: Final = ("name", "expect")
"""The keys that an extension doesn't inherit, because another network has another name and other numbers."""
_INSTEAD: Final = {"input": "inputs", "inputs": "input"}
"""Keys that replace another one."""
_MERGED: Final = ("arguments", "blocks", "layers", "branches")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


def extended(base: Map, own: Map, imported: Set[str], problems: Problems) -> Map:
    """The tree of a spec with the changes of another one that extends it.

    Arguments, blocks and entries are replaced by name; `input`, `outputs`, `init` and others as a whole. Imported
    blocks replace others, too. A name that the base doesn't have is reported.
    """
    file = str(own["extends"])
    found = Map(own.mark)
    for key in [key for key in base if key not in _OWN]:
        _put(found, key, base)
    if imported and isinstance(base.get("blocks"), Map):
        found["blocks"] = without = Map(base["blocks"].mark)
        for name in [name for name in base["blocks"] if name not in imported]:
            _put(without, name, base["blocks"])
    for key in own:
        if key not in ("extends", "import", *_MERGED):
            found.pop(_INSTEAD.get(key, ""), None)
            _put(found, key, own)
    for key, merge in (("arguments", _parameters), ("blocks", _blocks), ("layers", _entries), ("branches", _entries)):
        if isinstance(own.get(key), Map):
            merge(found, own, key, file, problems)
    return found


def _put(target: Map, key: str, source: Map) -> None:
    target[key], target.keys_at[key], target.values_at[key] = source[key], source.keys_at[key], source.values_at[key]


def _merged(found: Map, own: Map, key: str) -> Map:
    """Put a copy of the base's mapping under a key into the tree, or an empty one if the base has none."""
    before = found.get(key)
    copy = Map(own[key].mark)
    if isinstance(before, Map):
        for name in before:
            _put(copy, name, before)
    if key not in found:
        _put(found, key, own)
    found[key] = copy
    return copy


def _parameters(found: Map, own: Map, key: str, file: str, problems: Problems) -> None:
    """Merge values of arguments, and further arguments that the extension itself reads."""
    parameters = _merged(found, own, key)
    order = list(parameters)
    read = set(_read({part: own[part] for part in own if part not in ("arguments", "extends")}))
    known = {*order, *read, *filter(parameter_name_fault, own[key])}
    for name in own[key]:
        if name not in known:
            mark = own[key].keys_at[name]
            help, fix = problems.suggest(name, order, mark)
            problems.add(Problem("E0216", f"`{file}` has no argument `{name}`", mark, help=help, fix=fix))
    given = meant_among(own[key], order, known)
    for name, value in given.items():
        if name not in known:
            continue
        mark = given.keys_at[name]
        if name in order and value is not None and not fits(value, parameters[name]):
            message = f"the argument `{name}` takes {takes(parameters[name])}"
            problems.add(Problem("E0203", message, mark, help=f"`{file}` says {shown(parameters[name])}"))
            continue
        if name in order and _reads_later(name, value, given.values_at[name], order, file, problems):
            continue
        _put(parameters, name, given)


def _reads_later(name: str, value: Any, mark: Mark, order: list[str], file: str, problems: Problems) -> bool:
    """Report arguments that a value reads although they come after it in the order of the base."""
    later = order[order.index(name) :]
    faults = [(other, at) for text, at in _texts(value, mark) for other in sorted(_names(text, at).intersection(later))]
    for other, at in faults:
        what = "is the argument itself" if other == name else f"comes after `{name}` in `{file}`"
        help = "a value can use only the arguments declared before it there"
        problems.add(Problem("E0212", f"`{other}` {what}", at, help=help))
    return bool(faults)


def _blocks(found: Map, own: Map, key: str, file: str, problems: Problems) -> None:
    blocks = _merged(found, own, key)
    for name in own[key]:
        _put(blocks, name, own[key])


def _entries(found: Map, own: Map, key: str, file: str, problems: Problems) -> None:
    """Replace entries by name, in their places."""
    if not isinstance(found.get(key), Map):
        message = f"`{file}` does not name its `{key}`, so none can be replaced"
        problems.add(Problem("E0224", message, own.keys_at[key], help="write the whole network, and import its blocks"))
        return
    entries = _merged(found, own, key)
    for name in own[key]:
        if name in entries:
            _put(entries, name, own[key])
            continue
        mark = own[key].keys_at[name]
        help, fix = problems.suggest(name, entries, mark)
        help = help or "an extension can replace entries, but not add them: replace one by a list or by nested `layers`"
        problems.add(Problem("E0224", f"`{file}` has no entry `{name}` to replace", mark, help=help, fix=fix))


def _texts(value: Any, mark: Mark) -> Iterator[tuple[str, Mark]]:
    """The expressions of a value, with their places."""
    if isinstance(value, str) and is_expression(value):
        yield value, mark
    elif isinstance(value, Seq):
        for item, at in zip(value, value.items_at, strict=True):
            yield from _texts(item, at)


def _names(text: str, mark: Mark) -> frozenset[str]:
    try:
        return parse_expression(text, mark).names
    except ExpressionError:
        return frozenset()  # reported by the parser


def _read(value: Any) -> Iterator[str]:
    """The names in all expressions below a value, including those in names."""
    if isinstance(value, str) and "$" in value:
        yield from _WORD.findall(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _read(key)
            yield from _read(item)
    elif isinstance(value, list):
        for item in value:
            yield from _read(item)


def fits(value: Any, default: Any) -> bool:
    """Return True if an argument can have a value, based on the type of its default."""
    if _computed(value) or _computed(default):
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) == isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float | tuple | list)
    if isinstance(default, tuple | list):
        return isinstance(value, tuple | list | int)
    return not isinstance(default, str) or isinstance(value, str)


def takes(default: Any) -> str:
    """The type of an argument's values, in words."""
    match default:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
    return "a list"


def _computed(value: Any) -> bool:
    """Return True if a value is an expression, parsed or as text."""
    return is_expression(value) if isinstance(value, str) else not isinstance(value, bool | int | float | tuple | list)
