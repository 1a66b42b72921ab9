"""Bounds on what a spec or a file may ask for: both are untrusted input, and each bound has its own error.

Where a large spec is meant, the environment variable ARCHC_ + the bound's name sets another, as in
`ARCHC_MAX_LAYERS=500000`. It is read when archc is imported; a value that archc could not keep to raises ValueError.
"""

import os
from typing import Final


def _bound(name: str, usual: int, most: int) -> int:
    """The usual bound, or what the environment sets: at most what archc's own recursion and arithmetic bear."""
    text = os.environ.get(f"ARCHC_{name}", "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= most):
        raise ValueError(f"the environment variable ARCHC_{name} must be a number from 1 to {most}, got {text!r}")
    return int(text)


MAX_FILE_BYTES: Final = _bound("MAX_FILE_BYTES", 16 * 1024 * 1024, 2**31 - 1)
"""Largest spec file that is read."""

MAX_FILE_DEPTH: Final = _bound("MAX_FILE_DEPTH", 32, 96)
"""Longest chain of files in which each extends or imports the next."""

MAX_YAML_DEPTH: Final = _bound("MAX_YAML_DEPTH", 64, 96)
"""Deepest nesting of YAML collections; checked event by event, before anything is built."""

MAX_BLOCK_DEPTH: Final = _bound("MAX_BLOCK_DEPTH", 48, 96)
"""Deepest nesting of bodies (blocks in blocks, lists in lists) once the blocks are unfolded."""

MAX_LAYERS: Final = _bound("MAX_LAYERS", 100_000, 10_000_000)
"""Most entries a network may have once repeats and blocks are unfolded."""

MAX_INTEGER: Final = _bound("MAX_INTEGER", 2**31 - 1, 2**53)
"""Largest integer in a spec; products of sizes are checked against 2**63 - 1."""

MAX_EXPRESSION: Final = _bound("MAX_EXPRESSION", 500, 4000)
"""Longest expression, in characters."""

MAX_EXPONENT: Final = _bound("MAX_EXPONENT", 64, 1024)
"""Largest exponent in an expression, and most digits that `round` takes."""

MAX_OUTPUTS: Final = _bound("MAX_OUTPUTS", 4096, 65_536)
"""Outputs of one layer."""

MAX_IMAGE_PIXELS: Final = _bound("MAX_IMAGE_PIXELS", 2**26, 178_956_970)
"""Largest image that is decoded, in pixels; larger ones take over 1 GiB. The most is Pillow's own bound."""

MAX_IMPORTED: Final = _bound("MAX_IMPORTED", 20_000, 1_000_000)
"""Most operations of a network that is imported from a file."""

MAX_IMPORTED_TEXT: Final = _bound("MAX_IMPORTED_TEXT", 4 * 1024 * 1024, 2**31 - 1)
"""Largest .prototxt or .cfg file that is read."""

MAX_IMPORTED_PARAMETERS: Final = _bound("MAX_IMPORTED_PARAMETERS", 250_000_000, 2**40)
"""Most parameters of a network that is imported from a file: each of them gets a random value when it is verified."""

MAX_IMPORTED_MACS: Final = _bound("MAX_IMPORTED_MACS", 10**12, 2**60)
"""Most multiply-adds of a network that is imported from a file, because verifying it runs it."""

MAX_IMPORTED_VALUES: Final = _bound("MAX_IMPORTED_VALUES", 2**29, 2**50)
"""Most values in all outputs of the layers of a network that is imported from a file, for the same reason."""

MAX_COMPOSED: Final = 4000
"""Longest expression that archc composes from those of a spec for the emitted source."""

MAX_SIZES_TRIED: Final = 65_536
"""Input sizes tried, one after the other, for the smallest legal one; after them, the declared size is used."""


def how_to_raise(name: str) -> str:
    """The help of a problem that says that a bound is exceeded."""
    return f"if this is intended, raise the limit: `ARCHC_{name}=…` in the environment"
