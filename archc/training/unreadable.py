"""Images that can't be read: collecting them from all processes, and the error if no image remains."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from archc.problems import Problem, SpecError
from archc.training.distributed import World


def of_all_processes(unreadable: dict[Path, str], world: World) -> dict[Path, str]:
    """The images that any process couldn't read, with the reasons. Every process must call it."""
    merged: dict[Path, str] = {}
    for found in world.gathered(unreadable):
        merged |= found
    return merged


def no_image_read(what: str, unreadable: dict[Path, str]) -> SpecError:
    """The error (E0702) if none of some images can be read; `what` describes them."""
    reasons: Iterable[tuple[Path, str]] = unreadable.items()
    first = next((f"; the first is `{path}`: {reason}" for path, reason in reasons), "")
    return SpecError([Problem("E0702", f"none of the {what} can be read{first}", file="--data")])
