"""The tree of a spec as YAML, in the layout of `archc fmt`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from archc.formatting import format_text
from archc.importing.constructors import PREFIX
from archc.importing.tree import Block, Body, Entry, Formula, Layer, Share, Use, same_value
from archc.kinds import Shape
from archc.kinds.convolution import Conv

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBERED = re.compile(r"(.*?)(\d+)")
_WORDS = frozenset({"false", "no", "null", "off", "on", "true", "yes", "y", "n"})
_SHORT = 100
"""Characters of a list that is written on one line."""
_RUN = 3
"""Equal entries in a row that become a loop."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a spec says besides its body."""

    name: str
    input: Shape
    parameters: Mapping[str, Any]
    comments: Sequence[str]
    init: Sequence[Mapping[str, Any]] = ()


def write(spec: Written, blocks: Sequence[Block], root: Body) -> str:
    """The text of a spec."""
    lines = [f"# {line}" for line in spec.comments]
    lines += [f"name: {spec.name}", f"input: {_flow(list(spec.input))}"]
    if spec.parameters:
        lines.append(f"arguments: {_mapping(spec.parameters)}")
    if blocks:
        lines += ["", "blocks:"]
        for at, block in enumerate(blocks):
            lines += [""] * (at > 0) + [f"  {block.name}:"]
            if block.body.inputs:
                lines.append(f"    inputs: {_flow(list(block.body.inputs))}")
            if block.parameters:
                given = {each.name: each.default[0] if each.default else _Required() for each in block.parameters}
                lines.append(f"    arguments: {_mapping(given)}")
            lines += [f"    {line}" for line in _body(block.body)]
    lines += ["", *_body(root)]
    if spec.init:
        lines += ["init:", *(f"  - {_mapping(rule)}" for rule in spec.init)]
    return format_text("\n".join(lines) + "\n", "<imported>")


class _Required:
    """The value of a parameter without a default."""


def _body(body: Body) -> Iterator[str]:
    """`layers:` and `outputs:` of a body, or its `branches:` and `join:`."""
    if body.form == "branches":
        yield "branches:"
        numbered = body.entries[0].name.isdigit()
        lines = [line for entry in body.entries for line in _dash(_item(entry))] if numbered else _named(body.entries)
        yield from (f"  {line}" for line in lines)
        yield f"join: {body.join}"
        return
    yield "layers:"
    yield from (f"  {line}" for line in _entries(body))
    if body.outputs:
        equal = all(name == reference for name, reference in body.outputs.items())
        yield f"outputs: {_flow(list(body.outputs)) if equal else _mapping(body.outputs)}"


def _entries(body: Body) -> list[str]:
    return _list(body.entries) if body.form == "list" else _named(body.entries)


def _list(entries: Sequence[Entry]) -> list[str]:
    """The entries of a list, with runs of equal ones as loops."""
    texts = [_item(entry) for entry in entries]
    lines: list[str] = []
    at = 0
    while at < len(entries):
        count, period = _run_at(texts, at)
        if count < 2:
            lines += _dash(texts[at])
        elif period == 1 and isinstance(entries[at].element, Layer | Use):
            lines.append(f"- {_element(entries[at], {'repeat': count})}")
        else:
            inner = [line for text in texts[at : at + period] for line in _dash(text)]
            lines += [f"- repeat: {count}", "  layers:", *(f"    {line}" for line in inner)]
        at += count * period
    return lines


