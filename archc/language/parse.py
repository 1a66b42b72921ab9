"""The parser from the located tree to a validated spec.

It checks keys, names, kinds, arguments and expressions, and keeps all locations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from keyword import iskeyword
from typing import Any, Final, NamedTuple, NoReturn

from archc.expressions import Expression, ExpressionError, has_expression, is_expression, parse_expression
from archc.kinds import KINDS, Kind
from archc.kinds.axes import DIMENSIONS
from archc.kinds.base import shown
from archc.known import key_of, remember
from archc.language.intended import intended, is_count
from archc.language.names import (
    NAMED,
    NameFault,
    input_name_fault,
    layer_name_fault,
    output_name_fault,
    parameter_name_fault,
    variable_name_fault,
)
from archc.language.positional import flow_text, positional_readings
from archc.language.spec import (
    UNKNOWN,
    Block,
    BlockCall,
    Body,
    Callee,
    ChosenCall,
    Entry,
    LayerCall,
    Name,
    Parameter,
    Reference,
    Share,
    Splice,
)
from archc.language.unknown import unknown_layer
from archc.language.validate import meant_among, takes_list, validate
from archc.problems import Fix, Mark, Problem, Problems, SpecError
from archc.reading import Map, Seq, removal

MODIFIERS = ("from", "when", "auxiliary")
TURNS = ("repeat", "for", "in", "index")
BODY = ("layers", "branches", "join", "outputs")
SHARE = "share"
ENTRY_KEYS = frozenset((*MODIFIERS, *TURNS, *BODY, SHARE))
_INTERPOLATION = re.compile(r"\$(?:\(([^()]*)\)|([A-Za-z][A-Za-z0-9]*))")
_REFERENCE = re.compile(r"([A-Za-z0-9_-]+)(?:\.([A-Za-z0-9_-]+))?")
_DOT = re.compile(r"\.(?![^()]*\))")
"""A dot that isn't in parentheses."""
_LOOP_HELP = "write `{repeat: 3, layers: […]}` or `{for: [a, b], in: [[1, 2], [3, 4]], layers: […]}`"


class _Skip(Exception):
    """Raised to omit a part that was reported."""


class Taken(NamedTuple):
    """The inputs that an entry names in its `from`, which is at `mark`; `several` means that it is a list."""

    in_list: bool
    sources: tuple[Reference, ...] = ()
    mark: Mark | None = None
    several: bool = False


