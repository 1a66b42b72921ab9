"""`archc COMMAND …`: arguments, exit codes, and error messages without tracebacks."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from archc import __version__
from archc.cli import options
from archc.terminal import say, use_color
from archc.text import visible

COMMANDS = {
    "check": "check specs and infer every shape",
    "summary": "show each layer's shape, parameters, multiply-adds and receptive field",
    "view": "explore an architecture in the browser, live while you edit the spec",
    "diff": "compare two architectures",
    "build": "build the nn.Module and run a forward pass",
    "emit": "write PyTorch source",
    "export": "write an ONNX or torch.export file",
    "import": "write the spec of a network that exists as PyTorch code",
    "draw": "draw architectures as SVG, PNG, HTML, Mermaid or DOT",
    "train": "train a network on images",
    "eval": "evaluate a trained network: accuracy by class, confusions, mistakes",
    "compare": "compare several runs in a table and one picture",
    "predict": "classify images with a trained network",
    "fmt": "format specs",
    "list": "list the bundled specs or the layer types",
    "new": "write a commented starter spec",
    "lsp": "start the language server for your editor",
    "schema": "print the JSON Schema of specs for your editor",
    "explain": "explain an error code, with an example and its fix",
    "completion": "print a completion script for your shell",
}


class _Parser(argparse.ArgumentParser):
    used: _Parser | None = None

    def error(self, message: str) -> NoReturn:
        """Usage errors: one line and a pointer, exit 2."""
        help = f"try `{self.prog} --help`"
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message and unknown.startswith("--") and self.used is not None:
            from archc.problems import did_you_mean

            near = did_you_mean(unknown.split()[0].partition("=")[0], self.used.option_names())
            help = near if near.startswith("did") else help
        self.exit(2, visible(f"{self.prog}: {message}\n{help}\n"))

    def option_names(self) -> list[str]:
        """The options that it accepts."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


def parser(used: str = "") -> _Parser:
    """The command line; only the `used` command has its options, so that it starts quickly."""
    top = _Parser(prog="archc", description="A compiler for neural-network architectures.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"archc {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.", allow_abbrev=False)
        if name == used:
            options.add(name, command)
            command.add_argument(
                "--color",
                choices=["auto", "always", "never"],
                default="auto",
                help="use colors (default: auto, on a terminal unless NO_COLOR is set)",
            )
            command.add_argument(
                "--plugin",
                dest="plugins",
                action="append",
                default=[],
                type=Path,
                metavar="FILE.py",
                help="run FILE.py first, which registers layer types of your own",
            )
            command.add_argument(
                "--allow-modules",
                action="store_true",
                help="import and run the classes that specs name in `module` (default: report them as errors)",
            )
            top.used = command
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0: success; 1: errors; 2: invalid usage; 130 and 143: interrupted by SIGINT or SIGTERM."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        _prepare_process()
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        from archc.problems import did_you_mean

        say(f"archc: unknown command `{words[0]}`", error=True)
        say(did_you_mean(words[0], COMMANDS), error=True)
        return 2
    try:
        import_module("archc.limits")
    except ValueError as error:
        say(f"archc: {error}", error=True)
        return 2
    given = parser(words[0] if words else "").parse_args(words)
    use_color(given.color)
    code = _run(given.command, given)
    if arguments is None and "torch" not in sys.modules:
        gc.freeze()  # the process ends, so nothing has to be collected, and torch's extension modules would complain
    if arguments is None and os.environ.get("WORLD_SIZE", "1") != "1":
        # In a process of torchrun, a thread of gloo may still be about to release a Python tensor,
        # which aborts the process if the interpreter is already shutting down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _prepare_process() -> None:
    """Disable what a short-lived process doesn't need: pydantic plugins, cyclic garbage collection, encoding errors."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _run(command: str, given: Any) -> int:
    from archc.problems import SpecError, styled_report

    try:
        if given.allow_modules:
            from archc.architecture import inspect_module
            from archc.kinds.module import allow_modules

            if os.getcwd() not in sys.path:  # find modules of the working directory
                sys.path.append(os.getcwd())
            allow_modules(inspect_module)
        if given.plugins:
            from archc.kinds.plugins import load_plugin

            for path in given.plugins:
                load_plugin(path)
        code = import_module(f"archc.cli.{command}_command").run(given)
        sys.stdout.flush()
    except SpecError as error:
        say(styled_report(error.problems), error=True)
        return 1
    except ImportError as error:
        from archc.extras import how_to_install, missing

        package = missing(error)
        if package is None:
            raise
        say(f"archc {command}: needs {package}: {how_to_install(package)}", error=True)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            say(f"archc: {error}", error=True)
        # The reader of the pipe has exited, so there is nothing left to print, even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if not given.plugins:
            raise
        from archc.kinds.plugins import plugin_fault

        fault = plugin_fault(error)
        if fault is None:
            raise
        say(styled_report(fault.problems), error=True)
        return 1
    assert isinstance(code, int)
    return code
