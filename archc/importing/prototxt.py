"""Parses the text format of protocol buffers, without a schema: fields are kept in order, with their lines.

https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from archc.importing.flat import invalid, too_large
from archc.limits import MAX_IMPORTED
from archc.problems import Source

MAX_DEPTH = 32
"""Deepest nesting of messages."""

_TOKEN = re.compile(
    r"""(?P<space>[\s,;]+|\#[^\n]*)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?f?|-inf|-nan)|(?P<mark>[{}<>:\[\]])""",
    re.VERBOSE,
)


@dataclass(slots=True)
class Message:
    """The fields of a message by their names, each with all of its values and the line of each."""

    line: int
    fields: dict[str, list[tuple[Any, int]]] = field(default_factory=dict)

    def all(self, name: str) -> list[Any]:
        """Every value of a field."""
        return [value for value, _ in self.fields.get(name, ())]

    def get(self, name: str, default: Any = None) -> Any:
        """The last value of a field, which is the one that counts."""
        values = self.fields.get(name)
        return values[-1][0] if values else default

    def message(self, *names: str) -> Message:
        """The last value of the first of these fields that is a message; an empty one if there is none."""
        for name in names:
            for value, _ in reversed(self.fields.get(name, ())):
                if isinstance(value, Message):
                    return value
        return Message(self.line)

    def messages(self, name: str) -> list[Message]:
        """Every value of a field that is a message."""
        return [value for value in self.all(name) if isinstance(value, Message)]

    def line_of(self, name: str) -> int:
        """The line of a field's last value, or of the message."""
        values = self.fields.get(name)
        return values[-1][1] if values else self.line


def parse_prototxt(source: Source) -> Message:
    """The message that a file holds.

    Raises SpecError: E0804 at the line that is not in the format, E0805 for too many layers.
    """
    root = Message(1)
    stack: list[tuple[Message, str]] = [(root, "")]
    name, colon, listed = "", False, False
    line, position, layers, text = 1, 0, 0, source.text
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise invalid(source, line, f"unexpected character {text[position]!r}")
        token, kind = found[0], found.lastgroup
        position = found.end()
        if kind == "space":
            line += token.count("\n")
            continue
        message = stack[-1][0]
        if not name:
            if kind == "word":
                name = token
            elif token and token == stack[-1][1]:
                stack.pop()
            else:
                raise invalid(source, line, f"expected the name of a field, got `{token[:40]}`")
        elif token == ":" and not colon:
            colon = True
        elif token == "[" and colon and not listed:
            listed = True
        elif token == "]" and listed:
            name, colon, listed = "", False, False
        elif token in ("{", "<") and not listed:
            if len(stack) > MAX_DEPTH:
                raise invalid(source, line, f"messages are nested more than {MAX_DEPTH} deep")
            if len(stack) == 1 and (layers := layers + 1) > MAX_IMPORTED:
                raise too_large(source, f"the network has more than {MAX_IMPORTED:,} layers", "MAX_IMPORTED")
            inner = Message(line)
            message.fields.setdefault(name, []).append((inner, line))
            stack.append((inner, "}" if token == "{" else ">"))
            name, colon = "", False
        elif colon and kind != "mark":
            message.fields.setdefault(name, []).append((_value(token, str(kind)), line))
            if not listed:
                name, colon = "", False
        else:
            raise invalid(source, line, f"expected a value of `{name[:40]}`, got `{token[:40]}`")
    if len(stack) > 1 or name:
        what = f"the file ends within a message that starts in line {stack[-1][0].line}" if len(stack) > 1 else ""
        raise invalid(source, 0, what or f"the file ends before the value of `{name[:40]}`")
    return root


def _value(token: str, kind: str) -> Any:
    if kind == "string":
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    if kind == "number":
        return float(token.rstrip("f")) if re.search(r"[.eEfn]", token) else int(token[:20])
    return {"true": True, "false": False}.get(token, token)
