#!/usr/bin/env python3
"""Set up and run archc with nothing but Python: `python3 tasks.py demo` or `python3 tasks.py check`.

Each task first makes .venv, where it is missing or pyproject.toml has changed, and installs archc there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / ".venv"
BIN = FOLDER / ("Scripts" if os.name == "nt" else "bin")

DEMO = [
    ["archc", "check", "specs/alexnet.yaml", "specs/vgg16.yaml", "specs/googlenet.yaml", "specs/inception_v3.yaml"],
    ["archc", "build", "specs/googlenet.yaml"],
    ["archc", "emit", "--out", "generated/"],
    ["archc", "train", "small_convnet", "--data", "digits"],
]
"""The main job: check, build, emit and train."""

CHECK = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["lint-imports"],
    ["mypy", "archc", "generated", "docs/generate"],
    ["archc", "emit", "--check"],
    ["coverage", "erase"],
    [
        "pytest",
        "-n",
        "auto",
        "--dist",
        "worksteal",
        "-m",
        "not slow",
        "--cov",
        "--cov-branch",
        "--cov-report=term:skip-covered",
        "--cov-fail-under=95",
        "--durations=40",
    ],
]
"""The gate: format, lint, import contracts, types, generated files up to date, tests and their coverage."""

DOCS = [
    ["python", "-m", "docs.generate", "build"],
    ["mkdocs", "build", "--strict", "--config-file", "build/mkdocs.yml"],
]
"""The documentation as a site: open build/site/index.html."""

_NPM = ["npm", "--prefix", "editors/vscode"]
VSCODE = [[*_NPM, "ci"], [*_NPM, "run", "lint"], [*_NPM, "test"], [*_NPM, "run", "package"]]
"""The extension for VS Code: linted, tested against archc, packaged as editors/vscode/archc.vsix. Needs Node.js."""

FORMAT = [["ruff", "check", "--fix", "."], ["ruff", "format", "."], ["archc", "emit"]]
BENCH = [["python", "benchmarks/speed.py"]]

TASKS = {
    "demo": (DEMO, "torch"),
    "check": (CHECK, "dev"),
    "format": (FORMAT, "dev"),
    "bench": (BENCH, "dev"),
    "docs": (DOCS, "docs"),
    "vscode": (VSCODE, "lsp"),
}


def install(extra: str) -> None:
    """Make the environment fit pyproject.toml; nothing is done where it does already."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    done = FOLDER / f"installed-{extra}"
    if done.is_file() and done.read_text() == wanted:
        return
    if not (BIN / "python").exists() and not (BIN / "python.exe").exists():
        print(f"making {FOLDER.name} and installing archc: this takes a few minutes the first time", flush=True)
        venv.create(FOLDER, with_pip=True)
    command = [BIN / "python", "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[{extra}]"]
    subprocess.run(command, check=True)
    done.write_text(wanted)


def run(commands: list[list[str]]) -> int:
    """Run commands from the repository's root until one fails."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "NO_MKDOCS_2_WARNING": "1",  # an advertisement of its successor's; docs/decisions.md has what we think of it
    }
    for command in commands:
        print(f"$ {' '.join(command)}", flush=True)
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            print(f"`{command[0]}` is not installed", file=sys.stderr)
            return 2
        code = subprocess.run([program, *command[1:]], cwd=ROOT, env=environment, check=False).returncode
        if code:
            return code
    return 0


def main() -> int:
    """Run the named task."""
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        print(f"usage: python3 tasks.py {'|'.join(TASKS)}", file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036 - said here, before a build fails over it
        print("archc needs Python 3.11 or later", file=sys.stderr)
        return 2
    commands, extra = TASKS[sys.argv[1]]
    install(extra)
    return run(commands)


if __name__ == "__main__":
    raise SystemExit(main())
