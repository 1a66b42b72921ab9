"""`archc completion`: a script that lets a shell complete commands, options, bundled specs, layer types and codes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from archc.terminal import hand_over

SPECS: Final = ("SPEC", "MODEL", "A", "B")
"""The names of positional arguments that take a spec."""


class Option(NamedTuple):
    """An option of a command: its spellings, its help, and its values if they are listed."""

    flags: tuple[str, ...]
    help: str
    takes_value: bool
    values: tuple[str, ...]


class Command(NamedTuple):
    """A command: its help, its options, and the words that its positional arguments can be, in addition to files."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...]


def run(given: Any) -> int:
    """Print the script for a shell."""
    scripts = {"bash": _bash, "fish": _fish, "zsh": _zsh}
    hand_over(scripts[given.shell](list(_commands())))
    return 0


def _commands() -> Iterator[Command]:
    from archc.cli.main import COMMANDS, parser

    for name, help in COMMANDS.items():
        used = parser(name).used
        assert used is not None
        options = [_option(action) for action in used._actions if action.option_strings]
        words = [word for action in used._actions if not action.option_strings for word in _words(name, action)]
        yield Command(name, help, tuple(options), tuple(dict.fromkeys(words)))


def _option(action: argparse.Action) -> Option:
    values = tuple(map(str, action.choices or ()))
    return Option(tuple(action.option_strings), (action.help or "").replace("%%", "%"), action.nargs != 0, values)


def _words(command: str, action: argparse.Action) -> list[str]:
    """The words that a positional argument can be, in addition to files."""
    from archc.kinds import KINDS
    from archc.library import bundled
    from archc.problems.codes import codes

    if action.choices is not None:
        return list(action.choices)
    if action.metavar in SPECS:
        return list(bundled())
    match command:
        case "explain":
            return [*codes(), *KINDS]
        case "list":
            return [*KINDS, *bundled()]
    return []


def _bash(commands: list[Command]) -> str:
    """The script for bash 4 or later. Options complete after a dash, files and words elsewhere."""
    values = [
        f"        {' | '.join(f'{command.name}:{flag}' for flag in option.flags)})\n"
        f'            COMPREPLY=($(compgen -W {shlex.quote(" ".join(option.values))} -- "$word")); return ;;'
        for command in commands
        for option in command.options
        if option.values
    ]
    free = [
        f"{command.name}:{flag}"
        for command in commands
        for option in command.options
        if option.takes_value and not option.values
        for flag in option.flags
    ]
    cases = [
        f"        {command.name})\n"
        f"            options={shlex.quote(' '.join(flag for option in command.options for flag in option.flags))}\n"
        f"            words={shlex.quote(' '.join(command.words))} ;;"
        for command in commands
    ]
    names = shlex.quote(" ".join(command.name for command in commands))
    return "\n".join(
        [
            '# Completion of archc for bash: eval "$(archc completion bash)"',
            "_archc() {",
            '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}"',
            '    local command="${COMP_WORDS[1]}" options="" words=""',
            "    COMPREPLY=()",
            "    if ((COMP_CWORD == 1)); then",
            f'        COMPREPLY=($(compgen -W {names} -- "$word")); return',
            "    fi",
            '    case "$command:$before" in',
            *values,
            f"        {' | '.join(free)})",
            '            COMPREPLY=($(compgen -f -- "$word")); return ;;',
            "    esac",
            '    case "$command" in',
            *cases,
            "    esac",
            '    if [[ "$word" == -* ]]; then',
            '        COMPREPLY=($(compgen -W "$options" -- "$word"))',
            "    else",
            '        COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word"))',
            "    fi",
            "}",
            "complete -o filenames -F _archc archc",
            "",
        ]
    )


def _zsh(commands: list[Command]) -> str:
    """The script for zsh, which runs bash's completion functions."""
    head = (
        '# Completion of archc for zsh: eval "$(archc completion zsh)"\nautoload -U +X bashcompinit && bashcompinit\n'
    )
    return head + _bash(commands).partition("\n")[2]


def _fish(commands: list[Command]) -> str:
    """The script for fish."""
    lines = ["# Completion of archc for fish: archc completion fish | source"]
    for command in commands:
        lines.append(f"complete -c archc -f -n __fish_use_subcommand -a {command.name} -d {_quoted(command.help)}")
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            lines.append(f"complete -c archc {seen} -a {_quoted(' '.join(command.words))}")
        for option in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            value = f" -xa {_quoted(' '.join(option.values))}" if option.values else " -r" if option.takes_value else ""
            lines.append(f"complete -c archc {seen} {flags}{value} -d {_quoted(option.help)}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    r"""A text in single quotes, in which fish knows the escapes \\ and \'."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
