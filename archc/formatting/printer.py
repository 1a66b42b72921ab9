"""One layout for every spec.

Two spaces a level, lists indented below their key, `{a: 1, b: }` and `[1, 2]` on one line where they fit and
filled to the width where they do not, at most one blank line in a row, comments two spaces behind the text and in
one column on neighbouring lines. What is written in `{…}` and what is not, the order and the quotes are the author's.
"""

from __future__ import annotations

from itertools import groupby

from archc.formatting.pieces import Collection, Entry, Piece, Scalar, one_line, pieces
from archc.problems import Source

WIDTH = 120
STEP = 2


def format_text(text: str, name: str) -> str:
    """The text in canonical form; `name` is what messages call it. Raises SpecError if it cannot be read."""
    from archc.reading import read_text

    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    read_text(text, name)  # refuses what is no spec
    return _Printer(Source(name, text)).run()


class _Printer:
    def __init__(self, source: Source) -> None:
        self.root, self.comments, self.source_lines = pieces(source)
        self.lines: list[tuple[str, str]] = []  # each with the comment behind it
        self.opened = True  # whether a body has just begun: no blank line follows

    def run(self) -> str:
        if self.root.flow:
            self.above(self.root.first, 0)
            self.inline("", self.root, 0)
            self.above(len(self.source_lines), 0)
        else:
            self.block(self.root, 0, len(self.source_lines))
        text: list[str] = []
        for commented, run in groupby(self.lines, key=lambda line: bool(line[1])):
            lines = list(run)
            column = max(len(line) for line, _ in lines) + 2
            text += [f"{line:<{column}}{comment}" if commented else line for line, comment in lines]
        return "\n".join(text) + "\n"

    def add(self, line: str, comment: str = "") -> None:
        self.lines.append((line, comment))
        self.opened = False

    # Comments and blank lines

    def blank_above(self, line: int) -> None:
        """One blank line, where the author left some above this line."""
        if line and not self.source_lines[line - 1].strip() and not self.opened:
            self.add("")

    def above(self, line: int, indent: int, column: int = 0) -> None:
        """The comments above a line that stand at `column` or farther right."""
        while self.comments and self.comments[0].line < line and self.comments[0].column >= column:
            comment = self.comments.popleft()
            self.blank_above(comment.line)
            self.add(" " * indent + comment.text)

    def behind(self, line: int) -> str:
        """The comment behind what ends in a line."""
        if self.comments and self.comments[0].line == line and not self.comments[0].alone:
            return self.comments.popleft().text
        return ""

    # Without brackets

    def block(self, node: Collection, indent: int, until: int) -> None:
        """The entries of a collection without brackets; `until` is the line of what follows it."""
        self.opened = True
        for position, entry in enumerate(node.entries):
            following = node.entries[position + 1].first if position + 1 < len(node.entries) else until
            self.above(entry.first, indent)
            self.blank_above(entry.first)
            self.entry(entry, indent, following)
        self.above(until, indent, node.column)

    def entry(self, entry: Entry, indent: int, until: int) -> None:
        start, value = " " * indent, entry.value
        nested = isinstance(value, Collection) and not value.flow
        if entry.key is not None:
            head = f"{start}{one_line(entry.key)}:"
            if isinstance(value, Collection) and nested:
                self.add(head, self.behind(entry.first))
                self.block(value, indent + STEP, until)
            else:
                self.inline(head, value, indent, entry.column)
        elif isinstance(value, Collection) and nested:
            begun = len(self.lines)
            self.block(value, indent + STEP, until)
            for at in range(begun, len(self.lines)):
                line, comment = self.lines[at]
                if line and not line.lstrip().startswith("#"):
                    self.lines[at] = (f"{start}- {line[indent + STEP :]}", comment)
                    break
                self.lines[at] = (line[STEP:], comment)  # comments stand above the dash
        else:
            self.inline(f"{start}-", value, indent, entry.column)

    def inline(self, head: str, value: Piece, indent: int, column: int = 0) -> None:
        """A value behind its key or dash, which stood at `column`."""
        if isinstance(value, Collection):
            head = f"{head} " if head else ""
            if self.comments and self.comments[0].line < value.last:
                self.tall(head, value, indent, "")
                self.lines[-1] = (self.lines[-1][0], self.behind(value.last))
                return
            *lines, last = filled(value, head, 0)
            for line in lines:
                self.add(line)
            self.add(last, self.behind(value.last))
            return
        first, *rest = value.lines
        literal = value.style in ("|", ">")
        self.add(f"{head} {first}".rstrip(), "" if rest else self.behind(value.last))
        for line in rest:
            moved = _moved(line, indent - column) if literal else " " * (indent + STEP) + line.strip()
            self.add(moved if line.strip() else "")
        if rest and not literal:
            self.lines[-1] = (self.lines[-1][0], self.behind(value.last))

    # Brackets that hold comments: an entry a line

    def tall(self, head: str, node: Collection, indent: int, after: str) -> None:
        opening, closing = brackets(node)
        own_line = node.entries[0].first > node.first if node.entries else True
        self.add(head + opening, self.behind(node.first) if own_line else "")
        inner = indent + STEP
        for position, entry in enumerate(node.entries):
            self.above(entry.first, inner)
            comma = "," if position + 1 < len(node.entries) else ""
            following = node.entries[position + 1].first if comma else node.last
            key = " " * inner + (f"{one_line(entry.key)}: " if entry.key else "")
            value = entry.value
            if isinstance(value, Scalar):
                self.add((key + one_line(value)).rstrip() + comma)
            elif self.comments and self.comments[0].line < value.last:
                self.tall(key, value, inner, comma)
            else:
                *lines, last = filled(value, key, len(comma))
                for line in lines:
                    self.add(line)
                self.add(last + comma)
            if following > value.last:
                self.lines[-1] = (self.lines[-1][0], self.behind(value.last))
        self.above(node.last, inner)
        self.add(" " * indent + closing + after)


def _moved(line: str, columns: int) -> str:
    return " " * columns + line if columns > 0 else line[-columns:]


def flat(piece: Piece) -> str:
    """A value on one line."""
    if isinstance(piece, Scalar):
        return one_line(piece)
    inner = ", ".join(f"{one_line(e.key)}: {flat(e.value)}" if e.key else flat(e.value) for e in piece.entries)
    opening, closing = brackets(piece)
    return f"{opening}{inner}{closing}"


def brackets(node: Collection) -> tuple[str, str]:
    """What stands around the entries."""
    return ("", "") if node.bare else ("{", "}") if node.mapping else ("[", "]")


def filled(node: Collection, head: str, tail: int) -> list[str]:
    """Lines that begin with `head`: the entries as many to a line as fit, each line below the first entry.

    `tail` is how many characters will stand behind the last line.
    """
    text = flat(node)
    if len(head) + len(text) + tail <= WIDTH or not node.entries:
        return [head + text]
    opening, closing = brackets(node)
    lines = [head + opening]
    margin = " " * len(lines[0])
    for position, entry in enumerate(node.entries):
        behind = tail + len(closing) if position + 1 == len(node.entries) else 1  # the bracket, or the comma
        key = f"{one_line(entry.key)}: " if entry.key else ""
        item = key + flat(entry.value)
        if position and len(lines[-1]) + 1 + len(item) + behind <= WIDTH:
            lines[-1] += f" {item}"
        else:
            start = margin if position else lines.pop()
            if isinstance(entry.value, Collection):
                lines += filled(entry.value, start + key, behind)
            else:
                lines.append(start + item)
        lines[-1] += "," if position + 1 < len(node.entries) else ""
    lines[-1] += closing
    return lines
