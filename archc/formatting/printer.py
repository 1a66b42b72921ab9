"""The layout of formatted specs.

The indentation is two spaces, and lists are indented below their key. `{a: 1, b: }` and `[1, 2]` are on one line if
they fit, and otherwise filled to the width. There is at most one blank line in a row. Comments come two spaces after
the text, aligned on neighboring lines. The author chooses brackets, order and quotes. Line breaks that only YAML 1.1
knows (U+0085, U+2028, U+2029) become escapes in quotes, because most readers and editors don't break lines there.
"""

from __future__ import annotations

import json
from itertools import groupby

from archc.formatting.syntax import BLOCK, Collection, Entry, Scalar, Value, key_text, one_line, read_syntax
from archc.problems import Problem, Source, SpecError
from archc.reading import read_text

WIDTH = 120
STEP = 2


def format_text(text: str, name: str) -> str:
    """Format a text; messages call it `name`.

    Raises SpecError if the text can't be read, and E0603 if formatting would change its meaning: the result is parsed
    and compared before it is returned.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    meaning = _meaning(text, name)  # rejects a text that isn't a spec
    printer = _Printer(Source(name, text))
    comments = sorted(comment.text for comment in printer.comments)
    formatted = printer.run()
    try:
        kept = _meaning(formatted, name) == meaning and _comments(formatted, name) == comments
    except SpecError:
        kept = False
    if not kept:
        what = f"archc cannot format `{name}` without changing what it says, so it stays as it is"
        help = "please report this spec as a bug in archc"
        raise SpecError([Problem("E0603", what, file=name, help=help)])
    return formatted


def _meaning(text: str, name: str) -> str:
    """The values of a text with their keys and order, without locations. Raises SpecError."""
    return json.dumps(read_text(text, name))


def _comments(text: str, name: str) -> list[str]:
    return sorted(comment.text for comment in read_syntax(Source(name, text))[1])


class _Printer:
    def __init__(self, source: Source) -> None:
        self.root, self.comments, self.source = read_syntax(source)
        self.lines: list[tuple[str, str]] = []  # each with the comment after it
        self.opened = True  # whether a body has just started: then no blank line follows

    def run(self) -> str:
        if self.root.flow:
            self.above(self.root.first, 0)
            self.inline("", self.root, 0)
            self.above(len(self.source.texts), 0)
        else:
            self.block(self.root, 0, len(self.source.texts))
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
        """Keep one blank line above this line, if the author left any."""
        if line and self.source.is_blank(line - 1) and not self.opened:
            self.add("")

    def above(self, line: int, indent: int, column: int = 0) -> None:
        """The comments above a line, at `column` or farther right."""
        while self.comments and self.comments[0].line < line and self.comments[0].column >= column:
            comment = self.comments.popleft()
            self.blank_above(comment.line)
            self.add(" " * indent + comment.text)

    def behind(self, line: int) -> str:
        """The comment after the text that ends on a line."""
        if self.comments and self.comments[0].line == line and not self.comments[0].alone:
            return self.comments.popleft().text
        return ""

    # Without brackets

    def block(self, node: Collection, indent: int, until: int) -> None:
        """The entries of a collection without brackets; `until` is the line after it."""
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
            head = f"{start}{key_text(entry.key)}:"
            if isinstance(value, Collection) and nested:
                self.add(head, self.behind(entry.first))
                self.block(value, indent + STEP, until)
            else:
                self.inline(head, value, indent)
        elif isinstance(value, Collection) and nested:
            begun = len(self.lines)
            self.block(value, indent + STEP, until)
            for at in range(begun, len(self.lines)):
                line, comment = self.lines[at]
                if line and not line.lstrip().startswith("#"):
                    self.lines[at] = (f"{start}- {line[indent + STEP :]}", comment)
                    break
                self.lines[at] = (line[STEP:], comment)  # comments are above the dash
        else:
            self.inline(f"{start}-", value, indent)

    def inline(self, head: str, value: Value, indent: int) -> None:
        """A value after its key or dash."""
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
        block = value.style in BLOCK
        if block:
            first = first.replace("?", str(STEP))
        self.add(f"{head} {first}" if first else head, self.behind(value.first) if block else "")
        for line in rest:
            self.add(" " * (indent + STEP) + line if line else "")
        if not block:
            self.lines[-1] = (self.lines[-1][0], self.behind(value.last))

    # Brackets that hold comments: an entry a line

    def tall(self, head: str, node: Collection, indent: int, after: str) -> None:
        opening, closing = ("{", "}") if node.mapping else ("[", "]")
        own_line = node.entries[0].first > node.first if node.entries else True
        self.add(head + opening, self.behind(node.first) if own_line else "")
        inner = indent + STEP
        for position, entry in enumerate(node.entries):
            self.above(entry.first, inner)
            comma = "," if position + 1 < len(node.entries) else ""
            following = node.entries[position + 1].first if comma else node.last
            key = " " * inner + (f"{key_text(entry.key)}: " if entry.key else "")
            value = entry.value
            if isinstance(value, Scalar):
                self.add((key + one_line(value) + comma).rstrip(" "))
            elif self.comments and self.comments[0].line < value.last:
                self.tall(key, value, inner, comma)
            else:
                *lines, last = filled(value, key, len(comma))
                for line in lines:
                    self.add(line)
                self.add((last + comma).rstrip(" "))
            if following > value.last:
                self.lines[-1] = (self.lines[-1][0], self.behind(value.last))
        self.above(node.last, inner)
        self.add(" " * indent + closing + after)


def flat(value: Value) -> str:
    """A value on one line."""
    if isinstance(value, Scalar):
        return one_line(value)
    inner = ", ".join(f"{key_text(e.key)}: {flat(e.value)}" if e.key else flat(e.value) for e in value.entries)
    opening, closing = brackets(value)
    return f"{opening}{inner}{closing}"


def brackets(node: Collection) -> tuple[str, str]:
    """The brackets around the entries."""
    return ("", "") if node.bare else ("{", "}") if node.mapping else ("[", "]")


def filled(node: Collection, head: str, tail: int) -> list[str]:
    """Lines that start with `head` and contain as many entries as fit, aligned below the first entry.

    `tail` is the number of characters that follow on the last line.
    """
    text = flat(node)
    if len(head) + len(text) + tail <= WIDTH or not node.entries:
        return [head + text]
    opening, closing = brackets(node)
    lines = [head + opening]
    margin = " " * len(lines[0])
    for position, entry in enumerate(node.entries):
        behind = tail + len(closing) if position + 1 == len(node.entries) else 1  # the bracket, or the comma
        key = f"{key_text(entry.key)}: " if entry.key else ""
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
