"""Documentation of layer types, blocks, initializers, arguments and keys as Markdown, from their definitions."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from archc.expressions import Expression
from archc.kinds import KINDS, Kind
from archc.kinds.arguments import meanings
from archc.kinds.base import shown
from archc.kinds.initializers import INITIALIZERS
from archc.language.header import BlockKeys, EntryKeys, ExpectKeys, ExtendKeys, InitKeys, SpecKeys, meanings_of
from archc.language.spec import Block
from archc.server.markdown import code, escaped
from archc.server.slots import Role, Slot

Blocks = dict[str, Block]

_OF_SPECS = meanings_of(SpecKeys)

KEYS: Final[dict[Role, dict[str, str]]] = {
    Role.SPEC: {**_OF_SPECS, **{key: said for key, said in meanings_of(ExtendKeys).items() if key not in _OF_SPECS}},
    Role.BLOCK: meanings_of(BlockKeys),
    Role.ENTRY: meanings_of(EntryKeys),
    Role.EXPECT: meanings_of(ExpectKeys),
    Role.INIT: meanings_of(InitKeys),
}
"""The keys of the language by context, with their meanings."""


def call_doc(name: str, blocks: Blocks) -> str:
    """The arguments and description of a block or layer type; empty for another name."""
    if name in blocks:
        return f"block {_signature(name, defaults(name, blocks))}\n\n{escaped(blocks[name].description)}".strip()
    if name in KINDS:
        torch = KINDS[name].torch
        same = f"\n\n`torch.{torch}`" if torch.startswith("nn.") else ""
        call = code(f"{name}: [a, b, …]") if KINDS[name].many else _signature(name, defaults(name, blocks))
        return f"{call}\n\n{_docstring(KINDS[name])}{same}"
    return ""


def initializer_doc(name: str) -> str:
    """The description of a function of torch.nn.init; empty for another name."""
    if name not in INITIALIZERS:
        return ""
    model = INITIALIZERS[name]
    return f"{_signature(name, _fields(model))}\n\n{_docstring(model)}\n\n`torch.nn.init.{model.torch}`"


def key_doc(slot: Slot, key: str, blocks: Blocks) -> str:
    """The meaning of a key in a mapping; empty if the author chose the key."""
    if slot.role is Role.CALL:
        return _argument_doc(key, defaults(slot.target, blocks), _meanings(slot.target))
    if slot.role is Role.FUNCTION:
        model = INITIALIZERS.get(slot.target)
        return _argument_doc(key, _fields(model), {}) if model else ""
    if slot.role is Role.INITIALIZER:
        return initializer_doc(key)
    said = KEYS.get(slot.role, {}).get(key)
    return f"{code(key)}: {said}" if said else ""


def defaults(target: str, blocks: Blocks) -> dict[str, str | None]:
    """The arguments of a layer type or block with their defaults as written; None for a required one."""
    if target in blocks:
        parameters = [blocks[target].parameters[name] for name in blocks[target].own]
        return {each.name: None if each.required else _written(each.default) for each in parameters}
    if target not in KINDS:
        return {}
    return {**({"inputs": None} if KINDS[target].many else {}), **_fields(KINDS[target])}


def words(target: str, argument: str) -> list[str]:
    """The strings that an argument of a layer type can be."""
    if target not in KINDS or argument not in KINDS[target].model_fields:
        return []
    schema = KINDS[target].model_json_schema()["properties"][argument]
    options = [schema, *schema.get("anyOf", ())]
    found = [word for option in options for word in (*option.get("enum", ()), option.get("const"))]
    found += ["true", "false"] if any(option.get("type") == "boolean" for option in options) else []
    return [word for word in found if isinstance(word, str)]


def argument_name(slot: Slot, blocks: Blocks) -> str:
    """The argument that a value belongs to, by name, by position or as the only one; empty if there is none."""
    names = list(defaults(slot.target, blocks))
    at = slot.argument or 0
    return at if isinstance(at, str) else names[at] if at < len(names) else ""


def _fields(model: type[BaseModel]) -> dict[str, str | None]:
    return {name: None if field.is_required() else shown(field.default) for name, field in model.model_fields.items()}


def _written(value: Any) -> str:
    return f"$({value.text})" if isinstance(value, Expression) else shown(value)


def _signature(name: str, arguments: dict[str, str | None]) -> str:
    return code(f"{name}({', '.join(arg if value is None else f'{arg}={value}' for arg, value in arguments.items())})")


def _docstring(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _meanings(target: str) -> dict[str, str]:
    kind: type[Kind] | None = KINDS.get(target)
    return meanings(kind) if kind else {}


def _argument_doc(name: str, arguments: dict[str, str | None], said: dict[str, str]) -> str:
    if name not in arguments:
        return ""
    default = arguments[name]
    need = "required" if default is None else f"default {code(default)}"
    return f"{code(name)}, {need}" + (f": {said[name]}" if said.get(name) else "")
