"""The classes as source text: lines for the templates, which hold the layout of the file alone."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from archc.emit.arguments import network_classes
from archc.emit.classes import ClassDef, ClassParameter, same, values_of
from archc.emit.forward import Forward, Statement, forward
from archc.emit.initialization import init_lines
from archc.emit.layout import WIDTH, Doc, Each, Group, Marked, Optional, flat, lay_out, marked, unmarked, wrapped
from archc.emit.naming import Names
from archc.emit.template import Attribute, Chain, Item, Loop, Make, MakeClass
from archc.expressions import Level, names_of, plain, text_of
from archc.graph import Network
from archc.kinds import Call
from archc.language.names import MODULE_ATTRIBUTES

_BY_NAME = {"kernel_size", "stride", "padding", "dilation", "groups", "bias"}
"""Arguments that are written by name even where they are required, as with torch's own layers."""

_FOLD = 3
"""So many equal neighbours in a chain become one line."""


@dataclass(slots=True)
class ClassText:
    """What the class template shows."""

    name: str
    base: str
    docstring: list[str]
    signature: list[str]
    constructor: list[str]
    forward_signature: str
    forward: list[str] = field(default_factory=list)


def emit_source(network: Network) -> str:
    """The PyTorch source of a checked network: deterministic, standalone, one class a block."""
    return source_and_lines(network, *network_classes(network))[0]


def source_and_lines(
    network: Network, classes: list[ClassDef], served: list[Network]
) -> tuple[str, dict[int, list[int]]]:
    """The source of a network's classes, and its lines (from 1) by the id of the attribute or step they stand for."""
    texts = [_class_text(made, init_lines(served) if made.root else []) for made in classes]
    helpers = _helpers(classes)
    marked_body = template_text("module.py.jinja", imports=_imports(texts, helpers), helpers=helpers, classes=texts)
    body, lines = unmarked(marked_body)
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    header = template_text(
        "header.py.jinja", title=_title(network), source=_docstring_text(f"{network.spec.stem}.yaml"), digest=digest
    )
    before = header.count("\n") + 1
    return f"{header}\n{body}", {part: [before + line for line in found] for part, found in lines.items()}


def body_digest(source: str) -> tuple[str | None, str]:
    """The digest that an emitted file states, and that of its body: they differ after an edit by hand."""
    match = re.match(r'"""(?:.|\n)*?sha256 ([0-9a-f]{16})(?:.|\n)*?\n"""\n', source)
    if match is None:
        return None, ""
    body = source[match.end() :]
    return match[1], hashlib.sha256(body.removeprefix("\n").encode()).hexdigest()[:16]


def _title(network: Network) -> list[str]:
    """The first lines of the file: what it is and where it was published."""
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
        """Templates from the package, wherever it is installed."""

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
    """Free text that cannot leave its docstring: one line, printable, backslashes and quotes escaped."""
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


def _imports(texts: list[ClassText], helpers: list[str]) -> list[str]:
    whole = "\n".join(
        [*helpers, *("\n".join([*t.signature, *t.constructor, *t.forward, t.forward_signature]) for t in texts)]
    )
    lines = []
    if re.search(r"\bOrderedDict\(", whole):
        lines += ["from collections import OrderedDict", ""]
    if re.search(r"\btorch\.", whole):
        lines.append("import torch")
    names = [name for name in ("Tensor", "nn") if re.search(rf"\b{name}\b", whole) or name == "nn"]
    lines.append(f"from torch import {', '.join(names)}")
    return lines


def _helpers(classes: list[ClassDef]) -> list[str]:
    """The source of archc's own modules that the classes use."""
    used: set[str] = set()

    def visit(attributes: tuple[Attribute | Loop, ...]) -> None:
        for attribute in attributes:
            if isinstance(attribute, Loop):
                visit(tuple(part for row in attribute.rows for part in row))
                continue
            match attribute.item:
                case Make(call) if call.target.startswith("archc."):
                    used.add(call.target.removeprefix("archc."))
                case Chain(inner, _):
                    visit(inner)

    for made in classes:
        visit(made.template.attributes)
    if not used:
        return []
    text = resources.files("archc").joinpath("build", "modules.py").read_text("utf-8")  # unimported: it needs torch
    parts = re.split(r"\n\n\n(?=class )", text)
    return [part.strip() for part in parts if any(part.startswith(f"class {name}(") for name in sorted(used))]


# Classes


