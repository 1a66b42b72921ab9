"""What the strategies draw: specs as plain data, in one file or spread over several."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from archc.testing.formula import Formula
from archc.testing.meaning import Layer, Outputs
from archc.testing.text import dump

if TYPE_CHECKING:
    from archc import Architecture

Data = dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """A drawn spec: plain data, and what it means by `Meaning`; prints as a file that can be saved and run.

    `decided` are the values that its conditions took.
    """

    data: Data
    layers: tuple[Layer, ...]
    outputs: Outputs
    decided: frozenset[bool] = frozenset()

    @property
    def text(self) -> str:
        """The spec as YAML."""
        return dump(self.data)

    def load(self) -> Architecture:
        """The checked architecture. Raises SpecError, which for a drawn sound spec is a fault of archc."""
        from archc import loads

        return loads(self.text)

    def __repr__(self) -> str:
        return f"\n{self.text}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis would print the fields


@dataclass(frozen=True)
class Folder:
    """A draft spread over the files of a folder, by name; `network.yaml` is the spec."""

    draft: Draft
    files: dict[str, Data]

    def load(self) -> Architecture:
        """The checked architecture, read from files. Raises SpecError, as Draft.load."""
        from archc import load

        with TemporaryDirectory() as folder:
            for name, data in self.files.items():
                Path(folder, name).write_text(dump(data), "utf-8")
            return load(Path(folder, "network.yaml"))

    def __repr__(self) -> str:
        return "".join(f"\n# file: {name}\n{dump(data)}" for name, data in self.files.items())

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))


@st.composite
def folders(draw: st.DrawFn, drafts: st.SearchStrategy[Draft]) -> Folder:
    """Drafts with some blocks in a file that is imported, and some parameters given by a file that extends the rest."""
    draft = draw(drafts)
    rest, files = dict(draft.data), {}
    blocks = rest.get("blocks", {})
    parameters = rest.get("arguments", {})
    own = {name for name in blocks if any(map(parameters.__contains__, _words(blocks[name])))}
    bound = {name for name in blocks if not own.isdisjoint([name, *_called(blocks[name], blocks)])}
    away = {name for name in blocks if name not in bound and draw(st.booleans())}
    away |= {called for name in away for called in _called(blocks[name], blocks)}
    wanted = {called for part in ({**rest, "blocks": None}, *_kept(blocks, away)) for called in _called(part, blocks)}
    if away & wanted:
        files["blocks.yaml"] = {"blocks": {name: blocks[name] for name in blocks if name in away}}
        rest["blocks"] = {name: blocks[name] for name in blocks if name not in away}
        rest = {"import": {"blocks.yaml": [name for name in blocks if name in away & wanted]}, **rest}
    given = {name: value for name, value in parameters.items() if draw(st.booleans())}
    if given:
        moved = [key for key in ("description", "input") if key in rest and draw(st.booleans())]
        top: Data = {"extends": "rest.yaml", "arguments": given}
        top |= {key: rest[key] for key in ("name", "expect", *moved) if key in rest}
        rest["arguments"] = {name: _another(value) if name in given else value for name, value in parameters.items()}
        rest.pop("expect", None)
        files |= {"rest.yaml": rest, "network.yaml": top}
    else:
        files["network.yaml"] = rest
    return Folder(draft, files)


def _another(value: Any) -> Any:
    """Another value of the same type."""
    return value[::-1] if isinstance(value, str | tuple) else type(value)(not value)


def _kept(blocks: Data, away: set[str]) -> list[Any]:
    return [block for name, block in blocks.items() if name not in away]


def _words(part: Any) -> Iterator[str]:
    """The words of all formulas in a part of a spec."""
    if isinstance(part, str | Formula):
        yield from re.findall(r"[A-Za-z_]\w*", str(part)) if "$" in str(part) else ()
    elif isinstance(part, dict | list | tuple):
        for item in (*part, *part.values()) if isinstance(part, dict) else part:
            yield from _words(item)


def _called(part: Any, blocks: Data) -> Iterator[str]:
    """The blocks that a part of a spec calls, and those that they call."""
    if isinstance(part, str | Formula):
        if str(part) in blocks:
            yield str(part)
            yield from _called(blocks[str(part)], blocks)
    elif isinstance(part, dict):
        for key, item in part.items():
            yield from _called(key, blocks) if key in blocks else ()
            yield from _called(item, blocks)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _called(item, blocks)
