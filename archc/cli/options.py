"""The options of every command, and the values they take."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from archc.architecture import Architecture, Inputs


def add(name: str, command: argparse.ArgumentParser) -> None:
    """Declare a command's arguments."""
    match name:
        case "check":
            command.add_argument(
                "specs", nargs="+", metavar="SPEC", help="a spec file, a folder, or a bundled spec's name"
            )
            command.add_argument("--format", choices=["text", "json", "sarif"], default="text")
            command.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings, too")
            command.add_argument(
                "--watch", action="store_true", help="check again whenever a file changes, until Ctrl-C"
            )
            _settings(command)
        case "summary":
            _spec(command)
            command.add_argument("--format", choices=["table", "json", "csv", "markdown"], default="table")
            _depth(command, "blocks")
            help = "batch size for the memory estimate (default: 1)"
            _named(command, "--batch-size", "--batch", dest="batch", type=count, default=1, metavar="N", help=help)
        case "view":
            _spec(command)
            command.add_argument(
                "--port", type=port, default=0, metavar="N", help="port to serve on (default: a free port)"
            )
            command.add_argument("--no-open", action="store_true", help="print the address without opening a browser")
        case "diff":
            what = "a spec, a Git revision of one (HEAD~1:specs/x.yaml), file.py, file.py:Class or module:Class"
            command.add_argument("before", metavar="A", help=what)
            command.add_argument("after", metavar="B", help="the version to compare it with, in the same forms")
            command.add_argument("--input", type=input_size, metavar="CxHxW", help="compare both at this input size")
            command.add_argument("--format", choices=["text", "json", "markdown"], default="text")
        case "build":
            _spec(command)
            command.add_argument(
                "--weights", type=Path, metavar="FILE", help="load weights from FILE (.pth or .safetensors)"
            )
            command.add_argument(
                "--save", type=Path, metavar="FILE", help="save the weights to FILE (.pth or .safetensors)"
            )
        case "emit":
            command.add_argument(
                "specs",
                nargs="*",
                metavar="SPEC",
                help=f"specs or {_CODE} (default: every family of specs/)",
            )
            help = "folder to write to, or `-` for stdout (default: generated)"
            _named(command, "-o", "--out", "--output", type=Path, default=Path("generated"), metavar="DIR", help=help)
            way = command.add_mutually_exclusive_group()
            way.add_argument(
                "--check",
                action="store_true",
                help="write nothing; fail if a file is out of date or edited by hand (--force discards the edit)",
            )
            way.add_argument(
                "--force",
                action="store_true",
                help="replace files that archc did not write or that were edited by hand",
            )
            _settings(command)
        case "export":
            _spec(command)
            _out(command, "FILE", "file to write: .onnx or .pt2", required=True)
            command.add_argument(
                "--weights", type=Path, metavar="FILE", help="load weights from FILE (.pth or .safetensors)"
            )
            command.add_argument(
                "--dynamic",
                type=names,
                default=(),
                metavar="AXES",
                help="axes of the input that can have any length, such as batch,height,width (default: none)",
            )
        case "import":
            what = "an .onnx, .prototxt or .cfg file, or file.py:Class or module:callable, which archc runs"
            command.add_argument("source", metavar="SOURCE", help=what)
            _out(command, "FILE.yaml", "file to write the spec to (default: stdout)")
            command.add_argument(
                "--weights", type=Path, metavar="FILE", help="save the source's weights to FILE (.safetensors or .pth)"
            )
            command.add_argument("--name", metavar="NAME", help="name of the network (default: that of the class)")
            command.add_argument(
                "--input",
                type=input_size,
                metavar="CxHxW",
                help="shape of its input (default: the file's, or 3x224x224)",
            )
            command.add_argument(
                "--allow-opaque",
                action="store_true",
                help="write the smallest parts of PyTorch code that archc has no layer types for as classes",
            )
            _set(command, "set an argument of the constructor")
        case "draw":
            _draw(command)
        case "train":
            _train(command)
        case "eval":
            _trained(command)
            command.add_argument(
                "--data", metavar="NAME", help=f"dataset to evaluate on (default: the run's own): {_DATA}"
            )
            command.add_argument(
                "--part",
                choices=["validation", "test", "train"],
                default="validation",
                help="which images to evaluate (default: validation)",
            )
            command.add_argument(
                "--report",
                type=Path,
                metavar="DIR",
                help="write the confusion matrix, the accuracy of each class, and a page of misclassified images",
            )
            command.add_argument("--data-dir", metavar="DIR", help="folder with the datasets (default: the run's own)")
            command.add_argument(
                "--limit", type=count, default=0, metavar="N", help="use N images only (default: as the run did)"
            )
            command.add_argument("--format", choices=["text", "json"], default="text")
        case "compare":
            command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folders of runs")
            _out(command, "FILE.svg", "draw their curves")
            command.add_argument("--format", choices=["text", "json", "csv"], default="text")
        case "predict":
            _trained(command)
            command.add_argument(
                "images", nargs="+", metavar="IMAGE", help="image files, folders with images, or patterns"
            )
            command.add_argument(
                "--top", type=count, default=5, metavar="N", help="number of classes to print (default: 5)"
            )
            command.add_argument("--format", choices=["text", "json", "csv"], default="text")
        case "fmt":
            command.add_argument(
                "specs",
                nargs="*",
                metavar="FILE",
                help="files or folders, or `-` to read stdin and write stdout (default: specs/)",
            )
            command.add_argument(
                "--check", action="store_true", help="write nothing; show the changes, and fail if there are any"
            )
        case "lsp":
            command.add_argument("--stdio", action="store_true", help="use stdin and stdout (the default)")
        case "list":
            command.add_argument("name", nargs="?", metavar="NAME", help="a layer type or a bundled spec to describe")
            command.add_argument("--kinds", action="store_true", help="list the layer types and their arguments")
            command.add_argument("--format", choices=["text", "json"], default="text")
        case "new":
            command.add_argument("name", metavar="NAME", help="the network's name; the file is NAME.yaml")
        case "explain":
            help = "an error code or its name, a key of specs such as `when`, or a layer type (default: list all codes)"
            command.add_argument("code", nargs="?", metavar="CODE", help=help)
        case "completion":
            command.add_argument("shell", choices=["bash", "fish", "zsh"], help="the shell that runs the script")