class Parser:
    """Parses the bodies of one file; `blocks` are the blocks that the file can name.

    `around` are the names that are known outside the bodies, and `asked` those of them that expressions read.
    """

    def __init__(self, problems: Problems, blocks: dict[str, Block]) -> None:
        self.problems = problems
        self.blocks = blocks
        self.around: frozenset[str] = frozenset()
        self.asked: set[str] = set()

    # Reporting

    def report(self, code: str, message: str, mark: Mark, *, help: str = "", fix: Fix | None = None) -> None:
        """Report a problem and continue."""
        self.problems.add(Problem(code, message, mark, help=help, fix=fix))

    def fail(self, code: str, message: str, mark: Mark, *, help: str = "", fix: Fix | None = None) -> NoReturn:
        """Report a problem and omit the part."""
        self.report(code, message, mark, help=help, fix=fix)
        raise _Skip

    def unknown(self, node: Map, key: str, known: Iterable[str]) -> tuple[str, Fix | None]:
        """The help for a key that isn't valid in a mapping, and the fix."""
        help, fix = self.problems.suggest(key, known, node.keys_at[key])
        return help, removal(node, key) if fix and fix.text in node else fix

    # Values

    def value(self, node: Any, mark: Mark, scope: frozenset[str]) -> Any:
        """A plain value, an Expression, or a tuple of values."""
        if isinstance(node, str) and "$" in node:
            if is_expression(node):
                return self.expression(node, mark, scope)
            if node.startswith("$"):
                whole = f"$({node.replace('$', '')})"
                help = f"write `{whole}`" if _parses(whole, mark) else "write `$name` or `$(width * 2)`"
                if node.startswith("$("):
                    opened = node.count("(") > node.count(")")
                    help = (
                        "close the parenthesis" if opened else "put the whole expression in parentheses: `$(width * 2)`"
                    )
                self.fail("E0211", f"`{node}` is not a valid expression", mark, help=help)
        if isinstance(node, Seq):
            return tuple(self.value(item, at, scope) for item, at in zip(node, node.items_at, strict=True))
        if isinstance(node, Map):
            self.fail("E0203", "expected a value, got a mapping", mark, help="write a number, a string or a list")
        if isinstance(node, int | float) and node != node:
            self.fail("E0203", "not a number", mark)
        return node

    def read(self, node: Any, mark: Mark, scope: frozenset[str]) -> Any:
        """As `value`; UNKNOWN after a report."""
        try:
            return self.value(node, mark, scope)
        except _Skip:
            return UNKNOWN

    def pairs(self, node: Any, mark: Mark, scope: frozenset[str]) -> Any:
        """Like `value`, but with mappings as tuples of pairs, and None for a mapping without keys."""
        if not isinstance(node, Map):
            return self.value(node, mark, scope)
        return tuple((name, self.pairs(item, node.values_at[name], scope)) for name, item in node.items()) or None

    def expression(self, text: str, mark: Mark, scope: frozenset[str]) -> Expression:
        """A parsed expression whose names are all in scope."""
        try:
            expression = parse_expression(text, mark)
        except ExpressionError as error:
            self.fail(error.code, str(error), mark, help=error.help)
        unknown = expression.names - scope
        self.asked |= unknown & self.around
        for name in sorted(unknown - self.around):
            help, fix = self.problems.suggest(name, sorted(name for name in scope if not iskeyword(name)), mark)
            if name in ("i", "j", "k", "index", "idx") and "did you" not in help:
                help = f"to count iterations, add `index: {name}` next to `repeat` or `for`"
            self.fail("E0212", f"unknown name `{name}`", mark, help=help, fix=fix)
        return expression

    def refuse(
        self,
        what: str,
        value: Any,
        accepts: Callable[[Any], bool],
        mark: Mark,
        scope: frozenset[str] = frozenset(),
    ) -> NoReturn:
        """Report a wrong value with a proposal; expressions there can use the scope."""
        help, text = intended(value, accepts, scope, mark)
        fix = None if text is None else Fix(mark, text)
        self.fail("E0203", f"{what}, got {shown(value)}", mark, help=help, fix=fix)

    def condition(self, node: Any, mark: Mark, scope: frozenset[str]) -> Expression:
        """`when`: an expression. A plain boolean is an error, because it isn't a condition."""
        if not (isinstance(node, str) and is_expression(node)):
            help = "write `when: $(stride != 1)`"
            self.fail("E0203", f"`when` must be an expression, got {shown(node)}", mark, help=help)
        return self.expression(node, mark, scope)

    def reference(self, node: Any, mark: Mark, scope: frozenset[str] = frozenset()) -> Reference:
        """A reference `name` or `name.output`; the name may contain expressions."""
        if isinstance(node, str) and "$" in node:
            parts = _DOT.split(node)
            if len(parts) <= 2:
                name, part = (self.name(part, mark, scope) if "$" in part else None for part in (*parts, "")[:2])
                written = [each for template in (name, part) if template is not None for each in template.parts]
                if any(isinstance(each, Expression) and "in_channels" in each.names for each in written):
                    message = "a reference cannot use `in_channels`, which depends on what the entry reads"
                    self.fail("E0212", message, mark)
                return Reference(parts[0], parts[1] if len(parts) == 2 else None, mark, name, part)
        match = _REFERENCE.fullmatch(node) if isinstance(node, str) else None
        if match is None:
            help = "a join takes several inputs: `{concat: [a, b]}`" if isinstance(node, list) else ""
            if isinstance(node, int):
                help = "entries of a list have no names; use a mapping: `conv: …`, then `sum: {add: [conv, input]}`"
            self.fail("E0210", f"expected the name of an earlier entry, got {shown(node)}", mark, help=help)
        return Reference(match[1], match[2], mark)

    # Parameters

    def parameters(self, node: Any, scope: frozenset[str], *, required: bool) -> dict[str, Parameter]:
        """The arguments of a block or a network; each default may use the previous ones."""
        found: dict[str, Parameter] = {}
        if not isinstance(node, Map):
            return found
        for name, default in node.items():
            key_mark, mark = node.keys_at[name], node.values_at[name]
            fault = parameter_name_fault(name)
            if fault:
                self.report("E0208", f"an argument cannot be named `{name}`: {fault}", key_mark)
            nothing = default is None and mark[1:3] == mark[3:5]  # no value, not even `null`
            if nothing and not required:
                self.report("E0206", f"the network's argument `{name}` needs a value", key_mark, help=f"`{name}: 1`")
                continue
            value = self.read(default, mark, scope | found.keys())
            found[name] = Parameter(name, value, nothing, key_mark)
        return found

    def inputs(self, node: Any) -> dict[str, Mark]:
        """The declared names of inputs, from a list of them or a mapping."""
        found: dict[str, Mark] = {}
        marks = node.items_at if isinstance(node, Seq) else node.keys_at.values() if isinstance(node, Map) else ()
        for name, mark in zip(node or (), marks, strict=True) if marks else ():
            if not isinstance(name, str):
                continue  # reported by the types of the keys
            fault = input_name_fault(name)
            if fault:
                self.report("E0208", f"an input cannot be named `{name}`: {fault}", mark)
            elif name in found:
                self.report("E0209", f"two inputs are named `{name}`", mark, help="rename one of them")
            else:
                found[name] = mark
        return found

    # Bodies

    def block(self, block: Block, node: Map) -> None:
        """Parse a block's body."""
        scope = frozenset((*block.parameters, *block.channels))
        block.body = self.body(node, node.mark, scope, f"block `{block.name}`", block.inputs)

    def body(
        self, node: Map, mark: Mark, scope: frozenset[str], what: str, inputs: dict[str, Mark] | None = None
    ) -> Body | None:
        """A chain, or branches with their join, from the mapping that contains them; `inputs` names its inputs."""
        if ("layers" in node) == ("branches" in node):
            both = "layers" in node
            message = (
                f"{what} has both `layers` and `branches`" if both else f"{what} has no `layers` and no `branches`"
            )
            self.report("E0202", message, mark, help="write either `layers:`, or `branches:` and `join:`")
            return None
        join = None
        if "branches" in node:
            if "join" not in node:
                self.report("E0202", f"{what} has `branches` but no `join`", node.keys_at["branches"], help=_JOINS)
                return None
            name, join_mark = node["join"], node.values_at["join"]
            kind = KINDS.get(name) if isinstance(name, str) else None
            if kind is None or not kind.many:
                self.report("E0204", f"unknown join {shown(name)}", join_mark, help=_JOINS)
                return None
            if kind.most is not None:  # the number of branches may depend on arguments
                message = f"`{name}` takes {kind.most} inputs, so it cannot join branches"
                help = f"write it as an entry: `{{{name}: [a, b]}}`"
                self.report("E0204", message, join_mark, help=help)
                return None
            join = self.join(kind, join_mark)
            parts, mark = node["branches"], node.keys_at["branches"]
            if not isinstance(parts, Map | Seq) or not parts:
                message = "`branches` must be a list of entries, or a mapping from names to entries"
                self.report("E0217", message, node.values_at["branches"])
                return None
            parts = self._numbered(parts) if isinstance(parts, Seq) else parts
            if "join" in parts:
                message = "a branch cannot be named `join`, because the join itself has that name"
                self.report("E0209", message, parts.keys_at["join"], help="rename the branch")
            (only, *others) = parts.values()
            if not others and not (isinstance(only, Map) and ("repeat" in only or "for" in only)):
                self.report("E0310", f"{what} needs at least two branches, but there is one", mark, help="use `layers`")
            form: Any = "branches"
        else:
            parts, mark = node["layers"], node.keys_at["layers"]
            if "join" in node:
                help = "write `branches:` instead of `layers:`, or join by name with `{concat: [a, b]}`"
                self.report("E0201", "`join` belongs to `branches`", node.keys_at["join"], help=help)
            if not isinstance(parts, Map | Seq) or not parts:
                self.report("E0217", f"`layers` of {what} contains no layers: {shown(parts)}", node.values_at["layers"])
                return None
            form = "mapping" if isinstance(parts, Map) else "list"
        entries = self.entries(parts, scope, numbered=isinstance(node.get("branches"), Seq))
        outputs = self._outputs(node, form, scope)
        body = Body(form, tuple(entries), mark, join, outputs, inputs or {})
        if form == "list" and len(body.inputs) > 1:
            message = f"{what} has several inputs, and the entries of a list cannot name them"
            at = list(body.inputs.values())[1]
            self.report("E0218", message, at, help="write a mapping instead of the list, so that entries have names")
            return body
        return body

    def _numbered(self, parts: Seq) -> Map:
        """Branches in a list, with numbers as names."""
        found = Map(parts.mark)
        for position, (entry, mark) in enumerate(zip(parts, parts.items_at, strict=True)):
            if isinstance(entry, Map) and ("repeat" in entry or "for" in entry):
                help = "write `branches` as a mapping: `branch$i: {…, repeat: 3, index: i}`"
                self.report("E0217", "a loop of branches needs names for them", mark, help=help)
                continue
            found[str(position)] = entry
            found.keys_at[str(position)] = found.values_at[str(position)] = mark
        return found

    def _outputs(self, node: Map, form: str, scope: frozenset[str]) -> tuple[Entry | Splice, ...]:
        wanted = node.get("outputs")
        if wanted is None:
            return ()
        mark = node.values_at["outputs"]
        if form != "mapping":
            self.report("E0219", "`outputs` needs `layers` to be a mapping, because it names their entries", mark)
            return ()
        if isinstance(wanted, Map):
            return tuple(self._named_outputs(wanted, mark, scope))
        if not isinstance(wanted, Seq):
            self.report("E0203", f"`outputs` must be a list or a mapping, got {shown(wanted)}", mark)
            return ()
        found: list[Entry | Splice] = []
        for item, at in zip(wanted, wanted.items_at, strict=True):
            if isinstance(item, Map):
                found += self._named_outputs(item, at, scope)
            else:
                found += self._output(str(item), at, item, at, scope)
        return tuple(found)

    def _named_outputs(self, node: Map, mark: Mark, scope: frozenset[str]) -> Iterator[Entry | Splice]:
        """The outputs of a mapping, which may be a loop."""
        loop = None
        if "repeat" in node or "for" in node:
            try:
                loop = self._loop(node, mark, scope)
            except _Skip:
                return
            scope |= set(loop.names)
        found: list[Entry | Splice] = []
        for name, reference in node.items():
            if loop is None or name not in TURNS:
                found += self._output(name, node.keys_at[name], reference, node.values_at[name], scope)
        if loop is None:
            yield from found
        else:
            loop.entries = tuple(found)
            yield loop

    def _output(self, text: str, mark: Mark, node: Any, at: Mark, scope: frozenset[str]) -> Iterator[Entry]:
        """Parse an output; yield nothing after an error."""
        try:
            name = self.name(text, mark, scope, output_name_fault)
            yield Entry(name, None, mark, (self.reference(node, at, scope),))
        except _Skip:
            return

    def entries(self, parts: Map | Seq, scope: frozenset[str], *, numbered: bool = False) -> Iterator[Entry | Splice]:
        """The entries of a list or a mapping; wrong ones are reported and omitted.

        `numbered` means that the entries are a list, so their names are numbers.
        """
        if isinstance(parts, Seq):
            for node, mark in zip(parts, parts.items_at, strict=True):
                try:
                    yield self.entry(None, node, mark, scope)
                except _Skip:
                    yield Entry(None, None, mark, meant=self._meant(node))
            return
        for text, node in parts.items():
            mark = parts.values_at[text]
            name = None
            turns = isinstance(node, Map) and ("repeat" in node or "for" in node)
            try:
                inner = scope | set(_loop_names(node)) if turns else scope
                label_only = turns and isinstance(node.get("layers"), Map)
                name = Name((text,), parts.keys_at[text], text)
                if not numbered:
                    name = None if label_only else self.name(text, parts.keys_at[text], inner)
                yield self.entry(name, node, mark, scope, label=parts.keys_at[text])
            except _Skip:
                if turns and (name is None or not name.fixed):
                    yield Splice(UNKNOWN, None, (), None, (), mark)  # entries with unknown names
                else:
                    yield Entry(name, None, mark, meant=self._meant(node))

    def _meant(self, node: Any) -> type[Kind] | None:
        """The kind that a faulty entry is likely to be, if it can only be a layer."""
        key = next(iter(node)) if isinstance(node, Map) and len(node) == 1 else node
        if not isinstance(key, str) or key in self.blocks or key.startswith("$"):
            return None
        if key in KINDS:
            return KINDS[key]
        word = self.problems.nearest(key, [*self.blocks, *KINDS])
        return KINDS.get(word)

    def name(self, text: str, mark: Mark, scope: frozenset[str], why_not: NameFault = layer_name_fault) -> Name:
        """The name of an entry or an output, which is checked now unless it contains expressions."""
        if "$" not in text:
            fault = why_not(text)
            if fault:
                self.fail("E0208", f"{NAMED[why_not]} cannot be named `{text}`: {fault}", mark)
            return Name((text,), mark, text)
        parts: list[str | Expression] = []
        end = 0
        for match in _INTERPOLATION.finditer(text):
            parts.append(text[end : match.start()])
            parts.append(self.expression(f"$({match[1] or match[2]})", mark, scope))
            end = match.end()
        parts.append(text[end:])
        if any(isinstance(part, str) and "$" in part for part in parts):
            self.fail("E0211", f"`{text}`: write an index in a name as `conv$i` or `conv$(i + 1)`", mark)
        return Name(tuple(part for part in parts if part != ""), mark)

    def entry(
        self, name: Name | None, node: Any, mark: Mark, scope: frozenset[str], *, label: Mark | None = None
    ) -> Entry | Splice:
        """Parse one entry or loop of a body."""
        if isinstance(node, str):
            return Entry(name, self.call(node, mark, None, mark, scope, Taken(name is None)), mark)
        if isinstance(node, Seq):
            if not node:
                self.fail("E0217", "the list is empty", mark)
            return Entry(name, Body("list", tuple(self.entries(node, scope)), mark), mark)
        if not isinstance(node, Map) or not node:
            self.fail("E0217", f"expected a layer, got {shown(node)}", mark, help=_ENTRY)
        if len(node) == 1:
            (key,) = node
            if key not in ENTRY_KEYS:  # the common case
                place = node.keys_at[key]
                given = Taken(name is None)
                return Entry(name, self.call(key, place, node[key], node.values_at[key], scope, given), place)
        if "repeat" in node or "for" in node:
            # The entries of a list have no names, so in a mapping each iteration is one entry, under the loop's key.
            several = "layers" in node and (label is None or not isinstance(node["layers"], Seq))
            return self.splice(name, node, label or mark, scope, several)
        calls = [key for key in node if key not in MODIFIERS and key not in BODY]
        for key in ("in", "index"):
            if key in calls:
                self.fail("E0201", f"`{key}` needs `repeat` or `for`", node.keys_at[key], help=_LOOP_HELP)
        self._one_element(node, calls, mark)
        given = self.taken(node, scope, name is None)
        element: LayerCall | BlockCall | ChosenCall | Body | Share
        if calls == [SHARE]:
            element = self.share(node[SHARE], node.values_at[SHARE], scope, given, name is None)
        elif calls:
            key = calls[0]
            element = self.call(key, node.keys_at[key], node[key], node.values_at[key], scope, given)
        else:
            body = self.body(node, mark, scope, "the nested mapping")
            if body is None:
                raise _Skip
            element = body
            self.counted("a nested body", {}, given, mark)
        if given.sources and isinstance(element, LayerCall) and element.kind.many:
            help = f"write `{{{element.kind.kind}: [{given.sources[0].name}, …]}}`"
            self.fail("E0201", "a join already lists its inputs", node.keys_at["from"], help=help)
        when = None
        if "when" in node:
            when = self.condition(node["when"], node.values_at["when"], scope)
        auxiliary = node.get("auxiliary", False)
        if not isinstance(auxiliary, bool):
            self.refuse("`auxiliary` must be true or false", auxiliary, _is_truth, node.values_at["auxiliary"])
        place = node.keys_at[calls[0]] if calls else mark
        return Entry(name, element, place, given.sources, when, auxiliary)

    def taken(self, node: Map, scope: frozenset[str], in_list: bool) -> Taken:
        """Parse the inputs that an entry names in its `from`."""
        if "from" not in node:
            return Taken(in_list)
        written, mark = node["from"], node.values_at["from"]
        if not isinstance(written, Seq):
            return Taken(in_list, (self.reference(written, mark, scope),), mark)
        if not written:
            self.fail("E0210", "`from` names no entry", mark, help="write `from: a`, or remove it")
        marks = written.items_at
        return Taken(
            in_list, tuple(self.reference(item, at, scope) for item, at in zip(written, marks, strict=True)), mark, True
        )

    def counted(self, what: str, inputs: Iterable[str], given: Taken, mark: Mark) -> None:
        """Refuse a call that does not take as many values as there are inputs; those of one may have no names."""
        names, count = list(inputs) or ["input"], max(len(given.sources), 1)
        if count == len(names) and not (given.several and count == 1):
            return
        shown = ", ".join(f"`{name}`" for name in names)
        letters = ", ".join(chr(ord("a") + at) for at in range(len(names)))
        help, fix = f"name an entry for each of them, in this order: `from: [{letters}]`", None
        if len(names) == 1:
            only = given.sources[0]
            written = only.name if only.output is None else f"{only.name}.{only.output}"
            help = f"write `from: {written}`"
            fix = Fix(given.mark, written) if given.mark is not None and count == 1 else None
            if count > 1:
                help = f"name one entry; to take several, {what} needs `inputs: [x, y]`, or join them first"
                if not what.startswith("block"):
                    help = "name one entry; to join several, write an entry such as `{concat: [a, b]}` before it"
            shown = "one input"
        else:
            shown = f"{len(names)} inputs ({shown})"
            if given.in_list:
                help = f"an entry of a list takes only one tensor: write a mapping instead, and `from: [{letters}]`"
        got = "a list" if count == len(names) else f"{count}" if count > 1 else "one"
        self.fail("E0225", f"{what} takes {shown}, but gets {got}", given.mark or mark, help=help, fix=fix)

    def _one_element(self, node: Map, calls: list[str], mark: Mark) -> None:
        structure = [key for key in node if key in BODY]
        if len(calls) == 1 and not structure:
            return
        if not calls and structure:
            return
        if not calls:
            self.fail("E0217", "the entry has no layer", mark, help=_ENTRY)
        known = [key for key in calls if key in KINDS or key in self.blocks or key.startswith("$") or key == SHARE]
        strange = [key for key in calls if key not in known]
        if not known and not structure and len(strange) > 1:
            help = "to group named layers, put them under `layers:`"
            self.fail("E0201", f"unknown key `{strange[0]}` in an entry", node.keys_at[strange[0]], help=help)
        if len(known) + bool(structure) <= 1 and strange:
            for key in strange:
                help, fix = self.unknown(node, key, [*MODIFIERS, *TURNS, *BODY, SHARE])
                if known == [SHARE] and fix is None:
                    help = "remove it: a share has the arguments of the entry that it names"
                elif known and known[0] in (*KINDS, *self.blocks):
                    arguments = KINDS[known[0]].model_fields if known[0] in KINDS else self.blocks[known[0]].parameters
                    if key in arguments:
                        help, fix = f"put arguments inside the layer: `{known[0]}: {{{key}: …}}`", None
                self.report("E0201", f"unknown key `{key}` in an entry", node.keys_at[key], help=help, fix=fix)
            raise _Skip
        names = [*calls, *structure]
        self.fail(
            "E0217",
            f"an entry has one layer, but this one has {len(names)}: {', '.join(f'`{name}`' for name in names)}",
            node.keys_at[names[1]],
            help="give each its own entry",
        )

    def share(self, node: Any, mark: Mark, scope: frozenset[str], given: Taken, in_list: bool) -> Share:
        """The name of an entry that runs once more with the same weights."""
        if in_list:
            help = "write a mapping instead of the list, so that entries have names"
            self.fail("E0218", "an entry of a list cannot share the weights of another one", mark, help=help)
        if not isinstance(node, str):
            help = "write `share: a` with the name of an entry above, whose layer and arguments it has"
            self.fail("E0226", f"`share` must be the name of an entry, got {shown(node)}", mark, help=help)
        owner = self.reference(node, mark, scope)
        if owner.output is not None:
            help = f"write `share: {owner.name}`"
            self.fail("E0226", f"`share` must be the name of an entry, not of its output `{node}`", mark, help=help)
        if given.several and len(given.sources) == 1:
            self.counted("`share`", (), given, mark)
        return Share(owner)

    def splice(self, name: Name | None, node: Map, mark: Mark, scope: frozenset[str], several: bool) -> Splice:
        """A `repeat` or `for` loop, of one entry or of `several`."""
        for key in ("from", "auxiliary"):
            if key in node and several:
                self.fail("E0201", f"`{key}` applies to an entry, not to a loop", node.keys_at[key])
        if several:
            known = (*TURNS, "layers", "when")
            for key in [key for key in node if key not in known]:
                help, fix = self.unknown(node, key, known)
                self.report("E0201", f"unknown key `{key}` in a loop", node.keys_at[key], help=help, fix=fix)
            node = meant_among(node, list(known))
        loop = self._loop(node, mark, scope)
        if several and "when" in node:
            loop.when = self.condition(node["when"], node.values_at["when"], scope)
        inner = scope | set(loop.names)
        if several:
            parts = node["layers"]
            if not isinstance(parts, Map | Seq) or not parts:
                self.fail("E0217", f"`layers` of the loop contains no layers: {shown(parts)}", node.values_at["layers"])
            loop.entries = tuple(self.entries(parts, inner))
        else:
            single = Map(node.mark)
            for key, part in node.items():
                if key not in TURNS:
                    single[key] = part
                    single.keys_at[key], single.values_at[key] = node.keys_at[key], node.values_at[key]
            loop.entries = (self.entry(name, single, mark, inner),)
        return loop

    def _loop(self, node: Map, mark: Mark, scope: frozenset[str]) -> Splice:
        """The head of a loop, without entries."""
        if "repeat" in node and "for" in node:
            self.fail(
                "E0201", "an entry can have `repeat` or `for`, but not both", node.keys_at["for"], help=_LOOP_HELP
            )
        count: Any = None
        rows: Any = None
        variables: tuple[str, ...] = ()
        index = node.get("index")
        if index is not None and not isinstance(index, str):
            self.fail("E0203", f"`index` must be the name of a variable, got {shown(index)}", node.values_at["index"])
        if "repeat" in node:
            if "in" in node:
                self.fail("E0201", "`in` belongs to `for`", node.keys_at["in"], help=_LOOP_HELP)
            count = self.read(node["repeat"], node.values_at["repeat"], scope)
            if not (count is UNKNOWN or isinstance(count, Expression) or is_count(count)):
                at = node.values_at["repeat"]
                self.refuse("`repeat` must be a non-negative integer", node["repeat"], is_count, at, scope)
        else:
            wanted = node["for"]
            names = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, Seq) else []
            if not names or not all(isinstance(item, str) for item in names):
                self.fail(
                    "E0203",
                    f"`for` must be a variable name or a list of them, got {shown(wanted)}",
                    mark,
                    help=_LOOP_HELP,
                )
            variables = tuple(names)
            if "in" not in node:
                self.fail("E0202", "`for` needs `in`, the rows to loop over", node.keys_at["for"], help=_LOOP_HELP)
            rows = self.read(node["in"], node.values_at["in"], scope)
            if not (rows is UNKNOWN or isinstance(rows, tuple | Expression)):
                self.fail(
                    "E0203", f"`in` must be a list, got {shown(node['in'])}", node.values_at["in"], help=_LOOP_HELP
                )
        loop = [*variables, *([index] if index else [])]
        for variable in loop:
            fault = variable_name_fault(variable)
            if fault:
                self.fail("E0208", f"a variable cannot be named `{variable}`: {fault}", mark)
            if variable in scope:
                self.fail("E0209", f"the variable `{variable}` shadows another name", mark, help="rename it")
        if len(set(loop)) < len(loop):
            self.fail("E0209", "the variables of a loop must have different names", mark)
        return Splice(count, rows, variables, index, (), mark)

    # Calls

    def call(
        self, target: str, mark: Mark, node: Any, node_mark: Mark, scope: frozenset[str], given: Taken
    ) -> LayerCall | BlockCall | ChosenCall:
        """A layer kind or a block with its arguments, for the values that it takes."""
        if target.startswith("$"):
            return self.chosen_call(target, mark, node, node_mark, scope, given)
        if target in self.blocks:
            if not self.blocks[target].is_valid:
                raise _Skip
            return self.block_call(self.blocks[target], mark, node, node_mark, scope, given)
        kind = KINDS.get(target)
        if kind is None:
            message, help, fix = unknown_layer(target, [*self.blocks, *KINDS], mark, self.problems)
            self.fail("E0204", message, mark, help=help, fix=fix)
        operands: tuple[Reference, ...] = ()
        if kind.many:
            operands, node = self._operands(kind, node, node_mark, scope)
        return self.layer_call(kind, mark, node, node_mark, scope, given, operands)

    def chosen_call(
        self, target: str, mark: Mark, node: Any, node_mark: Mark, scope: frozenset[str], given: Taken
    ) -> ChosenCall:
        """A layer or block that an expression names; its arguments are parsed for each option."""
        which = self.value(target, mark, scope)
        items = [(node, node_mark)]
        if isinstance(node, Map):
            items = [(item, node.values_at[name]) for name, item in node.items()]
        arguments, wrong = [], False
        for item, at in items:
            try:
                arguments.append(self.pairs(item, at, scope))
            except _Skip:
                wrong = True
        if wrong:
            raise _Skip
        around, blocks = self.around, self.blocks

        def make(callee: Callee) -> LayerCall | BlockCall:
            parser = Parser(Problems(), blocks)
            parser.around = around
            call: LayerCall | BlockCall
            with suppress(_Skip):
                if isinstance(callee.target, Block):
                    call = parser.block_call(callee.target, mark, node, node_mark, scope, given)
                    if callee.target.known is blocks:
                        parser.hand_down(call, scope if around else frozenset())
                else:
                    call = parser.layer_call(callee.target, mark, node, node_mark, scope, given)
                if not parser.problems:
                    return call
            raise SpecError(parser.problems.sorted())

        return ChosenCall(which, mark, tuple(arguments), make)

    def hand_down(self, call: BlockCall, hidden: frozenset[str]) -> None:
        """Let a call pass on the network's arguments that its block inherits; a name that shadows one is reported."""
        for name in [name for name in call.block.parameters if name not in call.block.own]:
            if name in hidden:
                message = f"`{name}` hides the network's argument, which block `{call.block.name}` reads"
                self.report("E0209", message, call.mark, help="rename one of them")
            call.arguments[name] = parse_expression(f"${name}", call.mark)

    def layer_call(
        self,
        kind: type[Kind],
        mark: Mark,
        node: Any,
        node_mark: Mark,
        scope: frozenset[str],
        given: Taken,
        operands: tuple[Reference, ...] = (),
    ) -> LayerCall:
        """A layer with its arguments; a join has operands."""
        target = kind.kind
        if kind.opaque:
            scope |= INPUT_SIZES
        if not operands:
            self.counted(f"`{target}`", (), given, mark)
        arguments, marks = self._arguments(kind, target, node, node_mark, scope)
        call = LayerCall(kind, mark, arguments, marks, operands)
        if kind.opaque and isinstance(arguments.get("target"), Expression):
            at = marks["target"]
            self.fail(
                "E0203", "`target` must be the address of a class, not an expression", at, help="write the address"
            )
        expressions = any(has_expression(value) for value in arguments.values())
        if expressions and not self._plain_ones(kind, mark, arguments, marks, scope):
            raise _Skip
        for name, field in kind.model_fields.items():
            if field.is_required() and name not in arguments:
                self.fail(
                    "E0206", f"`{target}` is missing the argument `{name}`", mark, help=f"`{target}: {{{name}: …}}`"
                )
        if not expressions:
            call.ready = make_kind(call, arguments, self.problems, scope)
            if call.ready is None:
                raise _Skip
        return call

    def join(self, kind: type[Kind], mark: Mark) -> LayerCall:
        """A join of a body's branches."""
        call = LayerCall(kind, mark, {}, {})
        call.ready = make_kind(call, {}, self.problems)
        return call

    def _operands(
        self, kind: type[Kind], node: Any, node_mark: Mark, scope: frozenset[str]
    ) -> tuple[tuple[Reference, ...], Map | None]:
        """The inputs of a join, `[a, b]` or `{inputs: [a, b], …}`, and its arguments."""
        arguments = None
        if isinstance(node, Map) and kind.model_fields:
            if "inputs" not in node:
                help = f"write `{{{kind.kind}: {{inputs: [a, b], …}}}}` with the names of earlier entries"
                self.fail("E0310", f"`{kind.kind}` has no `inputs`", node_mark, help=help)
            arguments = Map(node.mark)
            for name, item in node.items():
                if name != "inputs":
                    arguments[name] = item
                    arguments.keys_at[name], arguments.values_at[name] = node.keys_at[name], node.values_at[name]
            node, node_mark = node["inputs"], node.values_at["inputs"]
        if not isinstance(node, Seq) or len(node) < 2:
            help = f"write `{{{kind.kind}: [a, b]}}` with the names of earlier entries"
            self.fail("E0310", f"`{kind.kind}` joins two or more inputs, got {shown(node)}", node_mark, help=help)
        references = tuple(self.reference(item, at, scope) for item, at in zip(node, node.items_at, strict=True))
        return references, arguments

    def _arguments(
        self, kind: type[Kind], target: str, node: Any, node_mark: Mark, scope: frozenset[str]
    ) -> tuple[dict[str, Any], dict[str, Mark]]:
        fields = list(kind.model_fields)
        if node is None:
            return {}, {}
        if not isinstance(node, Map):
            alone = kind.alone()
            if alone is None:
                if not fields:
                    self.fail("E0207", f"`{target}` takes no arguments, got {shown(node)}", node_mark)
                help = f"write `{target}`: archc infers the channels from the previous layer"
                self.fail("E0207", f"`{target}` takes no positional argument, got {shown(node)}", node_mark, help=help)
            if isinstance(node, Seq) and not takes_list(kind, alone):
                self._by_position(kind, node, node_mark, scope)
            return {alone: self.value(node, node_mark, scope)}, {alone: node_mark}
        arguments, wrong = {}, False
        for name, item in node.items():
            if name not in fields:
                wrong = True
                help, fix = self.unknown(node, name, fields)
                if name.endswith(")") and ")" not in name[:-1]:
                    help, fix = "YAML has no tuples: write a pair in brackets, such as `kernel_size: [3, 3]`", None
                elif name in ("in_channels", "in_features", "num_features", "num_channels"):
                    help = "remove it: archc infers the input channels from the previous layer"
                    fix = removal(node, name)
                self.report("E0205", f"`{target}` has no argument `{name}`", node.keys_at[name], help=help, fix=fix)
                continue
            try:
                if name in kind.keywords and isinstance(item, Map):
                    pairs = [(key, self.value(item[key], item.values_at[key], scope)) for key in item]
                    arguments[name] = tuple(pairs)
                    continue
                whole = name in kind.mappings and isinstance(item, Map)
                read = self.pairs if whole else self.value
                arguments[name] = read(item, node.values_at[name], scope)
            except _Skip:
                wrong = True
        marks = {name: node.values_at[name] for name in arguments}
        if wrong:
            self._plain_ones(kind, node_mark, arguments, marks, scope)
            raise _Skip
        return arguments, marks

    def _by_position(self, kind: type[Kind], node: Seq, mark: Mark, scope: frozenset[str]) -> NoReturn:
        """Report positional arguments as in torch, where the input channels often come first."""
        values = self.value(node, mark, scope)
        readings = [
            reading
            for reading in positional_readings(kind, list(node))
            if self._fits(kind, mark, {name: values[at] for name, at in reading.items()})
        ]
        help, fix = "name each argument", None
        if readings:
            text = flow_text({name: node[at] for name, at in readings[0].items()})
            help = f"write `{kind.kind}: {text}`"
            if len(readings[0]) < len(node):
                help += "; archc infers the input channels from the previous layer"
            fix = Fix(mark, text) if len(readings) == 1 else None
        message = f"`{kind.kind}` takes its arguments by name, but got the list {shown(node)}"
        self.fail("E0207", message, mark, help=help, fix=fix)

    def _fits(self, kind: type[Kind], mark: Mark, arguments: dict[str, Any]) -> bool:
        """Return True if a kind can have these arguments, as far as their values are known."""
        if any(field.is_required() and name not in arguments for name, field in kind.model_fields.items()):
            return False
        known = {name: value for name, value in arguments.items() if not _usual(kind, name, value)}
        needed = {name for name, field in kind.model_fields.items() if field.is_required()}
        stand_ins = dict.fromkeys(needed - known.keys(), 1)
        return make_kind(LayerCall(kind, mark, {}, {}), {**known, **stand_ins}, Problems()) is not None

    def _plain_ones(
        self, kind: type[Kind], mark: Mark, arguments: dict[str, Any], marks: dict[str, Mark], scope: frozenset[str]
    ) -> bool:
        """Return True if the arguments with known values have valid types, regardless of the others."""
        known = {name: value for name, value in arguments.items() if not _usual(kind, name, value)}
        if not known:
            return True
        found = Problems()
        make_kind(LayerCall(kind, mark, known, marks), known, found, scope)
        faults = [problem for problem in found.sorted() if problem.mark in marks.values()]
        for problem in faults:
            self.problems.add(problem)
        return not faults

    def block_call(
        self, block: Block, mark: Mark, node: Any, node_mark: Mark, scope: frozenset[str], given: Taken
    ) -> BlockCall:
        """A block with named or positional arguments."""
        self.counted(f"block `{block.name}`", block.inputs, given, mark)
        names = block.own
        arguments: dict[str, Any] = {}
        marks: dict[str, Mark] = {}
        wrong = False
        if isinstance(node, Map):
            for name, item in node.items():
                if name not in names:
                    wrong = True
                    help, fix = self.unknown(node, name, names)
                    help, what = help or f"`{block.name}` takes no arguments", f"block `{block.name}` has no argument"
                    self.report("E0205", f"{what} `{name}`", node.keys_at[name], help=help, fix=fix)
                    continue
                try:
                    arguments[name] = self.value(item, node.values_at[name], scope)
                    marks[name] = node.values_at[name]
                except _Skip:
                    wrong = True
        elif node is not None:
            items = list(zip(node, node.items_at, strict=True)) if isinstance(node, Seq) else [(node, node_mark)]
            if len(items) > len(names):
                known = f"its arguments are {', '.join(f'`{name}`' for name in names)}" if names else "it has none"
                self.fail(
                    "E0207",
                    f"block `{block.name}` takes {len(names)} argument{'s' * (len(names) != 1)}, got {len(items)}",
                    node_mark,
                    help=known,
                )
            for name, (item, at) in zip(names, items, strict=False):
                try:
                    arguments[name], marks[name] = self.value(item, at, scope), at
                except _Skip:
                    wrong = True
        if wrong:
            raise _Skip
        required = [name for name, parameter in block.parameters.items() if parameter.required]
        missing = ", ".join(f"`{name}`" for name in required if name not in arguments)
        if missing:
            whole = ", ".join(f"{name}: …" for name in required)
            self.fail("E0206", f"block `{block.name}` needs {missing}", mark, help=f"`{block.name}: {{{whole}}}`")
        return BlockCall(block, mark, arguments, marks)


