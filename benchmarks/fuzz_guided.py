"""Coverage-guided fuzzing of the bytes of a spec file, by libFuzzer through atheris (the extra `fuzz`; Linux).

    python benchmarks/fuzz_guided.py CORPUS [-runs=N] [libFuzzer's options]

CORPUS is a folder that keeps what reached new code; the specs and wrong specs of this repository are put into it.
Each input is accepted or refused with problems that have a line. Anything else, more than a second of the CPU or more
than 512 MiB ends the run and leaves the input in a file `crash-…` or `oom-…`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

ROOT = Path(__file__).parent.parent

with atheris.instrument_imports(include=["archc"]):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from fuzz import verdict

LIMITS = ["-timeout=3600", "-rss_limit_mb=512", "-max_len=4096"]  # libFuzzer's timeout is of the wall clock


def main() -> None:
    """Fill the corpus and run."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for folder in ("specs", "tests/networks", "tests/errors"):
        for path in (ROOT / folder).glob("*.yaml"):
            shutil.copy(path, corpus / f"seed-{path.name}")
    with TemporaryDirectory() as folder:
        spec = Path(folder, "spec.yaml")

        def one(data: bytes) -> None:
            spec.write_bytes(data)
            verdict(spec, emit=False)

        atheris.Setup([sys.argv[0], str(corpus), *LIMITS, *sys.argv[2:]], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
