"""Hypothesis profiles, HYPOTHESIS_PROFILE=gate (the default), moderate or thorough, and what property tests covered."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from shell import Shell

import archc
from archc.build import inspection
from archc.kinds import KINDS, unregister
from archc.kinds.module import _allowed
from archc.kinds.plugins import installed
from archc.testing import Coverage

settings.register_profile("gate", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("moderate", max_examples=60, deadline=None)
settings.register_profile(
    "thorough",
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "gate")
settings.load_profile(PROFILE)
if PROFILE == "gate" and hasattr(providers, "_get_local_constants"):
    # Hypothesis also draws constants from the loaded modules, so a draw would depend on the tests that ran before it.
    # Without them, every run of the gate draws the same.
    setattr(providers, "_get_local_constants", lambda: providers._local_constants)  # noqa: B010 - it is private

COVERED = Coverage()
"""The networks that the property tests of this process have run."""

CASES: Counter[str] = Counter()
"""Single-layer cases by kind: one is a layer with its arguments on one input."""


UNTRACED = {
    "test_determinism.py",
    "test_docs.py",
    "test_fixes.py",
    "test_form.py",
    "test_growth.py",
    "test_hostile.py",
    "test_kinds.py",
    "test_layers.py",
    "test_onnx.py",
    "test_parity.py",
    "test_site.py",
    "test_sizes.py",
    "test_tokens.py",
    "test_twins.py",
    "test_wrong_specs.py",
}
"""Modules that run many networks or time archc. Coverage is measured without them: tracing doubles their time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in UNTRACED:
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Import archc while coverage is measured: an untraced test may be the first to use a module."""
    if session.config.pluginmanager.hasplugin("_cov"):
        for module in pkgutil.walk_packages(archc.__path__, "archc."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def pytest_configure(config: pytest.Config) -> None:
    """A worker of pytest-xdist has one core: threads of torch's, here and in what it starts, would be in the way."""
    if hasattr(config, "workerinput"):
        import torch

        torch.set_num_threads(1)
        os.environ.setdefault("OMP_NUM_THREADS", "1")


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


@pytest.fixture(scope="module")
def plain_kernels() -> Iterator[None]:
    """PyTorch's own kernels: those of oneDNN hide from it what they compute and keep."""
    import torch

    torch.backends.mkldnn.enabled = False
    yield
    torch.backends.mkldnn.enabled = True


@pytest.fixture(autouse=True)
def modules_are_not_allowed() -> Iterator[None]:
    """A test that allows `module` entries does so for itself."""
    yield
    _allowed.clear()
    inspection._MADE.clear()
    inspection._FOUND.clear()


@pytest.fixture
def kinds_of_this_test() -> Iterator[None]:
    """Kinds that a test registers are gone after it, and so are the modules of its plugins."""
    before, modules, path = set(KINDS.values()), set(sys.modules), list(sys.path)
    installed.cache_clear()
    yield
    installed.cache_clear()
    for kind in set(KINDS.values()) - before:
        unregister(kind)
    for name in set(sys.modules) - modules:
        folder = os.path.dirname(getattr(sys.modules[name], "__file__", None) or "/")
        if folder in sys.path and folder not in path:
            del sys.modules[name]
    sys.path[:] = path


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
