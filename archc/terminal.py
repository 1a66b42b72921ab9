"""The one way to a terminal: whatever archc prints goes through here, with what it quotes from elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, TextIO

from archc.styled import Styled
from archc.text import visible

_color = "auto"


def use_color(when: str) -> None:
    """Set whether `say` uses colors: `always`, `never`, or `auto`, where it depends on the stream."""
    global _color
    _color = when


def colored(stream: TextIO) -> bool:
    """Return True if a stream gets colors: it is a terminal, and NO_COLOR is not set (https://no-color.org).

    FORCE_COLOR asks for colors in a file or a pipe, too.
    """
    if _color != "auto":
        return _color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int | None:
    """The columns of the terminal that stdout is; None of a file or a pipe, whose lines can have any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(text: object = "", *, error: bool = False, flush: bool = False) -> None:
    """Print a text and a line break on stdout, or on stderr for an `error`; a `Styled` text in color if the stream can.

    Names, keys, paths and values are their author's, who may be anybody. Characters that move the cursor, change
    colors or reorder what is read are printed as escapes, as JSON writes them, so JSON stays JSON.
    """
    stream = sys.stderr if error else sys.stdout
    shown = text.painted() if isinstance(text, Styled) and colored(stream) else visible(str(text))
    print(shown, file=stream, flush=flush)


def say_json(document: Any) -> None:
    """Print a document for programs."""
    import json

    say(json.dumps(document, indent=2, ensure_ascii=False))


def hand_over(content: str | bytes) -> None:
    """Print the content of a file, text as UTF-8: as it is for another program, as of `say` on a terminal."""
    if isinstance(content, str):
        content = (visible(content) if sys.stdout.isatty() else content).encode()
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
