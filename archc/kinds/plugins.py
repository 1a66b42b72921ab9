"""Plugins: Python files and installed packages that register layer types.

A plugin is code, so archc runs only what the user asked for: a file that the user names, and an entry point of a
package that the user installed.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archc.files import read_bytes
from archc.kinds.base import Kind
from archc.kinds.registry import KINDS, unregister
from archc.problems import Mark, Problem, SpecError
from archc.problems.mark import Source
from archc.text import first_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "archc.kinds"
"""The entry points of packages that have layer types: the name of each, and `module:Class`."""


_loaded: dict[str, Source] = {}
"""The plugins that ran, by their files."""


def load_plugin(path: Path) -> None:
    """Run a Python file that registers layer types, unless it ran before.

    It becomes the module that its name says, and can import others from its folder. Raises SpecError (E0109) if it
    fails, and then registers nothing.
    """
    name, shown = path.stem, str(path)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path.resolve()):
        return
    if path.suffix != ".py" or not name.isidentifier():
        help = "the name of the file is that of a module: letters, digits and `_`"
        raise _fault(f"a plugin is a Python file such as `my_layers.py`, got `{shown}`", shown, help)
    try:
        text = read_bytes(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
        what = f"the plugin `{shown}` cannot be read: {reason[0].lower()}{reason[1:]}"
        raise _fault(what, shown, "give the path of a Python file") from None
    if known is not None or name in sys.stdlib_module_names:
        help = "rename the file: it becomes the module that its name says"
        raise _fault(f"the plugin `{shown}` has the name of the module `{name}`", shown, help)
    source = Source(shown, text)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    location = str(path.resolve())
    spec = spec_from_file_location(name, location, loader=SourceFileLoader(name, location))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        with _registering(f"the plugin `{shown}`", shown, source, location) as added:
            spec.loader.exec_module(module)
            if not added():
                help = "decorate a class with `@register` from archc.kinds"
                raise _fault(f"the plugin `{shown}` registers no layer type", shown, help)
    except BaseException:
        del sys.modules[name]
        raise
    _loaded[location] = source


def plugin_fault(error: Exception) -> SpecError | None:
    """The error for an exception that a plugin raised while its layer types were used; None for any other."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        source = _loaded.get(frame.filename)
        if source is not None:
            what = f"the plugin `{source.name}` failed: {type(error).__name__}: {first_line(error)}"
            help = "fix the method of the layer type; `docs/extending.md` describes all of them"
            return SpecError([Problem("E0109", what, _mark(source, frame.lineno or 1), help=help)])
    return None


def load_installed(names: Iterable[str] | None = None) -> bool:
    """Import the layer types of installed packages, all of them or those with certain names; False if there are none.

    Raises SpecError (E0109) for one that can't be imported.
    """
    points = installed()
    wanted = [name for name in (points if names is None else names) if name in points and name not in KINDS]
    for name in wanted:
        if name in KINDS:  # another one of the same module
            continue
        point = points[name]
        package = point.dist.name if point.dist is not None else point.module
        what = f"the layer type `{name}` of the package `{package}`"
        with _registering(what, package):
            point.load()
            if name not in KINDS:
                help = f"`{point.value}` has to be a class with `kind = {name!r}` and the decorator `@register`"
                raise _fault(f"{what} is not registered by its entry point", package, help)
    return bool(wanted)


@cache
def installed() -> dict[str, EntryPoint]:
    """The entry points of installed packages by the names of their layer types; nothing is imported."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


@contextmanager
def _registering(
    what: str, shown: str, source: Source | None = None, file: str = ""
) -> Iterator[Callable[[], list[type[Kind]]]]:
    """Run code of a plugin: what it prints goes to stderr, and if it fails, its layer types are removed again."""
    before = set(KINDS.values())

    def added() -> list[type[Kind]]:
        return [kind for kind in KINDS.values() if kind not in before]

    kind: type[Kind] | None = None
    try:
        with redirect_stdout(sys.stderr):  # other output must not mix with a command's
            yield added
            for kind in added():
                kind.model_rebuild()  # the types of its arguments are read at first use
    except (Exception, SystemExit) as error:
        for one in added():
            unregister(one)
        if isinstance(error, SpecError):
            raise
        place = _line(error, file) or (kind.__name__ if kind is not None else None)
        raise SpecError([_problem(what, shown, error, source, place)]) from None


def _problem(what: str, shown: str, error: BaseException, source: Source | None, place: int | str | None) -> Problem:
    """The problem of a plugin that raised an exception, at a line or a class of its file."""
    said = str(error).partition("\n")[0]
    why = said if type(error) is ValueError else f"{type(error).__name__}: {said}".removesuffix(": ")
    message, help = f"{what} cannot be loaded: {why}", "`archc explain E0109` shows a plugin that works"
    if source is None or place is None:
        return Problem("E0109", message, file=shown, help=help)
    lines = source.text.splitlines()
    if isinstance(place, str):
        place = next((at for at, line in enumerate(lines, 1) if line.startswith(f"class {place}(")), 1)
    return Problem("E0109", message, _mark(source, place), help=help)


def _mark(source: Source, number: int) -> Mark:
    """The place of a line without its indentation."""
    line = source.line(number) or ""
    start = len(line) - len(line.lstrip())
    return Mark(source, number, start + 1, number, max(len(line), start + 1) + 1)


def _line(error: BaseException, file: str) -> int | None:
    """The line of a file that raised an exception."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return frames[-1] if frames else None


def _fault(message: str, file: str, help: str = "") -> SpecError:
    return SpecError([Problem("E0109", message, file=file, help=help)])
