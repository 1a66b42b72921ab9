"""Bounds on specs and other files. They are untrusted input, and each bound has its own error.

For a large spec, set another bound with the environment variable ARCHC_ + the bound's name, for example
`ARCHC_MAX_LAYERS=500000`. It is read when archc is imported, and raises ValueError for a value that archc can't
support.
"""

import os
from typing import Final


def _bound(name: str, usual: int, most: int) -> int:
    """The default bound, or the environment's value, up to a maximum that recursion and arithmetic allow."""
    text = os.environ.get(f"ARCHC_{name}", "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= most):
        raise ValueError(f"the environment variable ARCHC_{name} must be a number from 1 to {most}, got {text!r}")
    return int(text)


MAX_FILE_BYTES: Final = _bound("MAX_FILE_BYTES", 16 * 1024 * 1024, 2**31 - 1)
"""Maximum size of a spec file."""

MAX_FILE_DEPTH: Final = _bound("MAX_FILE_DEPTH", 32, 96)
"""Maximum length of a chain of files that extend or import each other."""

MAX_YAML_DEPTH: Final = _bound("MAX_YAML_DEPTH", 64, 96)
"""Maximum nesting of YAML collections, checked event by event before anything is built."""

MAX_BLOCK_DEPTH: Final = _bound("MAX_BLOCK_DEPTH", 48, 96)
"""Maximum nesting of bodies (blocks in blocks, lists in lists) after blocks are expanded."""

MAX_LAYERS: Final = _bound("MAX_LAYERS", 100_000, 10_000_000)
"""Maximum number of entries of a network after loops and blocks are expanded."""

MAX_INTEGER: Final = _bound("MAX_INTEGER", 2**31 - 1, 2**53)
"""Largest integer in a spec; products of sizes are checked against 2**63 - 1."""

MAX_EXPRESSION: Final = _bound("MAX_EXPRESSION", 500, 4000)
"""Maximum length of an expression in characters."""

MAX_EXPONENT: Final = _bound("MAX_EXPONENT", 64, 1024)
"""Largest exponent in an expression, and maximum number of digits for `round`."""

MAX_OUTPUTS: Final = _bound("MAX_OUTPUTS", 4096, 65_536)
"""Maximum number of outputs of one layer."""

MAX_IMAGE_PIXELS: Final = _bound("MAX_IMAGE_PIXELS", 2**26, 178_956_970)
"""Maximum size of an image in pixels; larger ones take over 1 GiB. The upper limit is Pillow's own."""

MAX_IMPORTED: Final = _bound("MAX_IMPORTED", 20_000, 1_000_000)
"""Maximum number of operations of a network imported from a file."""

MAX_IMPORTED_TEXT: Final = _bound("MAX_IMPORTED_TEXT", 4 * 1024 * 1024, 2**31 - 1)
"""Maximum size of a .prototxt or .cfg file."""

MAX_IMPORTED_PARAMETERS: Final = _bound("MAX_IMPORTED_PARAMETERS", 250_000_000, 2**40)
"""Maximum number of parameters of a network imported from a file, because each gets a random value for verification."""

MAX_IMPORTED_MACS: Final = _bound("MAX_IMPORTED_MACS", 10**12, 2**60)
"""Maximum number of multiply-adds of a network imported from a file, because verification runs it."""

MAX_IMPORTED_VALUES: Final = _bound("MAX_IMPORTED_VALUES", 2**29, 2**50)
"""Maximum number of values in the outputs of all layers of a network imported from a file, for the same reason."""

MAX_COMPOSED: Final = 4000
"""Maximum length of an expression that archc composes for the emitted source."""

MAX_SIZES_TRIED: Final = 65_536
"""Number of input sizes to try for the smallest valid one; if none is valid, the declared size is used."""


def how_to_raise(name: str) -> str:
    """The help of a problem about an exceeded bound."""
    return f"if this is intended, raise the limit: `ARCHC_{name}=…` in the environment"
