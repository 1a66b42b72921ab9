"""The JSON Schema of spec files, from the models of the keys and of the layer kinds."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from archc.kinds import KINDS
from archc.kinds.arguments import meanings
from archc.language.header import ExpectKeys, ExtendKeys, InitKeys, SpecKeys
from archc.language.initialization import INITIALIZERS

_EXPRESSION = {"type": "string", "pattern": r"^\$", "description": "An expression: `$name` or `$(width * 2)`."}
_REFERENCE = {"type": "string", "description": "The name of an earlier entry, or `input`."}
_NAME = r"^[A-Za-z$][A-Za-z0-9_$() +*/%-]*$"


_ONE_BODY = [
    {"required": ["layers"], "properties": {"branches": False, "join": False}},
    {"required": ["branches", "join"], "properties": {"layers": False}},
]


def spec_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a spec file."""
    definitions = {f"{name}": _kind(kind) for name, kind in KINDS.items()}
    definitions["entry"] = _entry()
    definitions["entries"] = {
        "anyOf": [
            {"type": "array", "items": _ref("entry"), "minItems": 1},
            {
                "type": "object",
                "patternProperties": {_NAME: _ref("entry")},
                "additionalProperties": False,
                "minProperties": 1,
            },
        ]
    }
    definitions["parameters"] = {"type": ["object", "null"], "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]*$"}}
    definitions["block"] = {
        "type": "object",
        "description": "A body with a name and parameters.",
        "properties": {**_body(), "parameters": _ref("parameters"), "description": {"type": "string"}},
        "oneOf": _ONE_BODY,
        "additionalProperties": False,
    }
    definitions["initializer"] = _initializer()
    definitions["expect"] = _properties(ExpectKeys)
    definitions["init"] = _properties(InitKeys)
    definitions["init"]["properties"]["weight"] = definitions["init"]["properties"]["bias"] = _ref("initializer")
    spec = _properties(SpecKeys)
    spec["properties"] |= {
        **_body(),
        "parameters": _ref("parameters"),
        "blocks": {"type": "object", "additionalProperties": _ref("block")},
        "init": {"type": "array", "items": _ref("init")},
        "expect": _ref("expect"),
    }
    spec["required"] = ["input"]
    spec["oneOf"] = _ONE_BODY
    library = {
        "type": "object",
        "description": "A file of blocks for others to import.",
        "properties": {name: spec["properties"][name] for name in ("name", "description", "paper", "blocks", "import")},
        "required": ["blocks"],
        "additionalProperties": False,
    }
    extension = _properties(ExtendKeys)
    extension["properties"] |= {"parameters": _ref("parameters"), "expect": _ref("expect")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archc spec",
        "description": "A neural-network architecture as data.",
        "anyOf": [spec, extension, library],
        "$defs": definitions,
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """A model's own keys; nested models are given by the caller."""
    schema = model.model_json_schema(by_alias=True)
    own = {key: value for key, value in schema.items() if key not in ("$defs", "title")}
    own["properties"] = {name: _plain(value) for name, value in own["properties"].items()}
    return own


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    kept = {key: item for key, item in value.items() if key not in ("title", "default")}
    options = [option for option in kept.get("anyOf", []) if option != {"type": "null"}]
    if options:
        kept["anyOf"] = options
    return kept


def _body() -> dict[str, Any]:
    return {
        "layers": _ref("entries"),
        "branches": {"type": "object", "patternProperties": {_NAME: _ref("entry")}, "additionalProperties": False},
        "join": {"enum": [name for name, kind in KINDS.items() if kind.many]},
        "outputs": {
            "anyOf": [
                {"type": "array", "items": _REFERENCE},
                {"type": "object", "additionalProperties": _REFERENCE},
            ]
        },
    }


def _kind(kind: Any) -> dict[str, Any]:
    doc = " ".join((kind.__doc__ or "").split())
    if kind.many:
        return {"type": "array", "items": _REFERENCE, "minItems": 2, "description": doc}
    schema = kind.model_json_schema()
    said = meanings(kind)
    fields = {}
    for name, field in schema.get("properties", {}).items():
        for option in (field, *field.get("anyOf", [])):
            if "items" in option:
                option["items"] = {"anyOf": [option["items"], _EXPRESSION]}
        shown = {key: value for key, value in field.items() if key not in ("title", "default", "anyOf")}
        default = {"default": field["default"]} if "default" in field else {}
        fields[name] = {"description": said[name], "anyOf": [*field.get("anyOf", [shown]), _EXPRESSION], **default}
    named = {
        "type": "object",
        "properties": fields,
        "required": schema.get("required", []),
        "additionalProperties": False,
    }
    options = [named]
    if fields:
        options.append(next(iter(fields.values())))
    if not named["required"]:
        options.append({"type": "null"})
    return {"description": doc, "anyOf": options}


def _entry() -> dict[str, Any]:
    optional = [
        name
        for name, kind in KINDS.items()
        if not kind.many and not any(f.is_required() for f in kind.model_fields.values())
    ]
    properties: dict[str, Any] = {name: _ref(name) for name in KINDS}
    properties |= {
        **_body(),
        "from": _REFERENCE,
        "when": {**_EXPRESSION, "description": "Keeps the entry only where it is true."},
        "auxiliary": {"type": "boolean", "description": "A head that exists in training only."},
        "repeat": {"anyOf": [{"type": "integer", "minimum": 0}, _EXPRESSION], "description": "How often."},
        "for": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "description": "Variables.",
        },
        "in": {"anyOf": [{"type": "array"}, _EXPRESSION], "description": "Rows, one a turn."},
        "index": {"type": "string", "description": "A variable that counts the turns from 0."},
    }
    return {
        "description": "A layer, a block, a list (nn.Sequential) or a nested body.",
        "anyOf": [
            {"enum": optional},
            {"type": "string", "pattern": "^[A-Z][A-Za-z0-9_]*$", "description": "A block without arguments."},
            {"type": "array", "items": _ref("entry"), "minItems": 1},
            {
                "type": "object",
                "properties": properties,
                "patternProperties": {"^[A-Z][A-Za-z0-9_]*$": {"description": "A block with its arguments."}},
                "additionalProperties": False,
                "minProperties": 1,
            },
        ],
    }


def _initializer() -> dict[str, Any]:
    functions = {}
    for name, model in INITIALIZERS.items():
        functions[name] = {key: value for key, value in model.model_json_schema().items() if key != "title"}
    return {
        "anyOf": [
            {"type": "number"},
            {
                "enum": [
                    name
                    for name, model in INITIALIZERS.items()
                    if not any(f.is_required() for f in model.model_fields.values())
                ]
            },
            {
                "type": "object",
                "properties": functions,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }
