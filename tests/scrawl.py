"""Specs as nobody would write them, but YAML allows: every line break, quote, block scalar and comment."""

from __future__ import annotations

import random

BREAKS = ["\n"] * 12 + ["\r\n", "\r", "\x85", "\u2028", "\u2029"]
"""What YAML 1.1 ends lines with, mostly the usual one."""

WORDS = [
    "a",
    "relu",
    "64",
    "0.5",
    "true",
    "$(w",
    "* 2)",
    "x-y",
    "b#c",
    "é",
    "\u00a0",
    "𝓉",
    "-",
    "it's",
    "a:b",
    "{",
    "?",
]
ESCAPES = ["\\n", "\\t", "\\ ", "\\\t", '\\"', "\\\\", "\\u2028", "\\N", "\\x00", "\\\n", "\\\n  \\ "]

NOTES = ("# note", "# behind", "# far left", "# in", "# begins", "# top", "# end")
"""The comments of scrawls."""


class Scrawl:
    """An author who uses all of YAML, whose choices are those of `random`."""

    def __init__(self, choices: random.Random) -> None:
        self.random = choices

    def text(self) -> str:
        """A whole spec, which may not even be well-formed."""
        lines = self.mapping(0, 0) if self.random.random() < 0.9 else [self.flow(0)]
        first = self.random.choice(["", "", "", "\ufeff", "---\n", "%YAML 1.1\n--- # begins\n", "# top\n\n"])
        last = self.random.choice(["", "\n", "\n\n", "\n...\n", "\n  \n", "\n# end", "\n \t# end\n"])
        whole = first + "\n".join(lines) + last
        return "".join(self.random.choice(BREAKS) if character == "\n" else character for character in whole)

    def some(self, *choices: str) -> str:
        return self.random.choice(choices)

    def mapping(self, indent: int, depth: int) -> list[str]:
        """The lines of a mapping without brackets."""
        lines: list[str] = []
        for number in range(self.random.randint(1, 3)):
            lines += self.between(indent)
            pad, key = " " * indent, self.key(f"{depth}{number}", indent)
            lines += self.value(pad + key, indent, depth)
        return lines

    def listing(self, indent: int, depth: int) -> list[str]:
        """The lines of a list without brackets."""
        lines: list[str] = []
        for _ in range(self.random.randint(1, 3)):
            lines += self.between(indent)
            lines += self.value(" " * indent + "-", indent, depth)
        return lines

    def between(self, indent: int) -> list[str]:
        """Comments and blank lines above an entry."""
        if self.random.random() < 0.7:
            return []
        return [
            self.some("", "  ", "\t", f"{' ' * indent}# note", "# far left") for _ in range(self.random.randint(1, 3))
        ]

    def key(self, name: str, indent: int) -> str:
        """A key with its colon."""
        plain, pad, inner = f"k{name}", " " * indent, " " * (indent + 2)
        return self.some(
            f"{plain}:", f"{plain} :", f"'{plain} it''s':", f'"{plain}\\t#":', f"? {plain}\n{pad}:",
            f"? |{self.some('', '-', '+')}\n{inner}{plain}\n{pad}:", f"? >-\n{inner}{plain}\n{inner}b\n{pad}:",
            *[f"{plain}:"] * 6,
        )  # fmt: skip

    def value(self, head: str, indent: int, depth: int) -> list[str]:
        """The lines of an entry: what stands before its value, and the value."""
        note = self.some("", "", "", " # behind", "\t# behind")
        inner = indent + self.random.randint(1, 4)
        match self.random.randrange(8):
            case 0 if depth < 3:
                return [head + note, *self.mapping(inner, depth + 1)]
            case 1 if depth < 3:
                return [head + note, *self.listing(inner, depth + 1)]
            case 2:
                return [f"{head} {self.flow(inner)}{note}"]
            case 3 | 4:
                return self.block_scalar(head, note, indent)
            case 5:
                return [f"{head} {self.plain(inner)}{note}"]
            case 6:
                return [f"{head}{self.some(' ', '  ', chr(9))}{self.quotes(inner)}{note}"]
        return [head + note]

    def plain(self, indent: int) -> str:
        """Words without quotes, on one line or several."""
        gap = f"{self.some('', ' ', chr(9))}\n{' ' * indent}{self.some('', chr(9))}"
        return (
            "".join(self.some(*WORDS) + self.some(" ", " ", "\t ", gap) for _ in range(self.random.randint(0, 4))) + "z"
        )

    def quotes(self, indent: int) -> str:
        """Words in quotes, on one line or several."""
        blank = self.some("", "\n", f"{' ' * 9}\n")
        gap = f"{self.some('', ' ', chr(9))}\n{blank}{' ' * indent}{self.some('', chr(9))}"
        count = self.random.randint(0, 5)
        if self.random.random() < 0.5:
            return (
                "'"
                + "".join(self.some(*WORDS).replace("'", "''") + self.some(" ", gap, "# ") for _ in range(count))
                + "'"
            )
        return '"' + "".join(self.some(*WORDS, *ESCAPES) + self.some(" ", "", gap, "# ") for _ in range(count)) + '"'

    def block_scalar(self, head: str, note: str, indent: int) -> list[str]:
        """A text behind `|` or `>`, with or without what it says of its indentation and its last line breaks."""
        columns = self.random.randint(1, 4)
        stated = self.some("", "", str(columns))
        header = self.some("|", ">") + self.some(stated, stated + self.some("-", "+"), self.some("-", "+") + stated)
        pad = " " * (indent + columns)
        lines = [
            self.some(
                pad + self.some(*WORDS),
                f"{pad}  more",
                f"{pad}\ttab",
                f"{pad}end  ",
                pad,
                "",
                f"{pad}   ",
                " ",
                f"{pad}# no",
            )
            for _ in range(self.random.randint(0, 5))
        ]
        return [f"{head} {header}{note}", *lines]

    def flow(self, indent: int, depth: int = 0) -> str:
        """A collection in brackets."""
        gap = lambda: self.some("", " ", "\t", f"\n{' ' * indent}", f" # in\n{' ' * indent}")  # noqa: E731
        items = []
        for number in range(self.random.randint(0, 3)):
            nested = depth < 2 and self.random.random() < 0.3
            items.append(
                self.flow(indent, depth + 1)
                if nested
                else self.some("a", "1", "b c", self.quotes(indent), f"d{gap()} e")
            )
            key = self.some(f"k{number}: ", f'"k{number}":', f"? k{number} : ", "")
            items[-1] = f"{gap()}{key}{items[-1]}{gap()}"
        return self.some("{%s}", "[%s]") % ",".join(items)
