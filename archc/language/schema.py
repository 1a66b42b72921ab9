"""The JSON Schema of spec files, from the models of keys and layer kinds, for completion and checks in editors.

`archc check` also checks what a schema can't express: references, shapes, values of expressions. In the schema, blocks
start with a capital letter, so that a misspelled kind isn't taken for a block.
"""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel

from archc.kinds import KINDS, Kind
from archc.kinds.arguments import meanings
from archc.kinds.initializers import INITIALIZERS
from archc.language.header import (
    BlockKeys,
    EntryKeys,
    ExpectKeys,
    ExtendKeys,
    InitKeys,
    SpecKeys,
    meanings_of,
)
from archc.language.initialization import initialized_kinds
from archc.language.names import MODULE_ATTRIBUTES, reserved_classes, reserved_inputs, reserved_parameters
from archc.language.parse import ENTRY_KEYS, MODIFIERS, TURNS
from archc.library import FILE_NAME

SCHEMA_FILE: Final = "archc.schema.json"
"""The file name of the schema next to specs, whose first line refers to it."""

Schema = dict[str, Any]

_INDEX = r"\$(?:\([^()]*\)|[A-Za-z][A-Za-z0-9]*)"


def spec_schema() -> Schema:
    """JSON Schema (2020-12) of a spec file: a network, one that extends another, or blocks to import."""
    spec = _object(SpecKeys, _body() | {"arguments": _ref("values"), "blocks": _blocks(), "init": _init()})
    spec |= {**_ONE_BODY, **_ONE_INPUT}
    spec["properties"]["inputs"] |= {"propertyNames": _names(reserved_inputs())}
    spec["properties"]["name"] |= _names(reserved_classes())
    spec["properties"]["import"] |= {"propertyNames": _NAMED}
    spec["properties"]["expect"] = _said(_ref("expect"), meanings_of(SpecKeys)["expect"])
    extension = _object(
        ExtendKeys,
        _body()
        | {"layers": _mapping(), "branches": _mapping()}
        | {"extends": _NAMED, "arguments": _ref("values"), "blocks": _blocks()}
        | {"init": _init(), "expect": _ref("expect")},
    )
    extension["properties"]["import"] |= {"propertyNames": _NAMED}
    extension["properties"]["inputs"] |= {"propertyNames": _names(reserved_inputs())}
    block = _object(BlockKeys, _body() | {"init": _init(), "arguments": _parameters(_ref("value"), {"type": "null"})})
    block["properties"]["inputs"]["items"] |= _names(reserved_inputs())
    library = {
        "type": "object",
        "description": "A file of blocks for other specs to import.",
        "properties": {key: spec["properties"][key] for key in ("name", "description", "paper", "blocks", "import")},
        "required": ["blocks"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archc spec",
        "description": "A neural-network architecture as data.",
        "anyOf": [spec, extension, library],
        "$defs": {
            **{name: _kind(kind) for name, kind in KINDS.items()},
            "entries": _entries(),
            "entry": _entry(listed=False),
            "item": _entry(listed=True),
            "block": block | _ONE_BODY,
            "values": _parameters(_ref("value"), {"type": "null"}),
            "value": {"type": ["boolean", "number", "string", "array"]},
            "expect": _object(ExpectKeys),
            "initializer": _initializer(),
            "expression": _EXPRESSION,
            "reference": _REFERENCE,
        },
    }


def schema_text() -> str:
    """The text of the schema file."""
    return f"{json.dumps(spec_schema(), indent=2, ensure_ascii=False)}\n"


_EXPRESSION: Schema = {
    "type": "string",
    "pattern": r"^\$(?:[A-Za-z_][A-Za-z0-9_]*|\([\s\S]*\))$",
    "description": "An expression: `$name` or `$(width * 2)`.",
}
_NAMED: Schema = {"type": "string", "pattern": rf"^(?:{FILE_NAME.pattern}|[A-Za-z0-9_]+)$"}
"""A file of the folder, or a bundled spec."""
_REFERENCE: Schema = {"type": "string", "description": "The name of an earlier entry, `name.output`, or `input`."}
_ONE_BODY: Schema = {
    "oneOf": [
        {"required": ["layers"], "properties": {"branches": False, "join": False}},
        {"required": ["branches", "join"], "properties": {"layers": False}},
    ]
}
_ONE_INPUT: Schema = {
    "anyOf": [
        {"required": ["input"], "properties": {"inputs": False}},
        {"required": ["inputs"], "properties": {"input": False}},
    ]
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _said(schema: Schema, text: str) -> Schema:
    """A schema with its meaning as description, also in Markdown for editors that support it."""
    return {**schema, "description": text, **({"markdownDescription": text} if "`" in text else {})}


def _object(model: type[BaseModel], others: Schema | None = None) -> Schema:
    """The keys of a model with their meanings; `others` has schemas that are stricter than the types."""
    own = model.model_json_schema(by_alias=True)
    properties = {key: _plain(own["properties"][key]) for key in meanings_of(model)} | (others or {})
    return {
        "type": "object",
        "description": " ".join((model.__doc__ or "").split()),
        "properties": {key: _said(properties[key], said) for key, said in meanings_of(model).items()},
        "required": own.get("required", []),
        "additionalProperties": False,
    }


def _plain(value: Schema) -> Schema:
    """A key's type in a spec: an omitted value isn't `null`."""
    kept = {key: item for key, item in value.items() if key not in ("title", "default")}
    options = [option for option in kept.pop("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        return {**kept, **options[0]}
    return {**kept, **({"anyOf": options} if options else {})}


def _names(*reserved: Iterable[str], index: bool = False) -> Schema:
    """A pattern of names that aren't reserved; with `index`, of entries, which can contain expressions and `-`."""
    excluded = "|".join(sorted({*keyword.kwlist}.union(*reserved)))
    also, dash, number = (f"|{_INDEX}", "-", "[0-9]+|") if index else ("", "", "")
    return {"pattern": rf"^(?!(?:{excluded})$)(?:{number}(?:[A-Za-z]{also})(?:[A-Za-z0-9_{dash}]{also})*)$"}


def _parameters(*values: Schema) -> Schema:
    value = values[0] if len(values) == 1 else {"anyOf": list(values)}
    return {"type": ["object", "null"], "propertyNames": _names(reserved_parameters()), "additionalProperties": value}


def _blocks() -> Schema:
    names = _names(reserved_classes(), KINDS, ENTRY_KEYS)
    return {"type": "object", "propertyNames": names, "additionalProperties": _ref("block")}


# Bodies


def _joins() -> list[str]:
    return [name for name, kind in KINDS.items() if kind.many]


def _body() -> Schema:
    named = {"pattern": rf"^(?:[A-Za-z0-9_-]|{_INDEX}){{1,100}}$"}
    outputs = {
        "type": "object",
        "propertyNames": named,
        "properties": {key: _said(loop, meanings_of(EntryKeys)[key]) for key, loop in _loop().items()},
        "additionalProperties": _ref("reference"),
        "dependentRequired": {"for": ["in"]},
    }
    return {
        "layers": _ref("entries"),
        "branches": _ref("entries"),
        "join": {"enum": [name for name in _joins() if KINDS[name].most is None]},
        "outputs": {"anyOf": [{"type": "array", "items": {"anyOf": [_ref("reference"), outputs]}}, outputs]},
    }


def _loop() -> Schema:
    """The keys of a loop."""
    return {
        "repeat": {"anyOf": [{"type": "integer", "minimum": 0}, _ref("expression")]},
        "for": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "in": {"anyOf": [{"type": "array"}, _ref("expression")]},
        "index": {"type": "string"},
    }


def _mapping() -> Schema:
    names = _names(MODULE_ATTRIBUTES, ["input"], index=True)
    return {"type": "object", "propertyNames": names, "additionalProperties": _ref("entry"), "minProperties": 1}


def _entries() -> Schema:
    return {"anyOf": [_mapping(), {"type": "array", "items": _ref("item"), "minItems": 1}]}


def _entry(*, listed: bool) -> Schema:
    """An entry of a body. In a list it has no references, so it can't be a join or a tensor."""
    kinds = {name: kind for name, kind in KINDS.items() if not (listed and (kind.many or kind.bare))}
    alone = [name for name, kind in kinds.items() if not kind.many and not _required(kind)]
    modifiers: Schema = {
        **_body(),
        "from": {"anyOf": [_ref("reference"), {"type": "array", "items": _ref("reference"), "minItems": 2}]},
        "when": _ref("expression"),
        "auxiliary": {"type": "boolean"},
        "share": {"type": "string", "pattern": rf"^(?:[A-Za-z0-9_-]|{_INDEX})+$"},
        **_loop(),
    }
    said = meanings_of(EntryKeys)
    # yaml-language-server confuses a layer's bare name with the same name as a key; in a list, the former is meant.
    unoffered = {"doNotSuggest": True} if listed else {}
    properties = {name: _ref(name) | (unoffered if name in alone else {}) for name in kinds}
    properties |= {key: _said(modifiers[key], said[key]) for key in said if not (listed and key in ("from", "share"))}
    block = "^[A-Z][A-Za-z0-9_]*$"
    return {
        "description": "A layer, a block, a list (nn.Sequential) or nested layers.",
        "anyOf": [
            {"enum": alone, "markdownEnumDescriptions": [_kind_doc(KINDS[name]) for name in alone]},
            {"type": "string", "pattern": block, "description": "A block without arguments."},
            _said(_EXPRESSION, "The layer or block that an argument names, without arguments."),
            {"type": "array", "items": _ref("item"), "minItems": 1},
            {
                "type": "object",
                "properties": properties,
                "patternProperties": {
                    block: {"description": "A block with its arguments."},
                    _EXPRESSION["pattern"]: {
                        "description": "The layer or block that an argument names, with its arguments."
                    },
                },
                "additionalProperties": False,
                "minProperties": 1,
                "dependentRequired": {"for": ["in"], "in": ["for"], "join": ["branches"], "branches": ["join"]},
                "not": {"anyOf": _impossible()},
            },
        ],
    }


def _impossible() -> list[Schema]:
    """Keys of an entry that exclude each other."""
    together = [["repeat", "for"], ["layers", "branches"]]
    together += [[loop, "layers", key] for loop in ("repeat", "for") for key in ("from", "auxiliary")]
    together += [["from", join] for join in _joins()]
    alone = {"propertyNames": {"enum": [*MODIFIERS, *TURNS]}}
    index = {"required": ["index"], "properties": {"repeat": False, "for": False}}
    return [*({"required": keys} for keys in together), alone, index]


# Layers


def _required(kind: type[BaseModel]) -> bool:
    return any(field.is_required() for field in kind.model_fields.values())


def _kind_doc(kind: type[Kind]) -> str:
    doc = " ".join((kind.__doc__ or "").split())
    return f"{doc} `torch.{kind.torch}`" if kind.torch.startswith("nn.") else doc


def _kind(kind: type[Kind]) -> Schema:
    """The arguments of a kind: by name, only the first one, or none if none is required."""
    schema, said = kind.model_json_schema(), meanings(kind)
    fields = {name: _said(_argument(field), said[name]) for name, field in schema.get("properties", {}).items()}
    if kind.many:
        most = {} if kind.most is None else {"maxItems": kind.most}
        inputs = {"type": "array", "items": _ref("reference"), "minItems": 2, **most}
        if not fields:
            return _said(inputs, _kind_doc(kind))
        named = {
            "type": "object",
            "properties": {"inputs": inputs, **fields},
            "required": ["inputs", *schema.get("required", [])],
            "additionalProperties": False,
        }
        return _said({"title": kind.kind, "anyOf": [inputs, named]}, _kind_doc(kind))
    named = {
        "type": "object",
        "properties": fields,
        "required": schema.get("required", []),
        "additionalProperties": False,
    }
    alone = kind.alone()
    options = [named] if alone is None else [named, fields[alone]]
    if not _required(kind):
        options.append({"type": "null"})
    return _said({"title": kind.kind, "anyOf": options}, _kind_doc(kind))


def _argument(field: Schema) -> Schema:
    """An argument's type, or an expression; the same for the items of a list and the arguments of an initializer."""
    shown = {key: value for key, value in field.items() if key not in ("title", "default", "anyOf")}
    options = [
        {**option, "items": {"anyOf": [option["items"], _ref("expression")]}}
        if "items" in option
        else {**option, "properties": {name: _given(function) for name, function in option["properties"].items()}}
        if "properties" in option
        else option
        for option in field.get("anyOf", [shown])
    ]
    default = {"default": field["default"]} if "default" in field else {}
    return {"anyOf": [*options, _ref("expression")], **default}


# Initial weights


def _init() -> Schema:
    rule = _object(InitKeys, {"weight": _ref("initializer"), "bias": _ref("initializer")})
    path = {"anyOf": [{"enum": initialized_kinds()}, {"type": "string"}]}
    layers = {"anyOf": [path, {"type": "array", "items": path}]}
    rule["properties"]["match"] = _said(layers, meanings_of(InitKeys)["match"])
    return {"type": "array", "items": rule | {"anyOf": [{"required": ["weight"]}, {"required": ["bias"]}]}}


def _given(function: Schema) -> Schema:
    """The arguments of an initializer, each a value or an expression."""
    return {**function, "properties": {name: _argument(field) for name, field in function["properties"].items()}}


def _initializer() -> Schema:
    functions = {}
    for name, model in INITIALIZERS.items():
        doc = f"{' '.join((model.__doc__ or '').split())} `torch.nn.init.{model.torch}`"
        said = ("title", "description")
        schema = model.model_json_schema()
        given = _given({key: value for key, value in schema.items() if key not in said})
        functions[name] = _said(given if _required(model) else {"anyOf": [given, {"type": "null"}]}, doc)
    alone = {"enum": [name for name, model in INITIALIZERS.items() if not _required(model)]}
    named = {
        "type": "object",
        "properties": functions,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [{"type": "number"}, _ref("expression"), alone, named]}
