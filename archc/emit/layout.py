"""Layout of Python source in the formatter's style: on one line, or one item or operand per line."""

from __future__ import annotations

from typing import Any, NamedTuple

from archc.expressions import Call, Choice, Const, Expr, Item, Items, Level, Logic, Name, lift, operands, python_text

WIDTH = 120
INDENT = 4


class Group(NamedTuple):
    """Brackets with items: a call, a list, a signature. `open` and `close` include the text around them.

    `comments` follow the items; with them, or with `tall`, there is one item per line. `comma` adds a trailing comma in
    this case. `packed` allows all items on one line of their own.
    """

    open: str
    items: tuple[Doc, ...]
    close: str
    comments: tuple[str, ...] = ()
    tall: bool = False
    comma: bool = True
    packed: bool = True


class Operation(NamedTuple):
    """Operands with the text before each: `a`, `+ b`. Within brackets, each can have its own line."""

    parts: tuple[tuple[str, Doc], ...]


class Each(NamedTuple):
    """`*(item for i in range(n))`: the items of a generator; `clauses` are its `for` clauses."""

    item: Doc
    clauses: tuple[Doc, ...]


class Marked(NamedTuple):
    """An item whose lines are marked with ids; `unmarked` removes the marks."""

    item: Doc
    parts: tuple[int, ...]


Doc = str | Group | Operation | Each | Marked

_MARK = "\0"  # no line of source contains it


def document(value: Any, least: Level = Level.CHOICE) -> Doc:
    """An expression of the source as a document."""
    if type(value) is int and value >= 0:
        return str(value)
    if type(value) is Name:
        return value.name
    node = lift(value)
    level, parts = operands(node)
    doc: Doc
    if not parts or level == Level.POWER:
        doc = _atom(node)
    elif len(parts) == 1:
        sign = parts[0].sign + " " * (parts[0].sign == "not")
        inner = document(parts[0].value, parts[0].least)
        doc = inner._replace(open=sign + inner.open) if isinstance(inner, Group) else sign + str(flat(inner))
    else:
        rows: list[tuple[str, Doc]] = []
        for sign, value_, needed in parts:
            inner = document(value_, needed)
            # The formatter breaks `and` and `or` in the same way, and the alternatives of an `else`.
            chained = isinstance(node, Logic) and isinstance(value_, Logic)
            chained = chained or (sign == "else" and isinstance(value_, Choice))
            if chained and isinstance(inner, Operation):
                rows += [(sign, inner.parts[0][1]), *inner.parts[1:]]
            else:
                rows.append((sign, inner))
        doc = Operation(tuple(rows))
    return doc if level >= least else Group("(", (doc,), ")", comma=False)


def _atom(node: Expr) -> Doc:
    match node:
        case Call(function, arguments):
            return Group(f"{function}(", tuple(map(document, arguments)), ")", comma=len(arguments) > 1)
        case Item(base, index) if not isinstance(index, Const):
            return Group(f"{python_text(base, Level.ATOM)}[", (document(index),), "]", comma=False)
        case Items(items) if len(items) > 1:
            return Group("(", tuple(map(document, items)), ")", packed=False)
    return python_text(node)


def call(target: str, positional: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...] = ()) -> Group:
    """A call with its arguments."""
    named = [keyword(name, document(value)) for name, value in keywords]
    return Group(f"{target}(", (*map(argument, positional), *named), ")")


def argument(value: Any) -> Doc:
    """An argument: a list of torch's, an expression, or a document."""
    if isinstance(value, list):
        return Group("[", tuple(map(document, value)), "]", packed=False)
    return value if isinstance(value, Group | Operation | Each | Marked) else document(value)


def keyword(name: str, doc: Doc) -> Doc:
    """`name=value`."""
    return prefixed(f"{name}=", doc)


def prefixed(before: str, doc: Doc) -> Doc:
    """A document with a text directly before it."""
    match doc:
        case str():
            return before + doc
        case Group():
            return doc._replace(open=before + doc.open)
        case Operation(((sign, first), *rest)):
            return Operation(((sign, prefixed(before, first)), *rest))
        case Marked(item, parts):
            return Marked(prefixed(before, item), parts)
    raise TypeError("a generator expression is the only argument")


# Marks


def marked(lines: list[str], parts: tuple[int, ...]) -> list[str]:
    """The lines, each followed by its ids."""
    end = "".join(f"{_MARK}{part}" for part in parts)
    return [line + end for line in lines] if end else lines


def unmarked(text: str) -> tuple[str, dict[int, list[int]]]:
    """The text without marks, and the lines (from 1) of each id."""
    found: dict[int, list[int]] = {}
    lines = []
    for number, marked_line in enumerate(text.split("\n"), 1):
        line, *parts = marked_line.split(_MARK)
        lines.append(line)
        for part in dict.fromkeys(parts):
            found.setdefault(int(part), []).append(number)
    return "\n".join(lines), found


def _parts(doc: Doc) -> tuple[int, ...]:
    """The ids of a document that is on one line."""
    match doc:
        case str():
            return ()
        case Marked(item, parts):
            return (*parts, *_parts(item))
        case Each(item, clauses):
            return tuple(part for inner in (item, *clauses) for part in _parts(inner))
        case Operation(parts):
            return tuple(part for _, inner in parts for part in _parts(inner))
        case Group():
            return tuple(part for item in doc.items for part in _parts(item))


