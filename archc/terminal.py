"""Output to the terminal: everything that archc prints goes through this module, which escapes quoted text."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, TextIO

from archc.styled import Styled
from archc.text import visible

_color = "auto"


def use_color(when: str) -> None:
    """Set whether `say` uses colors: `always`, `never`, or `auto`, which depends on the stream."""
    global _color
    _color = when


def colored(stream: TextIO) -> bool:
    """Return True if a stream gets colors: it is a terminal, and NO_COLOR isn't set (https://no-color.org).

    FORCE_COLOR enables colors for files and pipes, too.
    """
    if _color != "auto":
        return _color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int | None:
    """The width of the terminal on stdout in columns; None for a file or pipe, whose lines can have any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(text: object = "", *, error: bool = False, flush: bool = False) -> None:
    """Print a text and a line break on stdout, or on stderr for an `error`; a `Styled` text is colored if possible.

    Anyone may have written names, keys, paths and values. Characters that move the cursor, change colors or reorder
    text are printed as JSON escapes, so JSON stays JSON.
    """
    stream = sys.stderr if error else sys.stdout
    shown = text.painted() if isinstance(text, Styled) and colored(stream) else visible(str(text))
    print(shown, file=stream, flush=flush)


def say_json(document: Any) -> None:
    """Print a document as JSON."""
    import json

    say(json.dumps(document, indent=2, ensure_ascii=False))


def hand_over(content: str | bytes) -> None:
    """Print the content of a file: unchanged for another program, and like `say` on a terminal."""
    if isinstance(content, str):
        content = (visible(content) if sys.stdout.isatty() else content).encode()
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
