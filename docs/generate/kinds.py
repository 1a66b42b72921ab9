"""A page a layer type, from its class: arguments, shapes, costs, source, faults and uses."""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache
from textwrap import dedent
from typing import Any

import archc
from archc.drawing.style import LEGEND
from archc.graph import walk
from archc.kinds import KINDS, Join, Kind, Role, State
from archc.kinds.arguments import meanings
from archc.library import families
from archc.problems import SpecError
from archc.problems.codes import codes, title
from archc.reading import read_text
from archc.text import form

from .page import WIDE, Page, fence, prose, table

MAP, VECTOR, GATE = (16, 32, 32), (256,), (64, 1, 1)

INPUTS = {
    "a feature map (channels × height × width)": MAP,
    "a vector (features)": VECTOR,
    "a sequence (channels × length)": (16, 512),
    "a volume (channels × depth × height × width)": (16, 8, 32, 32),
}
"""What a layer may take, with the input of its examples."""
OTHERS = {
    "tokens (tokens × features)": (197, 768),
    "a feature map with the channels last": (56, 56, 96),
    "windows of tokens (windows × positions × features)": (64, 49, 96),
    "a gate (channels × 1 × 1)": GATE,
}
"""What a layer may take if it takes none of these."""


def kind_pages() -> list[Page]:
    """The overview and a page for each kind, in the order of the kinds."""
    return [Page("kinds/index.md", "Layer types", _overview()), *map(kind_page, KINDS.values())]


def groups() -> dict[Role, list[type[Kind]]]:
    """The kinds by the sort of work that they do."""
    found: dict[Role, list[type[Kind]]] = {}
    for kind in KINDS.values():
        found.setdefault(kind.role, []).append(kind)
    return found


_INTRO = f"""{WIDE}# Layer types

Each layer type corresponds to a class or function of PyTorch and has the same argument names and defaults. You never
write input channels, because archc infers them from the previous layer.
"""


def _overview() -> str:
    parts = [_INTRO]
    for role, kinds in groups().items():
        rows = [(f"[`{kind.kind}`]({kind.kind}.md)", f"`{_stands_for(kind)}`", _first(kind)) for kind in kinds]
        parts.append(f"## {LEGEND[role].capitalize()}\n\n{table('layer type | PyTorch | description', rows)}")
    return "\n".join(parts)


def kind_page(kind: type[Kind]) -> Page:
    """The page of a kind."""
    parts = [WIDE, f"# {kind.kind}\n", prose(inspect.cleandoc(kind.__doc__ or "")) + "\n", _facts(kind)]
    if kind.model_fields:
        parts.append(f"## Arguments\n\n{_arguments(kind)}")
    parts.append(f"## Examples\n\n{_examples(kind)}")
    refusals = _codes(kind)
    if refusals:
        rows = "".join(f"- [{code}](../errors/{code}.md) {title(code)}\n" for code in sorted(refusals))
        parts.append(f"## Possible errors\n\n{rows}")
    used = uses().get(kind.kind)
    if used:
        parts.append(f"## Used in\n\n{', '.join(f'[{name}](../gallery/{name}.md)' for name in used)}\n")
    return Page(f"kinds/{kind.kind}.md", kind.kind, "\n".join(parts))


def _first(kind: type[Kind]) -> str:
    return prose(inspect.cleandoc(kind.__doc__ or "")).partition("\n\n")[0]


def _stands_for(kind: type[Kind]) -> str:
    """The class or function of torch; for a module of archc's own, the function that does the same."""
    if kind.infix:
        return f"a {kind.infix} b"
    if kind.torch.startswith("archc."):
        call = _layer(kind).function((MAP, MAP) if kind.many else (MAP,))
        return call.target if call else kind.torch.removeprefix("archc.")
    return kind.torch


def _facts(kind: type[Kind]) -> str:
    lines = [f"- PyTorch: `{_stands_for(kind)}`", f"- input: {_takes(kind)}"]
    alone = kind.alone()
    if alone is not None and not any(info.is_required() for info in list(kind.model_fields.values())[1:]):
        lines.append(f"- a single value sets `{alone}`")
    if kind.state:
        lines.append(f"- state: {', '.join(_held(name, state) for name, state in kind.state.items())}")
    return "\n".join(lines) + "\n"


