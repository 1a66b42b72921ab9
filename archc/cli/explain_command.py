"""`archc explain`."""

from __future__ import annotations

import re
from typing import Any

from archc.language.keys import EXAMPLES, Key, find_key
from archc.problems import did_you_mean
from archc.problems.codes import GROUPS, code_named, codes, name, plain_page, title
from archc.terminal import say, width
from archc.text import hanging


def run(given: Any) -> int:
    """Print the page of an error code, a key of specs or a layer type; without a word, list the codes."""
    known = codes()
    word = given.code
    if word is None:
        say("\n\n".join(_group(prefix, topic, known) for prefix, topic in GROUPS.items()))
        return 0
    code = word.upper() if word.upper() in known else code_named(word.lower())
    if code is not None:
        say(plain_page(code, width()))
        return 0
    key = find_key(word)
    if key is not None:
        say(_key_page(key))
        return 0
    from archc.cli.list_command import describe_kind
    from archc.kinds.plugins import load_installed

    load_installed()
    page = describe_kind(word)
    if page:
        say(page)
        return 0
    say(f"archc explain: unknown code or word `{word}`", error=True)
    from archc.kinds import KINDS

    near = did_you_mean(word.upper(), known) if re.fullmatch(r"[A-Za-z]?\d+", word) else ""
    words = [*EXAMPLES, *KINDS, *map(name, known), *known]
    say(
        near or did_you_mean(word, words) or "`archc explain` lists all codes, and `archc list --kinds` all layers",
        error=True,
    )
    return 2


def _group(prefix: str, topic: str, known: list[str]) -> str:
    rows = [(code, name(code), title(code)) for code in known if code.startswith(prefix)]
    longest = max(len(row[1]) for row in rows)
    lines = (hanging(f"  {code}  {label.ljust(longest)}  ", what, width()) for code, label, what in rows)
    return "\n".join([topic, *lines])


def _key_page(key: Key) -> str:
    """The meanings of a key, and a spec that uses it."""
    lines = [hanging("", f"`{key.name}` in {owner}: {meaning}", width()) for owner, meaning in key.meanings.items()]
    if key.example:
        lines += ["", "Example:", "", *(f"    {line}".rstrip() for line in key.example.splitlines())]
    return "\n".join(lines)