INPUT_SIZES: Final = frozenset(size for sizes in DIMENSIONS.values() for size in sizes)
"""The names of the sizes of an entry's input, which the arguments of a `module` can use."""

_JOINS = "use `concat`, `add` or `multiply`"
_ENTRY = "write a layer's name (`relu`), a layer with arguments (`conv2d: {…}`), a list, or `layers:`/`branches:`"


def make_kind(
    call: LayerCall, arguments: dict[str, Any], problems: Problems, names: frozenset[str] | None = None
) -> Kind | None:
    """The validated kind of a call; None after errors, which are reported at the arguments.

    `names` are those that an argument can use, if none has been evaluated yet. Equal kinds are one object, in all
    specs.
    """
    key = (call.kind, *arguments, key_of(*arguments.values()))
    known = _KINDS.get(key)
    if known is not None:
        return known

    def located() -> Map:
        root = Map(call.mark)
        root.update(arguments)
        root.keys_at = root.values_at = {name: call.marks.get(name, call.mark) for name in arguments}
        return root

    kind = validate(call.kind, arguments, located, call.mark, problems, f"`{call.kind.kind}`", names)
    if kind is not None:
        remember(_KINDS, key, kind)
    return kind


_KINDS: Final[dict[Any, Kind]] = {}


def _usual(kind: type[Kind], name: str, value: Any) -> bool:
    """Return True if a value needs no validation: an expression, `padding: same`, or a valid boolean."""
    if type(value) is bool:
        return type(kind.model_fields[name].default) is bool
    return has_expression(value) or (name == "padding" and value == "same")


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _parses(text: str, mark: Mark) -> bool:
    try:
        parse_expression(text, mark)
    except ExpressionError:
        return False
    return True


def _loop_names(node: Map) -> list[str]:
    wanted = node.get("for")
    names = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, Seq) else []
    return [name for name in [*names, node.get("index")] if isinstance(name, str)]
