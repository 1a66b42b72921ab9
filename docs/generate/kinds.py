"""A page a layer kind, from its class: arguments, shapes, costs, source, faults and uses."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from functools import cache
from textwrap import dedent
from typing import Any

import archc
from archc.graph import walk
from archc.kinds import KINDS, Kind
from archc.kinds.arguments import meanings
from archc.library import bundled
from archc.presentation.text import form
from archc.problems.codes import codes, rule
from archc.reading import read_text

from .page import WIDE, Page, fence, prose, table

EXAMPLES = {
    "conv2d": [
        "{out_channels: 32, kernel_size: 3, padding: same}",
        "{out_channels: 32, kernel_size: 3, stride: 2, padding: 1}",
        "{out_channels: 32, kernel_size: 1}",
        "{out_channels: 16, kernel_size: 3, padding: same, groups: 16}",
        "{out_channels: 32, kernel_size: 3, padding: same, dilation: 2}",
        "{out_channels: 32, kernel_size: [1, 7], padding: same}",
    ],
    "conv_transpose2d": [
        "{out_channels: 8, kernel_size: 2, stride: 2}",
        "{out_channels: 8, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}",
    ],
    "max_pool2d": ["2", "{kernel_size: 3, stride: 2, padding: 1}", "{kernel_size: 3, stride: 2, ceil_mode: true}"],
    "avg_pool2d": ["2", "{kernel_size: 3, stride: 1, padding: 1}"],
    "adaptive_avg_pool2d": ["1", "7", "[7, null]"],
    "adaptive_max_pool2d": ["1", "[4, 8]"],
    "group_norm": ["4"],
    "layer_norm": ["", "[32, 32]"],
    "local_response_norm": ["{size: 5, k: 2}"],
    "linear": ["10", "{out_features: 10, bias: false}"],
    "dropout": ["", "0.2"],
    "dropout2d": ["0.2"],
    "stochastic_depth": ["0.1"],
    "leaky_relu": ["0.2"],
    "pad": ["1", "{padding: [0, 1, 0, 1], mode: replicate}"],
    "upsample": ["{scale_factor: 2}", "{size: [48, 64], mode: bilinear}"],
    "channel_shuffle": ["4"],
    "chunk": ["2"],
    "split": ["[4, 12]"],
    "mean": ["", "{keepdim: true}"],
}
"""Calls to show; a kind that is not here is shown with the least that its arguments take."""

MAP, VECTOR = (16, 32, 32), (256,)


def kind_pages() -> list[Page]:
    """The overview and a page for each kind, in the order of the kinds."""
    return [Page("kinds/index.md", "Layer kinds", _overview()), *map(_page, KINDS.values())]


def groups() -> dict[str, list[type[Kind]]]:
    """The kinds by the file that defines them, with what the file says it holds."""
    found: dict[str, list[type[Kind]]] = {}
    for kind in KINDS.values():
        doc = sys.modules[kind.__module__].__doc__ or ""
        found.setdefault(re.split(r"[:.(]", doc)[0].strip(), []).append(kind)
    return found


_INTRO = f"""{WIDE}# Layer kinds

Each kind stands for one class or function of PyTorch, with PyTorch's names and defaults. Input channels are never
written: they follow from the layer before. These pages follow from the classes in `archc/kinds/`.
"""


def _overview() -> str:
    parts = [_INTRO]
    for title, kinds in groups().items():
        rows = [(f"[`{kind.kind}`]({kind.kind}.md)", f"`{_stands_for(kind)}`", _first(kind)) for kind in kinds]
        parts.append(f"## {title}\n\n{table('kind | stands for | does', rows)}")
    return "\n".join(parts)


def _page(kind: type[Kind]) -> Page:
    parts = [WIDE, f"# {kind.kind}\n", prose(inspect.cleandoc(kind.__doc__ or "")) + "\n", _facts(kind)]
    if kind.model_fields:
        parts.append(f"## Arguments\n\n{_arguments(kind)}")
    parts.append(f"## Examples\n\n{_examples(kind)}")
    refusals = _codes(kind)
    if refusals:
        rows = "".join(f"- [{code}](../errors/{code}.md) {rule(code)}\n" for code in sorted(refusals))
        parts.append(f"## Refused where it cannot work\n\n{rows}")
    used = uses().get(kind.kind)
    if used:
        parts.append(f"## Used in\n\n{', '.join(f'[{name}](../gallery/{name}.md)' for name in used)}\n")
    return Page(f"kinds/{kind.kind}.md", kind.kind, "\n".join(parts))


def _first(kind: type[Kind]) -> str:
    return prose(inspect.cleandoc(kind.__doc__ or "")).partition("\n\n")[0]


def _stands_for(kind: type[Kind]) -> str:
    """The class or function of torch; for a module of archc's own, the function that does the same."""
    x: Any = [MAP, MAP] if kind.many else MAP
    if kind.infix:
        return f"a {kind.infix} b"
    if kind.torch.startswith("archc."):
        call = _layer(kind).function(x)
        return call.target if call else kind.torch.removeprefix("archc.")
    return kind.torch


def _facts(kind: type[Kind]) -> str:
    lines = [f"- stands for `{_stands_for(kind)}`", f"- takes {_takes(kind)}"]
    required = [info.is_required() for info in kind.model_fields.values()]
    if required and not any(required[1:]):
        lines.append(f"- a single value is its `{next(iter(kind.model_fields))}`")
    tensors = {} if kind.many else _layer(kind).tensors(MAP if "a map" in _takes(kind) else VECTOR)
    if tensors:
        held = ", ".join(f"`{name}`" if found.trained else f"`{name}` (not trained)" for name, found in tensors.items())
        lines.append(f"- holds {held}")
    return "\n".join(lines) + "\n"


