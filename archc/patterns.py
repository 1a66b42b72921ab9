"""Patterns of dotted names, such as `backbone.*`: they select layers and tensors of a network."""

from __future__ import annotations

from fnmatch import fnmatchcase


def is_pattern(path: str) -> bool:
    """Return True if a path has a wildcard."""
    return any(character in path for character in "*?[")


def matches(name: str, pattern: str) -> bool:
    """Return True if a pattern fits a dotted name or one of the modules that contain it.

    `layer1`, `layer1.0.conv1` and `layer*` all fit `layer1.0.conv1.weight`. `*` stands for any characters, `?` for
    one, and `[12]` for one of several, as in the shell.
    """
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
