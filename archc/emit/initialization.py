"""The statements for initial weights, from the rules of a spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from archc.emit.layout import Doc, Group, Operation, document, flat, prefixed, statement
from archc.expressions import Text
from archc.graph import Network, walk
from archc.kinds import KINDS
from archc.kinds.initializers import INITIALIZERS
from archc.language.spec import InitRule
from archc.patterns import is_pattern, matches
from archc.plan import ClassPlan
from archc.plan.finish import every_make, every_step, shown, used
from archc.plan.names import Names
from archc.plan.plan import Again, BodyPlan, Chosen, Layer, Loop, Make, layers_of


def init_lines(network: Network, classes: Sequence[ClassPlan]) -> list[str]:
    """A loop over the modules, with one `if` per rule in order, so that the first match applies."""
    rules = _shown(classes[-1])
    if not rules:
        return []
    present, lacking = _kinds(classes)
    kinds: dict[str, list[str]] = {}
    for placed in walk(network.graph) if any(rule.paths for rule in rules) else ():
        if not placed.shared:
            kinds.setdefault(placed.path, []).append(placed.kind.kind)
    if _varies(classes):  # with other arguments, an index of a list may have a layer of another kind
        anything = [kind for kind in KINDS if kind in present]
        numbered = [path for path in kinds if any(part.isdigit() for part in path.split("."))]
        kinds |= dict.fromkeys(kinds if _chooses(classes) else numbered, anything)
    paths = {path for rule in rules for path in rule.paths}
    unsure = {path for path in paths if len(set(_layers_at(classes[-1].body, path.split(".")))) > 1}
    return _loop(classes[-1], _opaque(classes), rules, present, lacking, kinds, unsure)


def block_lines(plan: ClassPlan) -> list[str]:
    """The rules of a block, at the end of its class's constructor."""
    if plan.block is None or not plan.init:
        return []
    return _loop(plan, _opaque(used(plan)), _shown(plan), *_kinds(used(plan)), {})


def _shown(plan: ClassPlan) -> list[InitRule]:
    """The rules of a class, with their arguments in the names of the source."""
    return [rule.replaced(partial(shown, plan)) for rule in plan.init]


def _loop(
    plan: ClassPlan,
    opaque: Sequence[str],
    rules: Sequence[InitRule],
    present: set[str],
    lacking: set[tuple[str, str]],
    kinds: dict[str, list[str]],
    unsure: Set[str] = frozenset(),
) -> list[str]:
    """The loop over the modules, for the kinds at each path; an `unsure` path may be a layer or a part.

    It skips the modules of `opaque` classes with everything in them, because their constructors initialize them.
    """
    by_path = any(rule.paths for rule in rules)
    found: list[tuple[list[Doc], list[_Setting]]] = []  # the tests of a rule, and its statements
    tested: set[str] = set()
    for rule in _joined(rules):
        named = {kind for path in rule.paths for kind in kinds.get(path, rule.settable)} | set(rule.kinds)
        tests = [test for test in _tests(plan, rule, present, kinds, unsure) if str(test) not in tested]
        tested |= set(map(str, tests))
        if not tests:
            continue
        body = [_setting(rule, name, named, lacking) for name in rule.tensors]
        if found and [setting.call for setting in found[-1][1]] == [setting.call for setting in body]:
            # Checking a tensor that is never None is harmless.
            merged = [max(pair, key=lambda setting: setting.guard) for pair in zip(found[-1][1], body, strict=True)]
            found[-1] = ([*found[-1][0], *tests], merged)
        else:
            found.append((tests, body))
    if not found:
        return []
    before: list[str] = []
    lines = [f"        for {'name, module in self.named_modules()' if by_path else 'module in self.modules()'}:"]
    if opaque:
        names = [*plan.locals, *plan.renamed.values()]
        own = Names({one.name for one in plan.parameters} | {one.name for one in names}).take("foreign")
        is_own = flat(_is([plan.class_name(target) for target in opaque]))
        every = f"part for module in self.modules() if {is_own} for part in module.modules()"
        before = statement(Group("{", (every,), "}", comma=False), 8, before=f"{own} = ")
        lines += [f"            if module in {own}:", "                continue"]
    for position, (tests, body) in enumerate(found):
        word = "elif " if position else "if "
        doc = tests[0] if len(tests) == 1 else _either(tests)
        if position == len(found) - 1 and len(body) == 1 and body[0].guard:
            parts = doc.parts if isinstance(doc, Operation) and len(tests) == 1 else (("", _bracketed(doc, tests)),)
            doc, body = Operation((*parts, ("and", body[0].guard))), [_Setting("", body[0].call)]
        lines += statement(doc, 12, before=word, after=":")
        for guard, call in body:
            lines += [f"{' ' * 16}if {guard}:", *statement(call, 20)] if guard else statement(call, 16)
    return ["", *before, *lines]


