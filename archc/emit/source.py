"""The classes as source text: lines for the templates, which have the layout of the file."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from archc.emit.constructor import Comments, Constructor
from archc.emit.forward import forward
from archc.emit.initialization import block_lines, init_lines
from archc.emit.layout import INDENT, WIDTH, Doc, Group, document, lay_out, prefixed, unmarked
from archc.emit.naming import class_names, helper_names, imported_classes
from archc.expressions import Name
from archc.graph import Graph, Network, Node
from archc.language.names import helpers, reserved_classes
from archc.plan import ClassPlan, plan_network
from archc.plan.finish import every_step, in_classes, shown
from archc.plan.plan import BodyPlan, Make, Parameter, layers_of
from archc.problems import Mark


@dataclass(slots=True)
class ClassText:
    """The variables of the class template."""

    name: str
    base: str
    docstring: list[str]
    signature: list[str]
    constructor: list[str]
    forward_signature: str
    forward: list[str] = field(default_factory=list)
    returns_any: bool = False


def emit_source(network: Network) -> str:
    """The PyTorch source of a checked network: deterministic, standalone, one class per block."""
    return source_and_lines(network, plan_network(network))[0]


def source_and_lines(network: Network, classes: list[ClassPlan]) -> tuple[str, dict[int, list[int]]]:
    """The source of a network's classes, and its lines (from 1) by the id of their step."""
    names = class_names(classes)
    copied = helper_names(names.values())
    blocks = {id(plan.block): names[id(plan)] for plan in classes if plan.block is not None}
    imported = imported_classes(
        classes, {*names.values(), *reserved_classes(), *helpers(), *copied.values(), *_own_names(classes)}
    )
    for plan in classes:
        plan.classes, plan.others = blocks, imported | copied
    comments = shape_comments(network, classes[-1])
    texts = [_class_text(plan, names, comments if plan.root else {}) for plan in classes]
    rules = init_lines(network, classes)
    texts[-1].constructor += rules
    copies = _helpers(classes)
    marked_body = template_text(
        "module.py.jinja",
        imports=_imports(classes, texts, copies, imported),
        strict=any(text.returns_any for text in texts),
        helpers=copies,
        classes=texts,
    )
    body, lines = unmarked(marked_body)
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    shapes = _listed(["×".join(map(str, shape)) for shape in network.inputs.values()]) if comments else ""
    header = template_text(
        "header.py.jinja",
        title=_title(network),
        source=_docstring_text(f"{network.spec.stem}.yaml"),
        digest=digest,
        shapes=shapes,
        settings=bool(classes[-1].parameters),
    )
    before = header.count("\n") + 1
    return f"{header}\n{body}", {part: [before + line for line in found] for part, found in lines.items()}


def _listed(shapes: list[str]) -> str:
    """The shapes of the inputs as the header names them."""
    *others, last = shapes
    return f"inputs of {', '.join(others)} and {last}" if others else f"an input of {last}"


def matched(graph: Graph, body: BodyPlan) -> Iterator[tuple[Node, Make | None]]:
    """Every node of a graph with its entry of the plan; the iterations of a loop share one."""
    by_name = {make.name: make for make in body.makes() if isinstance(make.name, str) and make.name}
    by_mark: dict[Mark, list[Make]] = {}
    for make in body.makes():
        by_mark.setdefault(make.mark, []).append(make)
    met: Counter[Mark] = Counter()
    for node in graph.nodes:
        makes = by_mark.get(node.mark, [])
        position = min(met[node.mark], len(makes) - 1)
        met[node.mark] += 1
        yield node, by_name.get(node.name) or (makes[position] if makes else None)


def shape_comments(network: Network, root: ClassPlan) -> Comments:
    """The output shapes of the network's own entries, where they change, by the id of the step."""
    found: Comments = {}

    def visit(graph: Graph, body: BodyPlan) -> None:
        alone = {id(step) for step in body.steps}  # in a loop, shapes differ between iterations
        for node, make in matched(graph, body):
            if make is None or id(make) not in alone or set(node.shapes) != {None}:
                continue
            if isinstance(make.what, BodyPlan) and node.graph is not None:
                visit(node.graph, make.what)
            elif node.output != node.in_shapes[0]:
                found[id(make)] = "×".join(map(str, node.output))

    visit(network.graph, root.body)
    return found


def body_digest(source: str) -> tuple[str | None, str]:
    """The digest in an emitted file, and the digest of its body, which differ after an edit by hand."""
    match = re.match(r'"""(?:.|\n)*?sha256 ([0-9a-f]{16})(?:.|\n)*?\n"""\n', source)
    if match is None:
        return None, ""
    body = source[match.end() :]
    return match[1], hashlib.sha256(body.removeprefix("\n").encode()).hexdigest()[:16]


def _title(network: Network) -> list[str]:
    """The first lines of the file: its title and where the network was published."""
    spec = network.spec
    description, paper = _docstring_text(spec.description).rstrip("."), _docstring_text(spec.paper)
    title = f"{spec.name}: {description}" if description else spec.name
    if not paper:
        return _wrapped(f"{title}.", 3)
    if len(title) + len(paper) + 7 <= WIDTH:
        return [f"{title} ({paper})."]
    return [*_wrapped(f"{title}.", 3), f"Paper: {paper}"]


