"""The state of a page: the architecture, and the errors of its spec."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from archc.architecture import Architecture
from archc.explorer.data import explorer_data
from archc.explorer.page import json_for_script, page
from archc.problems import Problem, SpecError, excerpt, json_report


def html(architecture: Architecture) -> str:
    """Return the explorer of an architecture as a single, self-contained HTML page."""
    return page(_state(explorer_data(architecture)), architecture.name)


def _state(
    data: dict[str, Any] | None, problems: Iterable[Problem] = (), *, stale: bool = False, version: int = 0
) -> str:
    """The input of the page's script.

    It has the data of the last valid version, whether it is outdated, and the current errors.
    """
    problems = list(problems)
    rows = zip(json_report(problems), problems, strict=True)
    found = [{**row, "label": problem.label, "excerpt": excerpt(problem)} for row, problem in rows]
    return json_for_script({"version": version, "live": version > 0, "stale": stale, "data": data, "problems": found})


class Live:
    """A spec that is being edited: its last valid version, and the problems of the newest one.

    `load` returns a valid architecture and the wrong claims in its `expect`, or raises SpecError.
    """

    def __init__(self, load: Callable[[], tuple[Architecture, list[Problem]]], name: str) -> None:
        self._load = load
        self._name = name
        self._changed = threading.Condition()
        self._data: dict[str, Any] | None = None
        self._version = 0
        self._json = ""
        self._page = ""

    def look(self) -> None:
        """Read the spec, and notify waiting browsers."""
        stale = False
        try:
            architecture, problems = self._load()
            self._data, self._name = explorer_data(architecture), architecture.name
        except SpecError as error:
            problems, stale = error.problems, True
        json = _state(self._data, problems, stale=stale, version=self._version + 1)
        html = page(json, self._name, live=True)
        with self._changed:
            self._version += 1
            self._json, self._page = json, html
            self._changed.notify_all()

    def newer(self, version: int, seconds: float) -> int | None:
        """Wait for the first version above `version`; None after a timeout in seconds."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._version > version, seconds)
            return self._version if found else None

    def json(self) -> str:
        """The newest state as JSON."""
        self.newer(0, _PATIENCE)
        return self._json

    def page(self) -> str:
        """The page with the newest state."""
        self.newer(0, _PATIENCE)
        return self._page


_PATIENCE = 60.0
"""Seconds that a browser waits while a large spec is read for the first time."""