class _Setting(NamedTuple):
    """A call that sets a tensor, and what has to hold for it; nothing if the tensor is never None."""

    guard: str
    call: Doc


def _joined(rules: Sequence[InitRule]) -> Iterator[InitRule]:
    """The rules, with neighbors that set the same tensors in the same way merged into one."""
    for _, group in groupby(rules, lambda rule: (rule.tensors, rule.paths)):
        first, *others = group
        kinds = dict.fromkeys(kind for rule in (first, *others) for kind in rule.kinds)
        yield replace(first, kinds=tuple(kinds))


def _either(tests: list[Doc]) -> Doc:
    """The disjunction of several tests."""
    parts: list[tuple[str, Doc]] = []
    for position, test in enumerate(tests):
        first, *rest = test.parts if isinstance(test, Operation) else (("", test),)
        parts += [("or" if position else "", first[1]), *rest]
    return Operation(tuple(parts))


def _bracketed(doc: Doc, tests: list[Doc]) -> Doc:
    return doc if len(tests) == 1 else Group("(", (doc,), ")", comma=False)


def _setting(rule: InitRule, tensor: str, named: set[str], lacking: set[tuple[str, str]]) -> _Setting:
    """The statement that sets a tensor, with a check if it may be None."""
    function, arguments = rule.tensors[tensor]
    given = [prefixed(f"{name}=", document(value)) for name, value in arguments.items()]
    if function == "constant":
        given = [document(_integer(arguments["val"]))]
    call = Group(f"nn.init.{INITIALIZERS[function].torch}(", (f"module.{tensor}", *given), ")")
    guarded = any((kind, tensor) in lacking for kind in named)
    return _Setting(f"module.{tensor} is not None" if guarded else "", call)


def _kinds(classes: Sequence[ClassPlan]) -> tuple[set[str], set[tuple[str, str]]]:
    """The kinds that the classes create, and those of their tensors that may be None."""
    present: set[str] = set()
    lacking: set[tuple[str, str]] = set()
    for make in every_make(classes):
        for layer in layers_of(make.what):
            kind = layer.kind
            present |= {kind.kind, *kind.inside}
            if kind.is_elementwise() and isinstance(make.what, Chosen):  # another layer may replace it
                present |= {name for name, other in KINDS.items() if other.is_elementwise()}
            lacking |= {(inner, "bias") for inner in kind.inside}
            for _, call in layer.calls:
                given = dict(call.keywords)
                lacking |= {(kind.kind, tensor) for tensor in kind.state if kind.may_lack(tensor, given)}
    return present, lacking


def _opaque(classes: Sequence[ClassPlan]) -> list[str]:
    """The classes of other packages that `module` entries create."""
    layers = (layer for make in every_make(classes) for layer in layers_of(make.what) if layer.kind.opaque)
    return sorted({call.target for layer in layers for _, call in layer.calls if not call.target.startswith("nn.")})


