"""Bounds on what a spec may ask for: a spec is untrusted input, and each bound has its own error."""

from typing import Final

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""Largest spec file that is read."""

MAX_YAML_DEPTH: Final = 64
"""Deepest nesting of YAML collections; checked event by event, before anything is built."""

MAX_BLOCK_DEPTH: Final = 48
"""Deepest nesting of bodies (blocks in blocks, lists in lists) once the blocks are unfolded."""

MAX_LAYERS: Final = 100_000
"""Most entries a network may have once repeats and blocks are unfolded."""

MAX_INTEGER: Final = 2**31 - 1
"""Largest integer in a spec; products of sizes are checked against 2**63 - 1."""

MAX_EXPRESSION: Final = 500
"""Longest expression, in characters."""

MAX_COMPOSED: Final = 4000
"""Longest expression that archc composes from those of a spec for the emitted source."""

MAX_EXPONENT: Final = 64
"""Largest exponent in an expression."""

MAX_OUTPUTS: Final = 4096
"""Outputs of one layer."""

MAX_SIZES_TRIED: Final = 65_536
"""Input sizes tried, one after the other, for the smallest legal one; behind them the declared size is told."""
