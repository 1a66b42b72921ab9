"""`archc COMMAND …`: arguments, exit codes, and no traceback for what a user got wrong."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from archc import __version__
from archc.cli import options

COMMANDS = {
    "check": "validate specs and infer every shape",
    "summary": "show shapes, parameters, multiply-adds and receptive fields by layer",
    "view": "explore an architecture in the browser, live while its spec is edited",
    "diff": "tell what differs between two architectures, in meaning",
    "build": "build the nn.Module and run one forward pass",
    "emit": "write PyTorch source",
    "draw": "draw architectures",
    "train": "train a network on images",
    "eval": "loss and accuracy of a trained network",
    "predict": "what a trained network sees in images",
    "fmt": "write specs in their canonical form",
    "list": "list the bundled specs, or the layer kinds",
    "new": "write a commented starter spec",
    "lsp": "serve an editor: diagnostics, hovers, completion and more, as a language server",
    "schema": "print the JSON Schema of specs, for editors",
    "explain": "tell the rule behind an error code, with a wrong and a mended example",
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
        self.exit(2, f"{self.prog}: {message}\n{help}\n")

    def option_names(self) -> list[str]:
        """The options that it takes, as they are written."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


def parser(used: str = "") -> _Parser:
    """The command line; only the command that is `used` has its options, for a quick start."""
    top = _Parser(prog="archc", description="A compiler for neural-network architectures.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"archc {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.", allow_abbrev=False)
        if name == used:
            options.add(name, command)
            top.used = command
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0: done; 1: problems; 2: wrong usage; 130 and 143: interrupted by SIGINT, SIGTERM."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        _prepare_process()
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        from archc.problems import did_you_mean

        print(f"archc: no command is called `{words[0]}`", file=sys.stderr)
        print(did_you_mean(words[0], COMMANDS), file=sys.stderr)
        return 2
    try:
        import_module("archc.limits")
    except ValueError as error:
        print(f"archc: {error}", file=sys.stderr)
        return 2
    given = parser(words[0] if words else "").parse_args(words)
    code = _run(given.command, given)
    if arguments is None and "torch" not in sys.modules:
        gc.freeze()  # the process ends here: nothing is worth collecting; extension modules of torch's would complain
    if arguments is None and os.environ.get("WORLD_SIZE", "1") != "1":
        # One of torchrun's processes. A thread of gloo's may still be about to let a tensor of Python's go, and
        # aborts the process if the interpreter is being taken down by then.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _prepare_process() -> None:
    """What a short-lived process does without: pydantic's plugins, cyclic garbage, a terminal's encoding errors."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _run(command: str, given: Any) -> int:
    from archc.problems import SpecError, text_report

    try:
        code = import_module(f"archc.cli.{command}_command").run(given)
        sys.stdout.flush()
    except SpecError as error:
        print(text_report(error.problems), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print(f"archc: {error}", file=sys.stderr)
        # The reader of a pipe has gone: nothing is left to say, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    assert isinstance(code, int)
    return code