# Lines


def flat(doc: Doc) -> str | None:
    """The text on one line; None if it needs several."""
    match doc:
        case str():
            return doc
        case Marked(item, _):
            return flat(item)
        case Each(item, clauses):
            texts = [flat(part) for part in (item, *clauses)]
            return None if None in texts else f"*({' '.join(map(str, texts))})"
        case Operation(parts):
            texts = [flat(part) for _, part in parts]
            if None in texts:
                return None
            return " ".join(
                f"{sign} {text}" if sign else str(text) for (sign, _), text in zip(parts, texts, strict=True)
            )
        case Group(start, items, end, comments, tall, _, _):
            if (tall and items) or any(comments):
                return None
            texts = [flat(item) for item in items]
            return None if None in texts else f"{start}{', '.join(map(str, texts))}{end}"


def statement(doc: Doc, indent: int, *, before: str = "", after: str = "", comment: str = "") -> list[str]:
    """The lines of `before doc after` if there are no brackets around it; they are added if it must be broken."""
    inner = doc.item if isinstance(doc, Marked) else doc
    if not isinstance(inner, Operation) or _fits(doc, indent, before, after):
        return lay_out(doc, indent, before=before, after=after, comment=comment)
    room = WIDTH - indent - len(before)
    broken: Doc | None = _hugged_last(inner, room) or _hugged_first(inner, indent, after)
    broken = broken or Group("(", (inner,), ")", comma=False, tall=True)
    return marked(lay_out(broken, indent, before=before, after=after), _parts(inner))


def _hugged_last(operation: Operation, room: int) -> Group | None:
    """`a + f(…)`, broken within the last operand's brackets, as the formatter does if there is one operator."""
    if len(operation.parts) != 2 or "if" in [sign for sign, _ in operation.parts]:
        return None
    (_, first), (sign, last) = operation.parts
    last = last.item if isinstance(last, Marked) else last
    start = flat(first)
    if not isinstance(last, Group) or not last.items or start is None:
        return None
    open_ = f"{start} {sign} {last.open}"
    return last._replace(open=open_) if len(open_) <= room else None


def _hugged_first(operation: Operation, indent: int, after: str) -> Group | None:
    """`a in (…) and b`, broken within the first operand's brackets if breaking the last operand's doesn't help."""
    if len(operation.parts) != 2 or "if" in [sign for sign, _ in operation.parts]:
        return None
    (_, first), (sign, last) = operation.parts
    before = ""
    if isinstance(first, Operation) and len(first.parts) == 2:
        (_, start), (inner, group) = first.parts
        before, first = f"{flat(start)} {inner} ", group
    end = flat(last)
    if not isinstance(first, Group) or not first.items or end is None or first.open not in ("(", "["):
        return None
    close = f"{first.close} {sign} {end}"
    return first._replace(open=before + first.open, close=close) if indent + len(close + after) <= WIDTH else None


def _fits(doc: Doc, indent: int, before: str, after: str) -> bool:
    text = flat(doc)
    return text is not None and indent + len(before) + len(text) + len(after) <= WIDTH


def lay_out(doc: Doc, indent: int, *, before: str = "", after: str = "", comment: str = "") -> list[str]:
    """The lines of `before doc after` within brackets; a comment that doesn't fit is omitted."""
    pad = " " * indent
    line = flat(doc)
    if line is not None and indent + len(before) + len(line) + len(after) <= WIDTH:
        text = f"{pad}{before}{line}{after}"
        with_comment = f"{text}  # {comment}"
        return marked([with_comment if comment and len(with_comment) <= WIDTH else text], _parts(doc))
    match doc:
        case str():
            return [pad + before + doc + after]
        case Marked(item, parts):
            return marked(lay_out(item, indent, before=before, after=after, comment=comment), parts)
        case Operation(parts):
            lines = []
            for position, (sign, operand) in enumerate(parts):
                start = f"{before if position == 0 else ''}{sign} " if sign else before
                lines += lay_out(operand, indent, before=start, after=after if position == len(parts) - 1 else "")
            return lines
        case Each(item, clauses):
            inner = [line for part in (item, *clauses) for line in lay_out(part, indent + INDENT)]
            return [f"{pad}{before}*(", *inner, f"{pad}){after}"]
        case Group():
            return _broken(doc, indent, before, after)


def _broken(group: Group, indent: int, before: str, after: str) -> list[str]:
    pad, inner = " " * indent, indent + INDENT
    first, last = pad + before + group.open, pad + group.close + after
    texts = [flat(item) for item in group.items]
    if not group.tall and not any(group.comments) and group.packed and None not in texts:
        joined = ", ".join(map(str, texts))
        if inner + len(joined) <= WIDTH:
            return [first, *marked([" " * inner + joined], tuple(p for i in group.items for p in _parts(i))), last]
    lines = [first]
    notes = group.comments or ("",) * len(group.items)
    for item, note in zip(group.items, notes, strict=True):
        lines += lay_out(item, inner, after="," if group.comma else "", comment=note)
    return [*lines, last]