def _named(command: argparse._ActionsContainer, *names: str, **how: Any) -> None:
    """Add an option whose last name is an alias (an older name, or another command's), which isn't shown."""
    action = command.add_argument(*names, **how)
    action.option_strings = names[:-1]


def _out(command: argparse.ArgumentParser, what: str, help: str, *, required: bool = False) -> None:
    """Add the option for the file that a command writes."""
    names = ("-o", "--out", "--output")
    _named(command, *names, dest="output", type=Path, required=required, metavar=what, help=help)


def _depth(command: argparse.ArgumentParser, default: Any) -> None:
    """Add the option for the depth that a command shows."""
    shown = "`blocks`, one line per block" if default == "blocks" else default
    help = f"show N levels: 1 shows blocks closed, 2 also what they contain, `all` single layers (default: {shown})"
    command.add_argument("--depth", type=depth, default=default, metavar="N", help=help)


def _draw(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "specs", nargs="+", metavar="SPEC", help=f"spec files, bundled specs, or {_CODE}, drawn side by side"
    )
    formats = ("svg", "pdf", "png", "tex", "html", "mmd", "dot")
    help = f"file to write, or `-` for stdout; its extension sets the format: .{' .'.join(formats)}"
    _out(command, "FILE", help, required=True)
    command.add_argument("--check", action="store_true", help="write nothing; fail if the file is out of date")
    command.add_argument(
        "--expand",
        action="append",
        default=[],
        metavar="NAME",
        help="open a block, given by its name or by the path of an entry",
    )
    _depth(command, 1)
    command.add_argument("--all", action="store_true", help="open every block, down to single layers: --depth all")
    command.add_argument(
        "--block", metavar="NAME", help="draw only one block, given by its name or by the path of an entry"
    )
    look = command.add_argument_group("look of an .svg, .pdf, .png or .tex")
    look.add_argument(
        "--style", choices=["boxes", "volumes"], help="boxes with text (default), or solids as large as the outputs"
    )
    look.add_argument(
        "--direction", choices=["down", "right"], help="where the data goes (default: down, for volumes right)"
    )
    look.add_argument(
        "--theme", choices=["light", "dark"], help="colors (default: light; an .svg follows the viewer's theme)"
    )
    look.add_argument("--no-title", action="store_true", help="omit the title, for example for a figure with a caption")
    command.add_argument("--format", choices=formats, help="format to write (default: from the file extension)")
    _settings(command)


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a spec, file.py, file.py:Class or module:Class; optional with --resume",
    )
    data = command.add_argument_group("data")
    data.add_argument("--data", metavar="NAME", help=f"dataset to train on (default: digits): {_DATA}")
    data.add_argument("--test", metavar="NAME", help="evaluate the best weights on another dataset at the end")
    data.add_argument(
        "--split",
        default="",
        metavar="X",
        help="validation images: a share of each class such as 0.2, a fold such as 1/5, or a file that lists them "
        "(default: the dataset's own, or a fifth of each class)",
    )
    data.add_argument("--split-seed", type=natural, default=0, metavar="N", help="random seed of --split (default: 0)")
    data.add_argument("--data-dir", metavar="DIR", help="folder with the datasets (default: data)")
    data.add_argument("--download", action="store_true", help="download the dataset if it is missing")
    data.add_argument("--limit", type=count, default=0, metavar="N", help="use only N images of each split")
    run = command.add_argument_group("run")
    _named(
        run,
        "-o",
        "--out",
        "--output",
        dest="out",
        metavar="DIR",
        help="folder for the run (default: a new one in runs/)",
    )
    run.add_argument(
        "--resume",
        metavar="DIR",
        help="resume the run in DIR; if you give a MODEL and DIR does not exist, start a new run",
    )
    run.add_argument(
        "--weights",
        metavar="FILE|RUN",
        help="start from the weights of a file (.pth, .safetensors) or of a run; other classes get a new head",
    )
    run.add_argument("--device", default="auto", metavar="X", help=_DEVICE)
    _set(command)
    _recipe(command)


