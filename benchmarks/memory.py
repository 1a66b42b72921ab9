"""The memory of this process."""

from __future__ import annotations

import re
from pathlib import Path


def peak_memory() -> float:
    """The most memory that this process has had, in MiB; `ru_maxrss` would begin with that of its parent."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) / 1024