def _class_text(made: ClassDef, init: list[str]) -> ClassText:
    template = made.template
    arguments: list[Doc] = ["self", *(_parameter(parameter) for parameter in made.parameters)]
    signature = lay_out(Group("def __init__(", tuple(arguments), ") -> None:"), INDENT)
    if template.sequential:
        items, comments = _items(template.attributes, named=False)
        call = Group("super().__init__(", items, ")", comments, tall=True)
        lines = [*lay_out(call, 2 * INDENT), *init]
        return ClassText(made.name, "nn.Sequential", _docstring(made.description), signature, lines, "")
    statements = forward(template)
    attributes = tuple(part for part in template.attributes if isinstance(part, Attribute))
    heads = _heads(attributes)
    lines = ["        super().__init__()"]
    lines += _constructor(attributes, heads)
    if not attributes and not made.parameters:
        signature, lines = [], []
    lines += init
    named = any(name is not None for name, _ in template.results)
    result = "dict[str, Tensor]" if named else "Tensor"
    if statements.heads and not named:
        result = "Tensor | dict[str, Tensor]"
    inputs = ", ".join(f"{name}: Tensor" for name in statements.arguments)
    head = f"    def forward(self, {inputs}) -> {result}:"
    body = _forward_lines(statements, heads, named)
    return ClassText(made.name, "nn.Module", _docstring(made.description), signature, lines, head, body)


INDENT = 4


def _parameter(parameter: ClassParameter) -> str:
    kinds = list(
        dict.fromkeys(
            _type(value) for value in (*parameter.values, *([] if parameter.required else [parameter.default]))
        )
    )
    if set(kinds) == {"int", "float"}:
        kinds = ["float"]
    text = f"{parameter.name}: {' | '.join(kinds)}"
    return text if parameter.required else f"{text} = {text_of(parameter.default)}"


def _type(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_type, value))}]" if value else "tuple[()]"
    return "None" if value is None else type(value).__name__


class _Head(NamedTuple):
    """How `forward` knows that an auxiliary head is there: the flag, or nothing where it always is."""

    flag: str
    value: str


def _heads(attributes: tuple[Attribute, ...]) -> dict[str, _Head]:
    found = {}
    heads = [attribute for attribute in attributes if attribute.auxiliary and attribute.present]
    taken = {attribute.name for attribute in attributes} | MODULE_ATTRIBUTES
    own = {text for head in heads if head.conditional and (text := text_of(head.when)).isidentifier()} - taken
    names = Names(taken | own)
    for attribute in heads:
        if not attribute.conditional:
            found[attribute.name] = _Head("", "")
            continue
        condition = text_of(attribute.when)
        flag = condition if condition in own else names.take(f"has_{attribute.name}")
        found[attribute.name] = _Head(flag, condition)
    return found


def _constructor(attributes: tuple[Attribute, ...], heads: dict[str, _Head]) -> list[str]:
    lines: list[str] = []
    inside = ""  # the condition of the `if` that is open
    flags: set[str] = set()
    for attribute in attributes:
        if not attribute.present or attribute.item is None:
            continue
        if not attribute.conditional:
            inside = ""
            lines += lay_out(_child(attribute), 8, before=f"self.{attribute.name} = ", comment=_comment(attribute))
            continue
        condition = text_of(attribute.when)
        head = heads.get(attribute.name)
        if head is not None and head.flag not in flags:
            flags.add(head.flag)
            lines += wrapped(head.value, 8, before=f"self.{head.flag} = ")
            inside = ""
        if head is None:
            lines.append(f"        self.{attribute.name}: nn.Module = nn.Identity()")
            inside = ""
        if inside != condition:
            lines += wrapped(condition, 8, before="if ", after=":")
            inside = condition
        lines += lay_out(_child(attribute), 12, before=f"self.{attribute.name} = ", comment=_comment(attribute))
    return lines


def _comment(attribute: Attribute) -> str:
    return "" if isinstance(attribute.item, Chain) else attribute.shape


def _child(attribute: Attribute) -> Doc:
    assert attribute.item is not None
    return Marked(_item(attribute.item), (id(attribute),))


def _item(item: Item) -> Doc:
    match item:
        case Make(call):
            return _call(call)
        case MakeClass(target, arguments):
            return _construct(target, arguments)
        case Chain(attributes, named):
            items, comments = _items(attributes, named=named)
            if named:
                rows = Group("[", items, "]", comments, tall=True)
                return Group("nn.Sequential(", (Group("OrderedDict(", (rows,), ")", tall=True),), ")", tall=True)
            return Group("nn.Sequential(", items, ")", comments, tall=True)