@cache
def _environment() -> Any:
    from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

    class Packaged(BaseLoader):
        """Loads templates from the package."""

        def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, None]:
            try:
                return resources.files("archc.templates").joinpath(template).read_text("utf-8"), None, None
            except OSError:
                raise TemplateNotFound(template) from None

    return Environment(
        loader=Packaged(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def template_text(template: str, **values: Any) -> str:
    """A rendered template of the package."""
    return str(_environment().get_template(template).render(**values))


# Documentation strings and imports


def _docstring_text(text: str) -> str:
    """Escape free text for a docstring: one line, printable, without quotes or backslashes that could end it."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r" +", " ", shown).strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _docstring(text: str) -> list[str]:
    text = _docstring_text(text)
    if not text:
        return []
    text = text if text.endswith((".", "!", "?")) else f"{text}."
    if len(text) + 10 <= WIDTH:
        return [f'"""{text}"""']
    lines = _wrapped(text, 7)
    return [f'"""{lines[0]}', *lines[1:], '"""']


def _wrapped(text: str, taken: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH - taken, break_long_words=False, break_on_hyphens=False)


def _own_names(classes: list[ClassPlan]) -> Iterator[str]:
    """The names of the arguments and locals of all classes."""
    for plan in classes:
        yield from (parameter.name for parameter in plan.parameters)
        yield from (local.name for local in plan.locals)


def _imports(
    classes: list[ClassPlan], texts: list[ClassText], helpers: list[str], imported: dict[str, str]
) -> list[str]:
    """The imports of the file."""
    functions = [text for text in texts for line in (*text.forward, *text.constructor) if "torch." in line]
    lines = ["import torch"] if functions or any("torch." in helper for helper in helpers) else []
    tensor = any(text.forward for text in texts) or bool(helpers)
    annotations = [parameter.annotation for plan in classes for parameter in plan.parameters]
    typing = ["from collections.abc import Callable"] if any("Callable[" in text for text in annotations) else []
    typing += (
        ["from fnmatch import fnmatchcase"] if any("fnmatchcase(" in line for line in texts[-1].constructor) else []
    )
    typing += ["from typing import Literal"] if any(text.startswith("Literal[") for text in annotations) else []
    lines = [*typing, "", *lines] if typing else lines
    written = "\n".join(line for text in texts for line in (*text.signature, *text.constructor))
    needed = {"torch": ["Tensor", "nn"] if tensor else ["nn"]}
    for target, name in imported.items():
        if re.search(rf"\b{name}\b", written):
            space, _, own = target.rpartition(".")
            needed.setdefault(space, []).append(own if own == name else f"{own} as {name}")
    return [*lines, *(f"from {space} import {', '.join(names)}" for space, names in sorted(needed.items()))]


def _helpers(classes: list[ClassPlan]) -> list[str]:
    """The source of archc's own modules that the classes use."""
    used: set[str] = set()
    for plan in classes:
        for make in every_step(plan.body.steps):
            if not isinstance(make, Make):
                continue
            calls = [call for layer in layers_of(make.what) for _, call in layer.calls]
            own = {call.target for call in calls if call.target.startswith("archc.")}
            if own and Constructor(plan, {}, {}).is_module(make):
                used |= {target.removeprefix("archc.") for target in own}
    if not used:
        return []
    text = resources.files("archc").joinpath("build", "modules.py").read_text("utf-8")  # importing it needs torch
    parts = {part.split("(")[0].removeprefix("class "): part.strip() for part in re.split(r"\n\n\n(?=class )", text)}
    bases = {name: part[len(f"class {name}(") :].split(")")[0] for name, part in parts.items()}
    used |= {bases[name] for name in used}
    return [_renamed(part, classes[-1]) for name, part in parts.items() if name in used]


def _renamed(text: str, plan: ClassPlan) -> str:
    """The source of a module of archc, with the name that it has in the file."""
    first, colon, rest = text.partition("\n")
    name, _, base = first.removeprefix("class ").removesuffix("):").partition("(")
    return f"class {plan.class_name(f'archc.{name}')}({plan.others.get(f'archc.{base}', base)}):{colon}{rest}"


# Classes


def _class_text(plan: ClassPlan, names: dict[int, str], comments: Comments) -> ClassText:
    constructor = Constructor(plan, names, comments)
    text = ClassText(names[id(plan)], "nn.Module", _docstring(plan.description), [], [], "")
    if constructor.chain:
        text.base = "nn.Sequential"
    else:
        method = forward(constructor)
        inputs = ", ".join(f"{name}: Tensor" for name in method.arguments)
        text.forward_signature = f"    def forward(self, {inputs}) -> {method.result}:"
        text.forward, text.returns_any = method.lines, method.returns_any
    lines = [*constructor.lines(), *block_lines(plan)]
    if lines != ["        super().__init__()"] or plan.parameters or not text.forward:
        arguments: list[Doc] = ["self", *(_parameter(plan, parameter) for parameter in plan.parameters)]
        text.signature = lay_out(Group("def __init__(", tuple(arguments), ") -> None:"), INDENT)
        text.constructor = lines
    return text


def _parameter(plan: ClassPlan, parameter: Parameter) -> Doc:
    annotation = re.sub(r"#(\d+)", lambda match: plan.classes.get(int(match[1]), "nn.Module"), parameter.annotation)
    if parameter.derived is not None:
        annotation = " | ".join(dict.fromkeys([*annotation.split(" | "), "None"]))
    text = f"{shown(plan, Name(parameter.name)).name}: {annotation}"
    return text if parameter.required else prefixed(f"{text} = ", document(in_classes(plan, parameter.default)))