def _varies(classes: Sequence[ClassPlan]) -> bool:
    """Return True if an argument decides which entries exist."""
    steps = (step for plan in classes for step in every_step(plan.body.steps))
    return _chooses(classes) or any(
        isinstance(step, Loop) or (isinstance(step, Make) and step.when is not None) for step in steps
    )


def _chooses(classes: Sequence[ClassPlan]) -> bool:
    """Return True if an argument names a layer or a block."""
    return any(isinstance(make.what, Chosen) for make in every_make(classes))


def _layers_at(body: BodyPlan, parts: Sequence[str]) -> Iterator[bool]:
    """For each entry that may be at a path, whether it is a layer and not a part."""
    makes = list(body.makes())
    varies = any(isinstance(step, Loop) or (isinstance(step, Make) and step.when is not None) for step in body.steps)
    for at, make in enumerate(makes):
        name = str(at) if body.numbered and not varies else parts[0] if body.numbered else make.name
        if isinstance(make.what, Again) or (name != parts[0] and not isinstance(name, Text)):
            continue
        used = make.what.options if isinstance(make.what, Chosen) else (make.what,)
        for what in used:
            if len(parts) == 1:
                yield isinstance(what, Layer)
            elif not isinstance(what, Layer):
                yield from _layers_at(what if isinstance(what, BodyPlan) else what.target.body, parts[1:])


def _tests(
    plan: ClassPlan, rule: InitRule, present: set[str], kinds: dict[str, list[str]], unsure: Set[str]
) -> Iterator[Doc]:
    """The tests of a rule: for its paths, and for its kinds."""
    classes = [plan.class_name(KINDS[kind].torch) for kind in rule.kinds if kind in present]
    paths = [path for path in rule.paths if path in kinds and path not in unsure]
    found = dict.fromkeys(kind for path in paths for kind in kinds[path])
    owners = [kind for kind in found if kind in rule.settable]
    if owners:
        names = tuple(f'"{path}"' for path in paths)
        test: Operation = Operation((("", "name"), ("==", names[0])))
        if len(names) > 1:
            test = Operation((("", "name"), ("in", Group("(", names, ")", packed=False))))
        yield Operation((("", test), ("and", _is([plan.class_name(KINDS[kind].torch) for kind in owners]))))
    below = [path for path in rule.paths if path not in kinds or path in unsure]
    settable = [plan.class_name(KINDS[kind].torch) for kind in rule.settable if kind in present]
    absent = {path for path in below if not any(matches(name, path) for name in kinds)}
    for start in _below(below, unsure | absent) if settable else ():
        yield Operation((("", start), ("and", _is(settable))))
    if classes:
        yield _is(classes)


def _below(paths: Sequence[str], unsure: Set[str]) -> Iterator[Doc]:
    """The tests for paths and the layers below them; a layer's path is `f"{name}."`."""
    parts = [path for path in paths if not is_pattern(path.removesuffix(".*"))]
    whole = [path for path in parts if path in unsure and not is_pattern(path)]
    for name, found in (("name", [path for path in parts if path not in whole]), ('f"{name}."', whole)):
        starts = tuple(f'"{path.removesuffix(".*")}."' for path in found)
        if starts:
            start: Doc = starts[0] if len(starts) == 1 else Group("(", starts, ")", packed=False)
            yield Group(f"{name}.startswith(", (start,), ")", comma=False)
    for path in paths:
        if path not in parts:
            name, pattern = ("name", path) if path.endswith("*") else ('f"{name}."', f"{path}.*")
            yield Group("fnmatchcase(", (name, f'"{pattern}"'), ")")


def _is(classes: list[str]) -> Doc:
    known = classes[0] if len(classes) == 1 else Group("(", tuple(classes), ")", packed=False)
    return Group("isinstance(", ("module", known), ")")


def _integer(value: Any) -> Any:
    """A whole number without its point; any other value as it is."""
    return int(value) if isinstance(value, float) and value == int(value) else value
