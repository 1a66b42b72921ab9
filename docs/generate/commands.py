"""The reference of the command line, from the parsers of `archc/cli`."""

from __future__ import annotations

import argparse

from archc.cli import main

from .page import Page, table

_INTRO = """# Command line

Run `archc COMMAND --help` (or `archc help COMMAND`) to get the same information in your terminal. A `SPEC` is a path or
the name of a bundled spec. Results go to stdout, and messages go to stderr.

| exit code | meaning |
| ---: | --- |
| 0 | success |
| 1 | errors in a spec or a file, or `--check` found an outdated file; for `diff`: the architectures differ |
| 2 | invalid usage; for `diff`: also errors in a spec or a file |
| 130, 143 | interrupted by Ctrl-C or SIGTERM; `train` saves a checkpoint first |
"""


def command_page() -> Page:
    """Every command with its arguments and options."""
    return Page("commands.md", "Command line", "\n".join([_INTRO, *map(_command, main.COMMANDS)]))


def _command(name: str) -> str:
    command = parser_of(name)
    parts = [f"## archc {name}\n\n{command.description}\n"]
    positional = [action for action in command._actions if not action.option_strings]
    words = " ".join(_placeholder(action) for action in positional)
    options = " [options]" if len(command._actions) > len(positional) + 1 else ""
    parts.append(f"    archc {name}{f' {words}' if words else ''}{options}\n")
    for group in command._action_groups:
        rows = [_row(action) for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        if rows:
            title = "" if group.title in ("positional arguments", "options") else f"### {name}: {group.title}\n\n"
            head = "argument" if group.title == "positional arguments" else "option"
            parts.append(f"{title}{table(f'{head} | does', rows)}")
    return "\n".join(parts)


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command, with its options."""
    subparsers = next(action for action in main.parser(name)._actions if isinstance(action, argparse._SubParsersAction))
    found = subparsers.choices[name]
    assert isinstance(found, argparse.ArgumentParser)
    return found


def _placeholder(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return {"+": f"{name}…", "*": f"[{name}…]", "?": f"[{name}]"}.get(str(action.nargs), name)


def _row(action: argparse.Action) -> tuple[str, str]:
    """Flags with their value, and the help; choices and defaults are told where the help does not."""
    if not action.option_strings:
        return f"`{_placeholder(action)}`", _help(action)
    value = "" if action.nargs == 0 else f" {action.metavar or '|'.join(map(str, action.choices or ['X']))}"
    return ", ".join(f"`{flag}{value}`" for flag in action.option_strings), _help(action)


def _help(action: argparse.Action) -> str:
    """The help with its words in capitals and options as code."""
    text = (action.help or "").replace("%%", "%").replace("*", "\\*").replace("<", "&lt;")
    if action.choices and action.default is not None:
        text = f"{text}; default: {action.default}" if text else f"default: {action.default}"
    return text
