"""Python expressions laid out as the formatter would: on one line, or one item a line with a trailing comma."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 120
INDENT = 4


class Group(NamedTuple):
    """Brackets with items: a call, a list, a signature. `open` and `close` carry what stands around.

    `comments` stand behind the items; with them, or with `tall`, the items stand one a line.
    """

    open: str
    items: tuple[Doc, ...]
    close: str
    comments: tuple[str, ...] = ()
    tall: bool = False


class Optional(NamedTuple):
    """`*([item] if condition else [])`: an entry of a list that may be left out."""

    item: Doc
    condition: str


class Each(NamedTuple):
    """`*(item for i in range(n))`: the items of a generator; `clauses` are its `for` parts."""

    item: Doc
    clauses: tuple[Doc, ...]


class Marked(NamedTuple):
    """An item whose lines bear the numbers of what they stand for; `unmarked` takes them away again."""

    item: Doc
    parts: tuple[int, ...]


Doc = str | Group | Optional | Each | Marked

_MARK = "\0"  # no line of a source holds it


def marked(lines: list[str], parts: tuple[int, ...]) -> list[str]:
    """The lines, each with the numbers behind it."""
    end = "".join(f"{_MARK}{part}" for part in parts)
    return [line + end for line in lines] if end else lines


def unmarked(text: str) -> tuple[str, dict[int, list[int]]]:
    """The text without its marks, and the lines (from 1) that bore each number."""
    found: dict[int, list[int]] = {}
    lines = []
    for number, marked_line in enumerate(text.split("\n"), 1):
        line, *parts = marked_line.split(_MARK)
        lines.append(line)
        for part in dict.fromkeys(parts):
            found.setdefault(int(part), []).append(number)
    return "\n".join(lines), found


def _parts(doc: Doc) -> tuple[int, ...]:
    """The numbers of what stands on the one line of a document."""
    match doc:
        case str():
            return ()
        case Marked(item, parts):
            return (*parts, *_parts(item))
        case Optional(item):
            return _parts(item)
        case Each(item, clauses):
            return tuple(part for inner in (item, *clauses) for part in _parts(inner))
        case Group():
            return tuple(part for item in doc.items for part in _parts(item))


def flat(doc: Doc) -> str | None:
    """The text on one line; None where the lines are forced."""
    if isinstance(doc, str):
        return doc
    if isinstance(doc, Marked):
        return flat(doc.item)
    if isinstance(doc, Optional):
        item = flat(doc.item)
        return None if item is None else f"*([{item}] if {doc.condition} else [])"
    if isinstance(doc, Each):
        parts = [flat(part) for part in (doc.item, *doc.clauses)]
        return None if None in parts else f"*({' '.join(map(str, parts))})"
    if (doc.tall and doc.items) or any(doc.comments):
        return None
    parts = [flat(item) for item in doc.items]
    if any(part is None for part in parts):
        return None
    return f"{doc.open}{', '.join(part for part in parts if part is not None)}{doc.close}"


def operands(text: str, signs: tuple[str, ...] = (" + ", " - ")) -> list[str]:
    """The operands of an expression's outermost operators, each after the first behind its operator."""
    parts, depth, start, quoted = [], 0, 0, False
    for position, character in enumerate(text):
        quoted ^= character == '"' and text[position - 1 : position] != "\\"
        depth += 0 if quoted else (character in "([{") - (character in ")]}")
        if depth == 0 and not quoted and text.startswith(signs, position):
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


_LOOSEST_FIRST = (
    (" if ", " else "),
    (" or ",),
    (" and ",),
    (" == ", " != ", " < ", " <= ", " > ", " >= ", " in ", " not in "),
    (" + ", " - "),
    (" * ", " / ", " // ", " % "),
)


def wrapped(text: str, indent: int, *, before: str, after: str = "") -> list[str]:
    """The lines of `before text after`: a long expression in parentheses, an operand a line where it must be."""
    pad, inner = " " * indent, " " * (indent + INDENT)
    if len(pad + before + text + after) <= WIDTH:
        return [pad + before + text + after]
    parts = [text]
    if len(inner + text) > WIDTH:
        parts = next((found for signs in _LOOSEST_FIRST if len(found := operands(text, signs)) > 1), parts)
    return [f"{pad}{before}(", *(inner + part for part in parts), f"{pad}){after}"]


def lay_out(doc: Doc, indent: int, *, before: str = "", after: str = "", comment: str = "") -> list[str]:
    """The lines of `before doc after` at an indentation; a comment that does not fit is left out."""
    pad = " " * indent
    line = flat(doc)
    if line is not None and len(pad + before + line + after) <= WIDTH:
        text = pad + before + line + after
        with_comment = f"{text}  # {comment}"
        return marked([with_comment if comment and len(with_comment) <= WIDTH else text], _parts(doc))
    if isinstance(doc, Marked):
        return marked(lay_out(doc.item, indent, before=before, after=after, comment=comment), doc.parts)
    if isinstance(doc, str):
        parts = operands(doc) if not before else [doc]
        return [pad + part for part in parts[:-1]] + [pad + before + parts[-1] + after]
    if isinstance(doc, Optional):
        choice = lay_out(Group("[", (doc.item,), "]"), indent + INDENT)
        rest = [" " * (indent + INDENT) + part for part in (f"if {doc.condition}", "else []")]
        return [f"{pad}{before}*(", *choice, *rest, f"{pad}){after}"]
    if isinstance(doc, Each):
        parts = [line for part in (doc.item, *doc.clauses) for line in lay_out(part, indent + INDENT)]
        return [f"{pad}{before}*(", *parts, f"{pad}){after}"]
    lines = [pad + before + doc.open]
    inner = indent + INDENT
    items = [flat(item) for item in doc.items]
    if not doc.tall and not any(doc.comments) and all(item is not None for item in items):
        joined = ", ".join(item for item in items if item is not None)
        if inner + len(joined) <= WIDTH:
            return [*lines, *marked([" " * inner + joined], _parts(doc)), pad + doc.close + after]
    comments: Sequence[str] = doc.comments or ("",) * len(doc.items)
    for item, note in zip(doc.items, comments, strict=True):
        lines += lay_out(item, inner, after=",", comment=note)
    return [*lines, pad + doc.close + after]
