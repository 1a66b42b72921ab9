"""The options of every command, and the values they take."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from archc.architecture import Architecture


def add(name: str, command: argparse.ArgumentParser) -> None:
    """Declare a command's arguments."""
    match name:
        case "check":
            command.add_argument(
                "specs", nargs="+", metavar="SPEC", help="a spec file, a folder, or a bundled spec's name"
            )
            command.add_argument("--format", choices=["text", "json", "sarif"], default="text")
            command.add_argument(
                "--watch", action="store_true", help="check again whenever a file changes, until Ctrl-C"
            )
            _settings(command)
        case "summary":
            _spec(command)
            command.add_argument("--format", choices=["table", "json", "csv", "markdown"], default="table")
            command.add_argument(
                "--depth",
                type=depth,
                default="blocks",
                metavar="N",
                help="levels of names that a table opens, `blocks` (default: a line a block) or `all`",
            )
            command.add_argument("--batch", type=count, default=1, metavar="N", help="images at once, for the memory")
        case "view":
            _spec(command)
            command.add_argument("--port", type=port, default=0, metavar="N", help="default: a free one")
            command.add_argument("--no-open", action="store_true", help="open no browser, only tell the address")
        case "diff":
            what = "a spec, a git revision of one (HEAD~1:specs/x.yaml), file.py, file.py:Class or module:Class"
            command.add_argument("before", metavar="A", help=what)
            command.add_argument("after", metavar="B", help="the same; what it is compared with")
            command.add_argument("--input", type=input_size, metavar="CxHxW", help="look at both for this input size")
            command.add_argument("--format", choices=["text", "json", "markdown"], default="text")
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
        case "draw":
            _draw(command)
        case "train":
            _train(command)
        case "eval":
            _trained(command)
            command.add_argument("--data", metavar="NAME", help=f"default: the run's own; {_DATA}")
            command.add_argument("--data-dir", metavar="DIR", help="where data sets lie; default: the run's own")
            command.add_argument("--limit", type=count, default=0, metavar="N", help="use N images only")
            command.add_argument("--format", choices=["text", "json"], default="text")
        case "predict":
            _trained(command)
            command.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="an image's file")
            command.add_argument("--top", type=count, default=5, metavar="N", help="how many classes; default: 5")
            command.add_argument("--format", choices=["text", "json"], default="text")
        case "fmt":
            command.add_argument(
                "specs", nargs="*", metavar="FILE", help="files or folders, or `-`: stdin to stdout; default: specs/"
            )
            command.add_argument(
                "--check", action="store_true", help="write nothing; show and fail on what would change"
            )
        case "lsp":
            command.add_argument("--stdio", action="store_true", help="on stdin and stdout, which is the only way")
        case "list":
            command.add_argument("--kinds", action="store_true", help="list the layer kinds with their arguments")
            command.add_argument("--format", choices=["text", "json"], default="text")
        case "new":
            command.add_argument("name", metavar="NAME", help="the network's name; the file is NAME.yaml")
        case "explain":
            command.add_argument("code", nargs="?", metavar="CODE", help="such as E0312; default: list all codes")