def _run_at(texts: Sequence[Any], at: int) -> tuple[int, int]:
    """How often the texts at a position repeat, and how many of them are one iteration: the run that saves most."""
    best, saved = (1, 1), 0
    for period in range(1, min(8, (len(texts) - at) // 2) + 1):
        pattern = texts[at : at + period]
        count = 1
        while texts[at + count * period : at + (count + 1) * period] == pattern:
            count += 1
        size = sum(map(len, pattern))
        gain = size * (count - 1) - (0 if period == 1 else 2)
        if count >= (_RUN if period == 1 else 2) and gain > saved:
            best, saved = (count, period), gain
    return best


def _dash(lines: Sequence[str]) -> list[str]:
    return [f"- {lines[0]}", *(f"  {line}" for line in lines[1:])]


def _item(entry: Entry) -> list[str]:
    """An entry of a list, without its dash."""
    if isinstance(entry.element, Body):
        if entry.element.form == "list" and entry.when is None:
            inner = _entries(entry.element)
            short = _one_line(inner)
            return [short] if short else inner
        return [*_body(entry.element), *_extras(entry)]
    return [_element(entry)]


def _one_line(lines: Sequence[str]) -> str:
    """A short list in brackets; empty if it is too long or nested."""
    items = [line.removeprefix("- ") for line in lines]
    text = f"[{', '.join(items)}]"
    plain = all(line.startswith("- ") and not line.startswith(("- repeat:", "- layers:", "- for:")) for line in lines)
    return text if plain and len(text) <= _SHORT and len(items) <= 3 else ""


def _extras(entry: Entry) -> Iterator[str]:
    if entry.source:
        yield f"from: {_flow(entry.source)}"
    elif entry.operands and not isinstance(entry.element, Layer):
        yield f"from: {_flow(list(entry.operands))}"
    if entry.when is not None:
        yield f"when: {_flow(entry.when)}"
    if entry.auxiliary:
        yield "auxiliary: true"


def _named(entries: Sequence[Entry]) -> list[str]:
    """The entries of a mapping, with runs of numbered and otherwise equal ones as loops."""
    lines: list[str] = []
    read = {name.partition(".")[0] for entry in entries for name in (entry.source, *entry.operands)}
    read |= {entry.element.owner for entry in entries if isinstance(entry.element, Share)}
    at = 0
    while at < len(entries):
        entry = entries[at]
        count = _numbered_run(entries, at, read)
        if count >= _RUN:
            stem, number = _split(entry.name)
            index = "i" if number == 0 else f"(i + {number})"
            lines.append(f"{stem}${index}: {_braced(entry, {'repeat': count, 'index': 'i'})}")
            at += count
            continue
        lines += _mapping_entry(entry)
        at += 1
    return lines


def _split(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*?)(\d+)", name)
    return (match[1], int(match[2])) if match and match[1] else (name, -1)


def _numbered_run(entries: Sequence[Entry], at: int, read: Set[str]) -> int:
    """How many entries from a position on are numbered one after the other and otherwise equal, up to one in `read`."""
    first = entries[at]
    stem, number = _split(first.name)
    if number < 0 or isinstance(first.element, Body) or first.operands or first.source or first.auxiliary:
        return 1
    if first.name in read:
        return 1
    text = _braced(first)
    count = 1
    while at + count < len(entries):
        entry = entries[at + count]
        if entry.name != f"{stem}{number + count}" or entry.name in read or isinstance(entry.element, Body):
            break
        if _braced(entry) != text:
            break
        count += 1
    return count


def _mapping_entry(entry: Entry) -> list[str]:
    element = entry.element
    if not isinstance(element, Body):
        plain = not list(_extras(entry))
        key, value = _call(entry)
        if plain and not value:
            return [f"{entry.name}: {key}"]
        return [f"{entry.name}: {_braced(entry)}"]
    inner = _entries(element)
    extras = list(_extras(entry))
    if element.form == "list" and not extras and not element.outputs:
        short = _one_line(inner)
        return [f"{entry.name}: {short}"] if short else [f"{entry.name}:", *(f"  {line}" for line in inner)]
    return [f"{entry.name}:", *(f"  {line}" for line in [*extras, *_body(element)])]


def _element(entry: Entry, extras: Mapping[str, Any] | None = None) -> str:
    """A layer or a use as an item of a list: `relu`, `linear: 10` or `{relu: , when: …}`."""
    key, value = _call(entry)
    if extras or entry.when is not None:
        return _braced(entry, extras)
    return f"{key}: {value}" if value else key


def _braced(entry: Entry, extras: Mapping[str, Any] | None = None) -> str:
    key, value = _call(entry)
    parts = [f"{key}: {value}".rstrip() + (" " if not value else "")]
    parts += list(_extras(entry))
    parts += [f"{name}: {_flow(each)}" for name, each in (extras or {}).items()]
    return "{" + ", ".join(parts) + "}"


def _call(entry: Entry) -> tuple[str, str]:
    """The layer type or block, and its arguments as flow text."""
    element = entry.element
    assert not isinstance(element, Body)
    if isinstance(element, Share):
        return "share", element.owner
    if isinstance(element, Layer):
        given = {name: value for name, value in element.arguments.items() if name not in element.implied}
        if element.kind.many:
            operands = list(entry.operands)
            return element.kind.kind, _mapping({"inputs": operands, **given}) if given else _flow(operands)
        given = {**given, **_same_padding(element, given)}
        if element.kind.opaque:
            given = _nested(given)
        alone = element.kind.alone()
        if alone is not None and list(given) == [alone] and element.kind.model_fields[alone].is_required():
            return element.kind.kind, _flow(given[alone])
        return element.kind.kind, _mapping(given) if given else ""
    given = {
        each.name: element.arguments[each.name]
        for each in element.block.parameters
        if each.default is None or not same_value(each.default[0], element.arguments[each.name])
    }
    positional = [each.name for each in element.block.parameters][: len(given)] == list(given)
    values = list(given.values())
    if not given:
        return element.block.name, ""
    if positional and len(values) == 1 and not isinstance(values[0], tuple | list):
        return element.block.name, _flow(values[0])
    if positional and len(values) > 1:
        return element.block.name, _flow(values)
    return element.block.name, _mapping(given)


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `module`, with those of its constructor in a mapping of their own."""
    inner = {name.removeprefix(PREFIX): value for name, value in given.items() if name.startswith(PREFIX)}
    found = {"target": given["target"], **({"arguments": inner} if inner else {})}
    return {**found, **({"shape": given["shape"]} if "shape" in given else {})}


def _same_padding(layer: Layer, given: Mapping[str, Any]) -> dict[str, Any]:
    """`padding: same` for a convolution that keeps the size of its input."""
    padding, kernel = given.get("padding"), given.get("kernel_size")
    if padding is None or not issubclass(layer.kind, Conv) or "stride" in given or "dilation" in given:
        return {}
    if isinstance(padding, Formula):
        return {"padding": "same"} if padding == f"({kernel} - 1) // 2" and isinstance(kernel, Formula) else {}
    pairs = zip(*(value if isinstance(value, tuple) else (value,) * 3 for value in (kernel, padding)), strict=False)
    keeps = not isinstance(kernel, Formula) and all(type(k) is int and k == 2 * p + 1 for k, p in pairs)
    return {"padding": "same"} if keeps else {}


def _mapping(given: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {_flow(value)}" for name, value in given.items()) + "}"


def _flow(value: Any) -> str:
    """A value as YAML in braces or brackets."""
    if isinstance(value, _Required):
        return ""
    if isinstance(value, Formula):
        text = f"${value}" if _PLAIN.fullmatch(value) else f"$({value})"
        return json.dumps(text) if any(mark in text for mark in ",[]{}") else text
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        return f"{mantissa}{'' if '.' in mantissa else '.0'}e{exponent}" if e else mantissa
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_flow, value))}]"
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z_][\w.-]*", text) and text.lower() not in _WORDS else json.dumps(text)
