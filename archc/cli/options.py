"""The options of every command, and the values they take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(name: str, command: argparse.ArgumentParser) -> None:
    """Declare a command's arguments."""
    match name:
        case "check":
            command.add_argument("specs", nargs="+", metavar="SPEC", help="a spec file, or the name of a bundled spec")
            command.add_argument("--format", choices=["text", "json"], default="text")
        case "summary":
            _spec(command)
            command.add_argument("--format", choices=["table", "json", "csv", "markdown"], default="table")
        case "build":
            _spec(command)
            command.add_argument(
                "--weights", type=Path, metavar="FILE", help="load this state dict (.pth, .safetensors)"
            )
            command.add_argument("--save", type=Path, metavar="FILE", help="write the state dict")
        case "emit":
            command.add_argument("specs", nargs="*", metavar="SPEC", help="default: every spec in specs/")
            command.add_argument(
                "--out", type=Path, default=Path("generated"), metavar="DIR", help="default: generated"
            )
            command.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
            _settings(command)
        case "list":
            command.add_argument("--kinds", action="store_true", help="list the layer kinds with their arguments")
            command.add_argument("--format", choices=["text", "json"], default="text")
        case "new":
            command.add_argument("name", metavar="NAME", help="the network's name; the file is NAME.yaml")
        case "explain":
            command.add_argument("code", metavar="CODE", help="an error code, such as E0312")


def _spec(command: argparse.ArgumentParser) -> None:
    command.add_argument("spec", metavar="SPEC", help="a spec file, or the name of a bundled spec")
    _settings(command)


def _settings(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        dest="settings",
        action="append",
        type=setting,
        default=[],
        metavar="NAME=VALUE",
        help="a parameter's value",
    )
    command.add_argument("--input", type=input_size, metavar="CxHxW", help="declare another input size")


def input_size(text: str) -> tuple[int, int, int]:
    """`3x224x224` as (3, 224, 224)."""
    parts = text.replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and 0 < int(part[:12]) < 2**31 for part in parts):
        raise argparse.ArgumentTypeError(f"expected channels x height x width, such as 3x224x224, got {text!r}")
    channels, height, width = map(int, parts)
    return channels, height, width


def setting(text: str) -> tuple[str, Any]:
    """`name=value`, the value written as in YAML."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, such as num_classes=10, got {text!r}")
    from archc.problems import SpecError
    from archc.reading import read_text

    try:
        found = read_text(f"value: {value}", "--set")
    except SpecError:
        found = None
    if found is None or len(found) > 1:
        raise argparse.ArgumentTypeError(f"{value!r} is no value as YAML writes it")
    return name, found["value"]