def _draw(command: argparse.ArgumentParser) -> None:
    command.add_argument("specs", nargs="+", metavar="SPEC", help="a spec file or a bundled spec's name; side by side")
    help = "its ending is the format: .svg .html .png .mmd .dot"
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=help)
    command.add_argument(
        "--expand", action="append", default=[], metavar="NAME", help="open a block, by its name or an entry's path"
    )
    command.add_argument(
        "--depth", type=natural, default=1, metavar="N", help="open N - 1 levels of blocks; default: 1"
    )
    command.add_argument("--all", action="store_true", help="open everything, down to single layers")
    command.add_argument("--block", metavar="NAME", help="draw one block alone, by its name or an entry's path")
    command.add_argument(
        "--theme", choices=["light", "dark"], help="colours of an .svg or .png; default: an .svg follows its reader"
    )
    _settings(command)


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a spec, file.py, file.py:Class or module:Class; may be left out to resume",
    )
    data = command.add_argument_group("data")
    data.add_argument("--data", metavar="NAME", help=f"default: digits; {_DATA}")
    data.add_argument("--data-dir", metavar="DIR", help="where data sets lie; default: data")
    data.add_argument("--download", action="store_true", help="fetch the data set if it is not there")
    data.add_argument("--limit", type=count, default=0, metavar="N", help="use N images of each part only")
    run = command.add_argument_group("run")
    run.add_argument("--out", metavar="DIR", help="the run's folder; default: a new one below runs/")
    run.add_argument(
        "--resume", metavar="DIR", help="go on with the run in DIR; with a MODEL, begin it if it is not there"
    )
    run.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    _set(command)
    _recipe(command)


def _trained(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a .safetensors file in it")
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")


_DATA = "digits, shapes[:SIZE[:COUNT]], cifar10, cifar100, mnist, fashion-mnist, folder:PATH"


def _recipe(command: argparse.ArgumentParser) -> None:
    """A recipe, and an option for each of its fields."""
    from archc.training.recipe import Recipe, bundled_recipes

    recipe = command.add_argument_group("recipe")
    names = ", ".join(bundled_recipes())
    recipe.add_argument("--recipe", metavar="NAME", help=f"a recipe's file, or one of {names}; default: default")
    for name, field in Recipe.model_fields.items():
        option, help = f"--{name.replace('_', '-')}", f"{field.description}".replace("%", "%%")
        if bool in (field.annotation, *get_args(field.annotation)):
            recipe.add_argument(option, dest=f"recipe_{name}", action=argparse.BooleanOptionalAction, help=help)
        elif name != "description":
            kind = partial(_field, name)
            recipe.add_argument(option, dest=f"recipe_{name}", type=kind, metavar=_metavar(field.annotation), help=help)


def _metavar(annotation: Any) -> str:
    choices = [str(choice) for choice in get_args(annotation) if get_origin(annotation) is Literal]
    return "|".join(choices) or "X"


def _field(name: str, text: str) -> Any:
    """A recipe field's value, written as in YAML."""
    from archc.training.recipe import field_fault

    _, value = setting(f"{name}={text}")
    fault = field_fault(name, value)
    if fault:
        raise argparse.ArgumentTypeError(fault)
    return value


def recipe_changes(given: Any) -> dict[str, Any]:
    """The fields of a recipe that were given as options."""
    found = {name: value for name, value in vars(given).items() if name.startswith("recipe_") and value is not None}
    return {name.removeprefix("recipe_"): value for name, value in found.items()}


def count(text: str) -> int:
    """A number of things, at least 1."""
    if not (text.isascii() and text.isdigit() and int(text[:12]) > 0):
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """A number from 0 on."""
    return 0 if text == "0" else count(text)


def depth(text: str) -> Any:
    """Levels to open: a number, or `blocks`, or `all`."""
    return text if text in ("blocks", "all") else count(text)


def port(text: str) -> int:
    """A TCP port."""
    if not (text.isascii() and text.isdigit() and int(text[:12]) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def _spec(command: argparse.ArgumentParser) -> None:
    command.add_argument("spec", metavar="SPEC", help="a spec file, or the name of a bundled spec")
    _settings(command)


def _settings(command: argparse.ArgumentParser) -> None:
    _set(command)
    command.add_argument("--input", type=input_size, metavar="CxHxW", help="declare another input size")


def _set(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        dest="settings",
        action="append",
        type=setting,
        default=[],
        metavar="NAME=VALUE",
        help="a parameter's value",
    )


def configured(spec: str, given: Any) -> Architecture:
    """The architecture of a spec with the command's `--set` and `--input`. Raises SpecError."""
    from archc.architecture import load

    return load(spec).configure(given.input, **dict(given.settings))


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