def _held(name: str, state: State) -> str:
    """A tensor, and what is special about it."""
    said = [] if state.trained else ["not trained"]
    if state.flags:
        said.append(f"with {' and '.join(f'`{flag}`' for flag in state.flags)}")
    return f"`{name}` ({', '.join(said)})" if said else f"`{name}`"


def _takes(kind: type[Kind]) -> str:
    if issubclass(kind, Join):
        return "three inputs" if kind.least == 3 else "at least two inputs, either all feature maps or all vectors"
    *others, last = _taken(kind)
    return f"{', '.join(others)} or {last}" if others else last


def _taken(kind: type[Kind]) -> list[str]:
    """The inputs that a layer works on."""
    layer = _layer(kind)

    def fits(x: tuple[int, ...]) -> bool:
        return "E0301" not in [fault.code for fault in layer.requirements((x,))]

    return [what for what, x in INPUTS.items() if fits(x)] or [what for what, x in OTHERS.items() if fits(x)]


@cache
def _input(kind: type[Kind]) -> tuple[int, ...]:
    """The input of a layer's examples: the first that all of them take."""
    if kind.many:
        return MAP
    for x in (*({**INPUTS, **OTHERS}[what] for what in _taken(kind)), *OTHERS.values()):
        try:
            for call in _calls(kind):
                archc.loads(_spec_on(x, kind, call), "example.yaml", allow_modules=kind.opaque)
        except (SpecError, ValueError):  # the latter of a shape that its rules do not take
            continue
        return x
    raise ValueError(f"no input fits the examples of {kind.kind}")


def _arguments(kind: type[Kind]) -> str:
    fields = kind.model_json_schema()["properties"]
    rows = []
    for name, meaning in meanings(kind).items():
        info = kind.model_fields[name]
        default = info.default if isinstance(info.default, str) else json.dumps(info.default, default=str)
        default = "required" if info.is_required() else f"`{default}`"
        rows.append((f"`{name}`", _type(fields[name]), default, meaning))
    return table("argument | values | default | description", rows)


def _type(schema: dict[str, Any]) -> str:
    """What a field takes, in words, from its JSON Schema."""
    if "anyOf" in schema:
        *others, last = dict.fromkeys(_type(option) for option in schema["anyOf"])
        return f"{', '.join(others)} or {last}"
    if "maxProperties" in schema:
        return "an initializer with its arguments"
    if "const" in schema:
        return f"`{json.dumps(schema['const']).strip(chr(34))}`"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    least, most = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    match schema.get("type"):
        case "integer":
            return f"{least} … {most}" if most is not None else f"integer ≥ {least}"
        case "number":
            if most is not None:
                return f"{least} … {most}"
            return "number" if least is None else f"number {'>' if 'exclusiveMinimum' in schema else '≥'} {least:g}"
        case "boolean":
            return "`true` or `false`"
        case "null":
            return "`null`"
        case "string":
            return "text"
        case "object":
            return "a mapping"
        case "array":
            bounds = schema.get("minItems"), schema.get("maxItems")
            return "pair" if bounds == (2, 2) else f"list of {bounds[0]}" if bounds[0] == bounds[1] else "list"
    raise ValueError(f"no words for the schema {schema}")


def _calls(kind: type[Kind]) -> list[str]:
    """The examples, as a spec writes the arguments; of a kind without any the least that it takes."""
    if issubclass(kind, Join):
        return [f"[{', '.join(_operands(kind))}]"]
    fields = kind.model_json_schema().get("properties", {})
    least = [f"{name}: {_least(fields[name])}" for name, info in kind.model_fields.items() if info.is_required()]
    return list(kind.examples) or [f"{{{', '.join(least)}}}" if least else ""]


def _operands(kind: type[Join]) -> str:
    """The names of the inputs in the example of a join."""
    return "abc"[: kind.least]


def _least(schema: dict[str, Any]) -> Any:
    options = schema.get("anyOf", [schema])
    first = next((option for option in options if option.get("type") in ("integer", "number")), options[0])
    return [_least(first["items"])] if first["type"] == "array" else first.get("minimum", 1)


