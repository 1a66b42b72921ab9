"""Hypothesis profiles, HYPOTHESIS_PROFILE=ci (the default) or thorough, and what the property tests covered."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from shell import Shell

from archc.testing import Coverage

settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True)
settings.register_profile(
    "thorough",
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

COVERED = Coverage()
"""The networks that the property tests of this process have run."""

CASES: Counter[str] = Counter()
"""Single-layer cases by kind: one is a layer with its arguments on one input."""


@pytest.fixture
def sh(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors: handing them to threads takes longer than the work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def covered() -> Coverage:
    return COVERED


@pytest.fixture
def cases() -> Counter[str]:
    return CASES


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its counts to the process that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["covered"] = [COVERED.to_dict(), dict(CASES)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The counts of a worker of pytest-xdist that is done; one that crashed has none."""
    if hasattr(node, "workeroutput"):
        covered, cases = node.workeroutput["covered"]
        COVERED.merge(Coverage.from_dict(covered))
        CASES.update(cases)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """How much the property tests covered."""
    if not COVERED.networks and not CASES:
        return
    terminalreporter.section("property tests")
    terminalreporter.line(
        f"{COVERED.networks:,} networks of {COVERED.layers:,} layers (up to {COVERED.largest}),"
        f" {sum(map(bool, COVERED.kinds.values()))} kinds, {sum(map(bool, COVERED.features.values()))} features;"
        f" {CASES.total():,} single-layer cases of {len(CASES)} kinds"
    )