def _items(attributes: tuple[Attribute | Loop, ...], *, named: bool) -> tuple[tuple[Doc, ...], tuple[str, ...]]:
    """A chain's entries, one a line; equal neighbours folded."""
    rows: list[tuple[Marked, str]] = []
    texts: list[str | None] = []
    for attribute in attributes:
        if isinstance(attribute, Loop):
            rows.append((Marked(_loop(attribute), ()), ""))
            texts.append(None)
            continue
        if not attribute.present or attribute.item is None:
            continue
        doc = _item(attribute.item)
        text = flat(doc)
        if named:
            doc, text = Group("(", (f'"{attribute.name}"', doc), ")"), None
        if attribute.conditional:
            doc, text = Optional(doc, text_of(attribute.when, Level.OR)), None
        rows.append((Marked(doc, (id(attribute),)), _comment(attribute)))
        texts.append(text)
    folded: list[tuple[Doc, str]] = []
    start = 0
    while start < len(rows):
        end = start + 1
        while texts[start] is not None and end < len(rows) and texts[end] == texts[start]:
            end += 1
        if end - start >= _FOLD:
            each = Each(rows[start][0].item, (f"for _ in range({end - start})",))
            parts = tuple(part for row, _ in rows[start:end] for part in row.parts)
            folded.append((Marked(each, parts), rows[end - 1][1]))
        else:
            folded += rows[start:end]
        start = end
    return tuple(doc for doc, _ in folded), tuple(comment for _, comment in folded)


def _loop(loop: Loop) -> Doc:
    """`*(Layer(i) for i in range(count))`; a row of several layers is unpacked by a second `for`."""
    (row,) = loop.rows
    items, _ = _items(row, named=False)
    read = frozenset().union(*(names_of(value) for value in values_of(row)))
    turns = f"for {loop.variable if loop.variable in read else '_'} in range({text_of(loop.times)})"
    if len(items) > 1:
        layer = Names(read).take("layer")
        return Each(layer, (turns, Group(f"for {layer} in (", items, ")")))
    item = items[0]
    parts: tuple[int, ...] = ()
    if isinstance(item, Marked):
        item, parts = item
    if isinstance(item, Each):
        return Each(Marked(item.item, parts), (turns, *item.clauses))
    if isinstance(item, Optional):
        return Each(Marked(item.item, parts), (turns, f"if {item.condition}"))
    return Each(Marked(item, parts), (turns,))


def _call(call: Call) -> Doc:
    first = [text_of(value) for value in call.positional]
    named = [f"{name}={text_of(value)}" for name, value in call.keywords]
    return Group(f"{call.target.removeprefix('archc.')}(", (*first, *named), ")")


def _construct(target: ClassDef, arguments: tuple[tuple[str, Any], ...]) -> Doc:
    """An instance: required arguments by their places, those with a default by their names, if they differ from it."""
    items: list[Doc] = []
    by_name = False
    for parameter, (name, value) in zip(target.parameters, arguments, strict=True):
        by_name = by_name or not parameter.required or name in _BY_NAME
        if parameter.required or names_of(value) or not same(plain(value), parameter.default):
            items.append(f"{name}={text_of(value)}" if by_name else text_of(value))
    return Group(f"{target.name}(", tuple(items), ")")


# Forward


def _forward_lines(made: Forward, heads: dict[str, _Head], named: bool) -> list[str]:
    lines: list[str] = []
    groups = list(dict.fromkeys(heads[s.names[0]].flag for s in made.statements if s.auxiliary))
    several = len(groups) > 1
    if several:
        lines.append(f"        {made.collected}: dict[str, Tensor] = {{}}")
    open_flag: str | None = None
    for statement in made.statements:
        if statement.auxiliary:
            flag = heads[statement.names[0]].flag
            if open_flag != flag:
                lines.append(f"        {_training(flag)}:")
                open_flag = flag
            target = f'{made.collected}["{statement.names[0]}"]' if several else statement.target
            lines += lay_out(Marked(statement.value, statement.steps), 12, before=f"{target} = ")
            continue
        open_flag = None
        lines += _statement(statement)
    if not made.results:
        if made.statements and made.statements[-1].target:
            lines.append(f"        return {made.statements[-1].target}")
        return lines
    shown = [(name or "output", value) for name, value in made.results]
    if made.heads:
        entries: list[Doc] = [f'"{name}": {value}' for name, value in shown]
        if several:
            entries.append(f"**{made.collected}")
            lines.append(f"        if {made.collected}:")
        else:
            entries += [f'"{s.names[0]}": {s.target}' for s in made.statements if s.auxiliary]
            lines.append(f"        {_training(groups[0])}:")
        lines += lay_out(Group("{", tuple(entries), "}"), 12, before="return ")
    if named:
        lines += lay_out(Group("{", tuple(f'"{name}": {value}' for name, value in shown), "}"), 8, before="return ")
    else:
        lines.append(f"        return {shown[0][1]}")
    return lines


def _training(flag: str) -> str:
    return f"if self.training and self.{flag}" if flag else "if self.training"


def _statement(statement: Statement) -> list[str]:
    value = Marked(statement.value, statement.steps)
    if not statement.target:
        return lay_out(value, 8, before="return ")
    target = f"{statement.target}{': Tensor' if statement.annotated else ''} = "
    if isinstance(statement.value, str):
        return marked(wrapped(statement.value, 8, before=target), statement.steps)
    return lay_out(value, 8, before=target)
