"""Expansion of values, names and loops: everything that expressions determine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archc.expressions import Expression, ExpressionError
from archc.graph.frame import OWN, Scope
from archc.graph.lookup import Lookup
from archc.kinds import Shape
from archc.kinds.base import shown
from archc.known import key_of, remember
from archc.language.intended import intended, is_count
from archc.language.names import NAMED, NameFault, layer_name_fault
from archc.language.spec import UNKNOWN, Entry, Name, Reference, Spec, Splice, is_known
from archc.limits import MAX_LAYERS, how_to_raise
from archc.problems import Mark, Problem, SpecError


class Unfolding(Lookup):
    """Evaluates expressions, and expands loops.

    `count` is the number of entries so far. `known` caches results that only depend on their key in all evaluations:
    values of expressions by the values of their names, and valid names of entries.
    """

    def __init__(self, spec: Spec, known: dict[Any, Any]) -> None:
        super().__init__(spec)
        self.known = known
        self.count = 0
        self._loops = 0

    def value(self, value: Any, scope: Scope) -> Any:
        """The value of an argument as written; UNKNOWN after an error if its expression has no value."""
        if type(value) is Expression:
            if value.text in scope:
                return scope[value.text]
            if self.doubtful and not all(is_known(scope.get(name)) for name in value.names):
                return UNKNOWN
            key = (value, key_of(*[scope.get(name) for name in value.names]))
            found = self.known.get(key, self)
            if found is self:
                try:
                    found = value.evaluate(scope)
                except ExpressionError as error:
                    self.report(error.code, str(error), value.mark, help=error.help)
                    return UNKNOWN
                remember(self.known, key, found)
            return found
        if type(value) is tuple:
            return tuple([self.value(item, scope) for item in value])
        return value

    def values(self, written: Iterable[Any], scope: Scope) -> list[Any]:
        """Like `value`, for several; plain names are looked up directly."""
        return [
            scope[each.text] if type(each) is Expression and each.text in scope else self.value(each, scope)
            for each in written
        ]

    def known_value(self, value: Any, scope: Scope, mark: Mark, what: str) -> Any:
        """A value that the structure depends on; UNKNOWN after an error, also if it is null."""
        found = self.value(value, scope)
        if found is None:
            at = value.mark if isinstance(value, Expression) else mark
            self.report("E0213", f"{what} is empty (`null`)", at)
        return found if found is not None and is_known(found) else UNKNOWN

    def grow(self, entries: int, mark: Mark) -> None:
        """Count entries. Raises SpecError if the network exceeds the bound."""
        self.count += entries
        if self.count > MAX_LAYERS:
            what, help = f"the network expands to more than {MAX_LAYERS:,} entries", how_to_raise("MAX_LAYERS")
            raise SpecError([Problem("E0220", what, mark, help=help)])

    def name(self, name: Name, scope: Scope, why_not: NameFault = layer_name_fault) -> str | None:
        """The name of an entry or an output, with its expressions evaluated; None after an error."""
        text = ""
        for part in name.parts:
            value = part if isinstance(part, str) else scope.get(part.text)
            if value is None and isinstance(part, Expression):
                value = self.known_value(part, scope, name.mark, f"`{part.text}`")
            if value is UNKNOWN:
                return None
            text += str(value)
        if (why_not, text) not in self.known:
            fault = why_not(text)
            if fault:
                self.report("E0208", f"{NAMED[why_not]} cannot be named `{text}`: {fault}", name.mark)
                return None
            remember(self.known, (why_not, text), text)
        return text

    def reference(self, reference: Reference, scope: Scope) -> Reference | None:
        """A reference, with the expressions in its name evaluated; None if a value is unknown."""
        if reference.template is None and reference.part is None:
            return reference
        found: list[str | None] = []
        for template, plain in ((reference.template, reference.name), (reference.part, reference.output)):
            written: tuple[str | Expression, ...] = template.parts if template is not None else ()
            parts = [part if isinstance(part, str) else self.value(part, scope) for part in written]
            if not all(map(is_known, parts)):
                return None
            found.append("".join(map(str, parts)) if template is not None else plain)
        return Reference(str(found[0]), found[1], reference.mark)

    def unfold(self, entries: tuple[Entry | Splice, ...], scope: Scope) -> Iterator[tuple[Entry, Scope]]:
        """The entries, with those of loops once per iteration, each with the values of the names that it may use."""
        for entry in entries:
            if type(entry) is Entry:
                yield entry, scope
                continue
            assert isinstance(entry, Splice)
            turns = self._turns(entry, scope if self.frame.in_block else self.arriving(scope))
            if turns is None:
                self.frame.whole = False
                yield Entry(None, None, entry.mark), scope
                continue
            for turn in turns:
                self.grow(1, entry.mark)
                self._loops += 1
                inner = {**scope, **turn}
                for part in entry.entries:
                    if type(part) is Entry:
                        yield part, inner
                    else:
                        yield from self.unfold((part,), inner)
                self._loops -= 1

    def arriving(self, scope: Scope, entry: Entry | None = None) -> Scope:
        """The scope with the input channels of an entry (or a loop) of the network, outside its blocks."""
        frame, output = self.frame, None
        outputs = frame.outputs(OWN if frame.body.form == "branches" else frame.last)
        if entry is not None and entry.sources:
            source = self.reference(entry.sources[0], scope)
            outputs, output = ({}, None) if source is None else (self.visible(source.name), source.output)
        if output in outputs:
            return {**scope, "in_channels": self.channels(outputs[output])}
        inner = {name: value for name, value in scope.items() if name != "in_channels"}
        return inner if outputs else {**inner, "in_channels": UNKNOWN}  # unknown, because of an earlier error

    def channels(self, x: Shape) -> Any:
        """The `in_channels` for an input."""
        return x[0]

    def _turns(self, loop: Splice, scope: Scope) -> Iterable[Scope] | None:
        """The values of a loop's variables per iteration; None if they are unknown."""
        if self._loops == 0 and loop.when is None:
            least = _least(loop, scope)
            if self.count + least > MAX_LAYERS:
                self.grow(least, loop.mark)
        if loop.when is not None:
            present = self.known_value(loop.when, scope, loop.mark, "`when`")
            if present is UNKNOWN:
                return None
            if not present:
                return ()
        return self._rows(loop, scope) if loop.count is None else self._counted(loop, scope)

    def _counted(self, loop: Splice, scope: Scope) -> Iterable[Scope] | None:
        count = self.known_value(loop.count, scope, loop.mark, "`repeat`")
        if not is_count(count):
            if count is not UNKNOWN:
                help, _ = intended(count, is_count, None, loop.mark)
                what = f"`repeat` must be a non-negative integer, got {shown(count)}"
                self.report("E0213", what, loop.mark, help=help)
            return None
        if count > MAX_LAYERS:
            self.grow(count, loop.mark)
        return ({loop.index: i} if loop.index else {} for i in range(count))

    def _rows(self, loop: Splice, scope: Scope) -> Iterable[Scope] | None:
        rows = self.value(loop.rows, scope)
        if not isinstance(rows, tuple):
            if rows is not UNKNOWN:
                got = "nothing (`null`)" if rows is None else repr(rows)
                self.report("E0213", f"`in` must be a list, got {got}", loop.mark)
            return None
        return self._filled(loop, rows)

    def _filled(self, loop: Splice, rows: tuple[Any, ...]) -> Iterator[Scope]:
        for i, row in enumerate(rows):
            items = row if len(loop.variables) > 1 else (row,)
            if row is UNKNOWN:
                items = (UNKNOWN,) * len(loop.variables)
            if not isinstance(items, tuple) or len(items) != len(loop.variables):
                names = ", ".join(loop.variables)
                what = f"row {i + 1} needs one value for each of {names}, got {shown(row)}"
                self.report("E0213", what, loop.mark)
                return
            turn = dict(zip(loop.variables, items, strict=True))
            yield {**turn, loop.index: i} if loop.index else turn


def _least(loop: Splice, scope: Scope) -> int:
    """The minimum number of entries of a loop; a number that is only known in an iteration counts as 0."""
    try:
        value = loop.rows if loop.count is None else loop.count
        turns = value.evaluate(scope) if isinstance(value, Expression) else value
    except ExpressionError:
        return 0
    turns = len(turns) if isinstance(turns, tuple) else turns
    if type(turns) is not int:
        return 0
    inside = (1 if isinstance(part, Entry) else _least(part, scope) for part in loop.entries)
    return min(turns * (1 + sum(inside)), 2**63)
