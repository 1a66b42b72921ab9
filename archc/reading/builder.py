"""YAML events to the located tree.

Events are read, not nodes composed: the composers recurse (the C one dies of a stack overflow on
deep nesting), and an event carries its place for nothing.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from archc.limits import MAX_YAML_DEPTH, how_to_raise
from archc.problems import Mark, Problem, Source, SpecError
from archc.problems.fix import quotation
from archc.reading.scalars import plain_scalar
from archc.reading.tree import Map, Seq

_MARK: Final[Any] = tuple.__new__  # as Mark itself makes one, with less ado: a place for each of many events
_ITEM: Final = ("", Mark(Source("", ""), 0, 0, 0, 0))
"""In place of a key: the open collection is a list."""

MISSING: Final = object()
"""The root of a text that holds nothing."""


class Builder:
    """Stacks the collections as their events come; the innermost open one is on top.

    `root` is the tree so far, `problems` are the faults after which reading goes on. `depth` are the collections around
    the text.
    """

    def __init__(self, source: Source, depth: int = 0) -> None:
        self.source = source
        self.depth = depth
        self.root: Any = MISSING
        self.problems: list[Problem] = []
        self._stack: list[Map | Seq] = []
        self._keys: list[tuple[str, Mark] | None] = []  # the pending key of each open mapping
        self._flow: list[bool] = []  # whether each is in brackets
        self._documents = 0

    def take(self, event: Any) -> None:
        """Let the tree grow by an event. Raises SpecError where nothing after it could be understood."""
        kind = type(event).__name__
        start, end = event.start_mark, event.end_mark
        mark = _MARK(Mark, (self.source, start.line + 1, start.column + 1, end.line + 1, end.column + 1))
        if kind == "ScalarEvent":
            if event.anchor is not None or event.implicit == (False, False):
                _refuse_extras(event, mark)
            self._scalar(event.value, event.implicit[0], mark)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            _refuse_extras(event, mark)
            if self.depth + len(self._stack) >= MAX_YAML_DEPTH:
                _refuse("E0107", f"nested deeper than {MAX_YAML_DEPTH} levels", mark, _FLATTEN)
            mapping = kind == "MappingStartEvent"
            node: Map | Seq = Map(mark) if mapping else Seq(mark)
            self._place(node, mark)
            self._stack.append(node)
            self._keys.append(None if mapping else _ITEM)
            self._flow.append(event.flow_style)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._close(mark.end_line, mark.end_column)
        elif kind == "AliasEvent":
            _refuse("E0106", f"aliases (`*{event.anchor}`) are not allowed", mark, _INSTEAD)
        elif kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                _refuse("E0106", "a spec is a single YAML document, but this is a second one", mark, "use two files")

    def end(self) -> None:
        """No event follows, though collections are open: keys that wait for a value get none."""
        for node, pending in zip(self._stack, self._keys, strict=True):
            if isinstance(node, Map) and pending is not None and pending[0] not in node:
                key, mark = pending
                node[key], node.keys_at[key], node.values_at[key] = None, mark, mark

    def _scalar(self, text: Any, plain: bool, mark: Mark) -> None:
        if self._keys and self._keys[-1] is None:
            if plain and text == "<<":
                _refuse("E0106", "merge keys (`<<`) are not allowed", mark, _INSTEAD)
            self._keys[-1] = (text, mark)
            return
        if plain:
            if text.startswith("$(") and self._flow[-1:] == [True] and text.count("(") > text.count(")"):
                self.problems.append(cut_short(text, mark))
            try:
                text = plain_scalar(text)
            except ValueError:
                _refuse("E0203", "the number has too many digits", mark)
        self._place(text, mark)

    def _place(self, value: Any, mark: Mark) -> None:
        if not self._stack:
            self.root = value
            return
        parent = self._stack[-1]
        if isinstance(parent, Seq):
            parent.append(value)
            parent.items_at.append(mark)
            return
        pending = self._keys[-1]
        if pending is None:
            _refuse("E0104", "a list or mapping cannot be a key", mark, "a flow value needs a space before `{`")
        key, key_mark = pending
        self._keys[-1] = None
        if key in parent:
            what, label = (
                f"the key `{key}` appears twice in one mapping",
                f"first used on line {parent.keys_at[key].line}",
            )
            help = "remove one of them, or give the entry another name"
            self.problems.append(Problem("E0105", what, key_mark, label=label, help=help))
            return
        parent[key] = value
        parent.keys_at[key] = key_mark
        parent.values_at[key] = mark

    def _close(self, line: int, column: int) -> None:
        closed = self._stack.pop()
        self._keys.pop()
        self._flow.pop()
        source, start_line, start_column, _, _ = closed.mark
        closed.mark = Mark(source, start_line, start_column, line, column)
        parent = self._stack[-1] if self._stack else None
        if isinstance(parent, Seq):
            parent.items_at[-1] = closed.mark
        elif parent:
            last = next(reversed(parent))
            if parent[last] is closed:  # not so where its key stood there before
                parent.values_at[last] = closed.mark


_INSTEAD = "put repeated parts in a block with arguments, or use `repeat`"
_QUOTED = "'$(max(8, width))'"
_FLATTEN = f"move the inner parts into blocks; {how_to_raise('MAX_YAML_DEPTH')}"


def _refuse(code: str, message: str, mark: Mark, help: str = "") -> NoReturn:
    raise SpecError([Problem(code, message, mark, help=help)])


def cut_short(text: str, mark: Mark) -> Problem:
    """The problem of an expression without quotes in brackets, of which YAML reads a part alone."""
    fix = quotation(mark)
    help = f"quote it: `{fix.text if fix else _QUOTED}`"
    return Problem("E0211", f"a comma or bracket ends this expression, so quote it: `{text}`", mark, help=help, fix=fix)


def _refuse_extras(event: Any, mark: Mark) -> None:
    if event.anchor is not None:
        _refuse("E0106", f"anchors (`&{event.anchor}`) are not allowed", mark, _INSTEAD)
    if event.tag is not None:
        help = "write the value without a tag: YAML infers its type"
        _refuse("E0106", f"tags (`{event.tag}`) are not allowed", mark, help)