def _layer(kind: type[Kind]) -> Kind:
    """The layer of the first example."""
    if kind.many:
        return kind()
    given = read_text(f"call: {_calls(kind)[0] or '{}'}", "example")["call"]
    if kind.opaque:
        given = {name: tuple(item.items()) if isinstance(item, dict) else item for name, item in given.items()}
    return kind(**(given if isinstance(given, dict) else {next(iter(kind.model_fields)): given}))


def example_spec(kind: type[Kind], call: str) -> str:
    """A spec with the layer as its only one, or after what brings two maps to it."""
    return _spec_on(_input(kind), kind, call)


def _spec_on(x: tuple[int, ...], kind: type[Kind], call: str) -> str:
    written = f"{{{kind.kind}: {call}}}" if call else kind.kind
    before, behind = [], []
    if issubclass(kind, Join):
        conv = "{conv2d: {out_channels: 16, kernel_size: 3, padding: same}, from: input}"
        before = [f"  {name}: {conv}" for name in _operands(kind)]
    elif isinstance(_layer(kind).output((x,)), dict):
        behind = ["outputs: {first: layer.0, second: layer.1}"]
    elif len(x) == 3 and x in OTHERS.values() and x != GATE:  # the input of a network has its channels first
        x, before = (x[2], *x[:2]), ["  last: {permute: [0, 2, 3, 1]}"]
    return "\n".join([f"input: {list(x)}", "layers:", *before, f"  layer: {written}", *behind, ""])


def _examples(kind: type[Kind]) -> str:
    rows: list[tuple[str, ...]] = []
    source = ""
    for call in _calls(kind):
        architecture = archc.loads(example_spec(kind, call), "example.yaml", allow_modules=kind.opaque)
        row = architecture.summary().layers[-1]
        shown = f"{kind.kind}: {call}" if call else kind.kind
        output = form(row.output)
        if len(architecture.outputs) > 1:
            output = ", ".join(form(shape) for shape in architecture.outputs.values())
        rows.append((f"`{shown}`", output, _count(row.parameters), _count(row.macs), form(row.receptive_field)))
        source = source or _class(architecture.emit())
    before = form(_input(kind))
    text = f"On an input of {before}:\n\n"
    head = "written | output | parameters | multiply-adds | receptive field"
    if kind.many or {side for row in rows for side in row[-1].split("×")} == {"1"} or before == form(VECTOR):
        head, rows = head.rpartition(" | ")[0], [row[:-1] for row in rows]
    text += table(head, rows, "llrrr"[: len(rows[0])])
    first = example_spec(kind, _calls(kind)[0])
    return f"{text}\nThe first example in a spec, and in the emitted source:\n\n" + (
        fence(first, "yaml") + "\n" + fence(source, "python")
    )


def _count(number: int) -> str:
    return f"{number:,}" if number else "–"


def _class(source: str) -> str:
    """The network's class of an emitted file."""
    return source[source.index("\nclass Network") :].strip()


UNEQUAL = ((MAP,), (MAP, VECTOR), (MAP, (8, 32, 32)), (MAP, (16, 30, 30)))
"""Inputs that differ from each other in the ways that a join may mind."""


def _codes(kind: type[Kind]) -> set[str]:
    """The codes that it may be refused with: those that its requirements name, or the functions that they call."""
    if kind.many:
        return {fault.code for inputs in UNEQUAL for fault in kind().requirements(inputs)}
    found = {"E0320"} if "inplace" in kind.model_fields else set()
    functions = [vars(one)["requirements"] for one in kind.__mro__ if "requirements" in vars(one)]
    seen: set[Any] = set()
    while functions:
        function = functions.pop()
        if function in seen:
            continue
        seen.add(function)
        for node in ast.walk(ast.parse(dedent(inspect.getsource(function)))):
            if isinstance(node, ast.Constant) and node.value in codes():
                found.add(node.value)
            elif isinstance(node, ast.Name) and inspect.isfunction(function.__globals__.get(node.id)):
                functions.append(function.__globals__[node.id])
    return found


@cache
def uses() -> dict[str, list[str]]:
    """The bundled specs that use each kind; of a family, the first."""
    found: dict[str, list[str]] = {}
    for name in families():
        kinds = {layer.kind.kind for layer in walk(archc.load(name).network.graph)}
        for kind in sorted(kinds):
            found.setdefault(kind, []).append(name)
    return found