def _trained(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, metavar="RUN", help="a run folder, or a .safetensors file in it")
    command.add_argument("--device", default="auto", metavar="X", help=_DEVICE)


_DEVICE = "device to compute on: auto, cpu, cuda or cuda:N (default: auto)"

_DATA = "digits, shapes[:SIZE[:COUNT]], cifar10, cifar100, mnist, fashion-mnist, folder:PATH"


def _recipe(command: argparse.ArgumentParser) -> None:
    """Add the option for a recipe, and one for each of its fields."""
    from archc.training.recipe import Recipe, bundled_recipes

    recipe = command.add_argument_group("recipe")
    names = ", ".join(bundled_recipes())
    recipe.add_argument("--recipe", metavar="NAME", help=f"a recipe file, or one of {names} (default: default)")
    for name, field in Recipe.model_fields.items():
        option, help = f"--{name.replace('_', '-')}", f"{field.description}".replace("%", "%%")
        if bool in (field.annotation, *get_args(field.annotation)):
            recipe.add_argument(option, dest=f"recipe_{name}", action=argparse.BooleanOptionalAction, help=help)
        elif get_origin(field.annotation) is list:
            texts = get_args(field.annotation)[0] is str
            item: Any = str if texts else partial(_item, name)
            shown = "PATTERN" if texts else "N"
            recipe.add_argument(option, dest=f"recipe_{name}", action="append", type=item, metavar=shown, help=help)
        elif get_origin(field.annotation) is dict:
            kind = partial(_scaled, name)
            recipe.add_argument(
                option, dest=f"recipe_{name}", action="append", type=kind, metavar="PATTERN=X", help=help
            )
        elif name != "description":
            kind = partial(_field, name)
            metavar = _metavar(field.annotation)
            if len(metavar) > _LONGEST:
                help, metavar = f"{help}: {metavar.replace('|', ', ')}", "NAME"
            how: Any = {"dest": f"recipe_{name}", "type": kind, "metavar": metavar, "help": help}
            if name == "batch_size":
                _named(recipe, option, "--batch", **how)
            else:
                recipe.add_argument(option, **how)


_LONGEST = 40
"""The maximum length of a list of words in a usage line, which doesn't wrap."""


def _metavar(annotation: Any) -> str:
    choices = [str(choice) for choice in get_args(annotation) if get_origin(annotation) is Literal]
    return "|".join(choices) or "X"


def _field(name: str, text: str) -> Any:
    """The value of a recipe field, in YAML syntax."""
    from archc.training.recipe import field_fault

    _, value = setting(f"{name}={text}")
    fault = field_fault(name, value)
    if fault:
        raise argparse.ArgumentTypeError(fault)
    return value


def _item(name: str, text: str) -> Any:
    """An item of a recipe's list, in YAML syntax."""
    from archc.training.recipe import field_fault

    _, value = setting(f"{name}={text}")
    fault = field_fault(name, [value])
    if fault:
        raise argparse.ArgumentTypeError(fault)
    return value


def _scaled(name: str, text: str) -> tuple[str, float]:
    """`PATTERN=X`: an entry of a recipe's mapping from patterns to numbers."""
    pattern, _, value = text.rpartition("=")
    try:
        pair = pattern, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected PATTERN=X, such as layer1=0.1, got {text!r}") from None
    from archc.training.recipe import field_fault

    fault = field_fault(name, dict([pair]))
    if not pattern or fault:
        raise argparse.ArgumentTypeError(fault or f"expected PATTERN=X, such as layer1=0.1, got {text!r}")
    return pair


def recipe_changes(given: Any) -> dict[str, Any]:
    """The recipe fields that were set by options."""
    found = {
        name.removeprefix("recipe_"): value
        for name, value in vars(given).items()
        if name.startswith("recipe_") and value is not None
    }
    if "lr_scale" in found:
        found["lr_scale"] = dict(found["lr_scale"])
    return found


def count(text: str) -> int:
    """An integer, at least 1."""
    if not (text.isascii() and text.isdigit() and int(text[:12]) > 0):
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Words separated by commas."""
    found = tuple(word.strip() for word in text.split(","))
    if not all(found) or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected names such as batch,height,width, got {text!r}")
    return found


def natural(text: str) -> int:
    """An integer, at least 0."""
    return 0 if text == "0" else count(text)


def depth(text: str) -> Any:
    """The number of levels to open, `blocks`, or `all`."""
    return text if text in ("blocks", "all") else count(text)


def port(text: str) -> int:
    """A TCP port."""
    if not (text.isascii() and text.isdigit() and int(text[:12]) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


_CODE = "PyTorch code: file.py:Class or module:callable"


def _spec(command: argparse.ArgumentParser) -> None:
    command.add_argument("spec", metavar="SPEC", help=f"a spec file, the name of a bundled spec, or {_CODE}")
    _settings(command)


def _settings(command: argparse.ArgumentParser) -> None:
    _set(command)
    command.add_argument(
        "--input",
        action="append",
        type=named_size,
        metavar="[NAME=]CxHxW",
        help="use another input size; with NAME, of one of several inputs",
    )


def _set(command: argparse.ArgumentParser, help: str = "set an argument of the spec") -> None:
    command.add_argument(
        "--set",
        dest="settings",
        action="append",
        type=setting,
        default=[],
        metavar="NAME=VALUE",
        help=help,
    )


def configured(spec: str, given: Any) -> Architecture:
    """The architecture of a spec with the command's `--set` and `--input`. Raises SpecError."""
    from archc.architecture import open_network
    from archc.problems import SpecError

    architecture, problems = open_network(spec, sizes_of(given.input), dict(given.settings))
    if problems:
        raise SpecError(problems)
    return architecture


def input_size(text: str) -> tuple[int, ...]:
    """Parse `3x224x224` as (3, 224, 224): a shape of one to four sizes."""
    parts = text.replace("×", "x").split("x")
    if len(parts) > 4 or not all(part.isascii() and part.isdigit() and 0 < int(part[:12]) < 2**31 for part in parts):
        raise argparse.ArgumentTypeError(f"expected channels x height x width, such as 3x224x224, got {text!r}")
    return tuple(map(int, parts))


def named_size(text: str) -> tuple[str, tuple[int, ...]]:
    """`image=3x224x224` as ("image", (3, 224, 224)); without a name, which is that of the only input, it is empty."""
    name, _, size = text.rpartition("=")
    if "=" in text and not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=CxHxW, such as image=3x224x224, got {text!r}")
    return name, input_size(size)


def sizes_of(given: list[tuple[str, tuple[int, ...]]] | None) -> Inputs | None:
    """The sizes of `--input`: the last one alone if it has no name."""
    if not given:
        return None
    return given[-1][1] if not given[-1][0] else {name: size for name, size in given if name}


def setting(text: str) -> tuple[str, Any]:
    """Parse `name=value`, with the value in YAML syntax."""
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
        raise argparse.ArgumentTypeError(f"{value!r} is not a valid YAML value")
    return name, found["value"]