def _takes(kind: type[Kind]) -> str:
    if kind.many:
        return "two inputs or more, all maps or all vectors"
    layer = _layer(kind)
    faults = [[fault.code for fault in layer.requirements(x)] for x in (MAP, VECTOR)]
    on_map, on_vector = ("E0301" not in codes for codes in faults)
    if on_map and on_vector:
        return "a map (channels × height × width) or a vector (features)"
    return "a map (channels × height × width)" if on_map else "a vector (features)"


def _arguments(kind: type[Kind]) -> str:
    fields = kind.model_json_schema()["properties"]
    rows = []
    for name, meaning in meanings(kind).items():
        info = kind.model_fields[name]
        default = info.default if isinstance(info.default, str) else json.dumps(info.default, default=str)
        default = "required" if info.is_required() else f"`{default}`"
        rows.append((f"`{name}`", _type(fields[name]), default, meaning))
    return table("argument | takes | default | means", rows)


def _type(schema: dict[str, Any]) -> str:
    """What a field takes, in words, from its JSON Schema."""
    if "anyOf" in schema:
        *others, last = dict.fromkeys(_type(option) for option in schema["anyOf"])
        return f"{', '.join(others)} or {last}"
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
        case "array":
            bounds = schema.get("minItems"), schema.get("maxItems")
            return "pair" if bounds == (2, 2) else "list of 4" if bounds == (4, 4) else "list"
    raise ValueError(f"no words for the schema {schema}")


def _calls(kind: type[Kind]) -> list[str]:
    """The examples, as a spec writes the arguments; of a kind without any the least that it takes."""
    if kind.many:
        return ["[a, b]"]
    fields = kind.model_json_schema().get("properties", {})
    least = [f"{name}: {_least(fields[name])}" for name, info in kind.model_fields.items() if info.is_required()]
    return EXAMPLES.get(kind.kind, [f"{{{', '.join(least)}}}" if least else ""])


def _least(schema: dict[str, Any]) -> Any:
    options = schema.get("anyOf", [schema])
    first = next((option for option in options if option.get("type") in ("integer", "number")), options[0])
    return [_least(first["items"])] if first["type"] == "array" else first["minimum"]


def _layer(kind: type[Kind]) -> Kind:
    """The layer of the first example."""
    if kind.many:
        return kind()
    given = read_text(f"call: {_calls(kind)[0] or '{}'}", "example")["call"]
    return kind(**(given if isinstance(given, dict) else {next(iter(kind.model_fields)): given}))


def example_spec(kind: type[Kind], call: str) -> str:
    """A spec with the layer as its only one, or behind what brings a vector or two maps to it."""
    written = f"{{{kind.kind}: {call}}}" if call else kind.kind
    before, behind = [], []
    if kind.many:
        conv = "{conv2d: {out_channels: 16, kernel_size: 3, padding: same}, from: input}"
        before = [f"  a: {conv}", f"  b: {conv}"]
    elif _takes(kind) == "a vector (features)":
        before = ["  pool: {adaptive_avg_pool2d: 4}", "  flatten: flatten"]
    elif isinstance(_layer(kind).output(MAP), dict):
        behind = ["outputs: {first: layer.0, second: layer.1}"]
    return "\n".join([f"input: {list(MAP)}", "layers:", *before, f"  layer: {written}", *behind, ""])


def _examples(kind: type[Kind]) -> str:
    rows: list[tuple[str, ...]] = []
    source = ""
    for call in _calls(kind):
        architecture = archc.loads(example_spec(kind, call), "example.yaml")
        row = architecture.summary().layers[-1]
        shown = f"{kind.kind}: {call}" if call else kind.kind
        output = form(row.output)
        if len(architecture.outputs) > 1:
            output = ", ".join(form(shape) for shape in architecture.outputs.values())
        rows.append((f"`{shown}`", output, _count(row.parameters), _count(row.macs), form(row.receptive_field)))
        source = source or _class(architecture.emit())
    before = form(MAP if _takes(kind) != "a vector (features)" else VECTOR)
    text = f"On an input of {before}:\n\n"
    head = "written | output | parameters | multiply-adds | receptive field"
    if kind.many or {row[-1] for row in rows} == {"1×1"} or before == form(VECTOR):
        head, rows = head.rpartition(" | ")[0], [row[:-1] for row in rows]
    text += table(head, rows, "llrrr"[: len(rows[0])])
    first = example_spec(kind, _calls(kind)[0])
    return f"{text}\nThe first of them in a spec, and in the source that archc emits:\n\n" + (
        fence(first, "yaml") + "\n" + fence(source, "python")
    )


def _count(number: int) -> str:
    return f"{number:,}" if number else "–"


def _class(source: str) -> str:
    """The network's class of an emitted file."""
    return source[source.index("\nclass Network") :].strip()


UNEQUAL: list[list[tuple[int, ...]]] = [[MAP], [MAP, VECTOR], [MAP, (8, 32, 32)], [MAP, (16, 30, 30)]]
"""Inputs that differ from each other in the ways that a join may mind."""


def _codes(kind: type[Kind]) -> set[str]:
    """The codes that it may be refused with: those that its requirements name, or the functions that they call."""
    if kind.many:
        return {fault.code for inputs in UNEQUAL for fault in kind().requirements(tuple(inputs))}
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
    """The bundled specs that use each kind."""
    found: dict[str, list[str]] = {}
    for name in bundled():
        kinds = {layer.kind.kind for layer in walk(archc.load(name).network.graph)}
        for kind in sorted(kinds):
            found.setdefault(kind, []).append(name)
    return found
