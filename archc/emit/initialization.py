"""The statements that set the initial weights, from the rules of a spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.emit.layout import WIDTH
from archc.expressions import text_of
from archc.graph import Network, walk
from archc.language.initialization import INITIALIZED, INITIALIZERS
from archc.language.spec import InitRule


def init_lines(networks: Sequence[Network]) -> list[str]:
    """A loop over the modules: an `if` a rule, in their order, so that the first that fits holds.

    `networks` are those that the class serves, the network itself first.
    """
    rules = networks[0].init
    kinds: dict[str, list[str]] = {}  # where an entry is left out, the path of the next can be the same
    lacking: set[tuple[str, str]] = {("conv2d", "bias"), ("conv_transpose2d", "bias")}  # torch's types allow None
    for network in networks:
        for layer in walk(network.graph):
            kind, given = layer.kind.kind, layer.kind.__dict__  # pydantic's getattr is slow where there is none
            known = kinds.setdefault(layer.path, [])
            if kind not in known:
                known.append(kind)
            if not given.get("affine", given.get("elementwise_affine", True)):
                lacking |= {(kind, "weight"), (kind, "bias")}
            if not given.get("bias", True):
                lacking.add((kind, "bias"))
    present = {kind for found in kinds.values() for kind in found}
    lines: list[str] = []
    by_path = any(path in kinds for rule in rules for path in rule.paths)
    for rule in rules:
        named = {kind for path in rule.paths for kind in kinds.get(path, ())} | set(rule.kinds)
        for condition in _rule_conditions(rule, present, kinds):
            lines.append(f"            {'elif' if lines else 'if'} {condition}:")
            for attribute, (function, arguments) in rule.tensors.items():
                if function == "constant":
                    shown = [_number(arguments["val"])]
                else:
                    shown = [f"{name}={text_of(value)}" for name, value in arguments.items()]
                call = f"nn.init.{INITIALIZERS[function].torch}({', '.join([f'module.{attribute}', *shown])})"
                guarded = any((kind, attribute) in lacking for kind in named)
                if guarded and len(rule.tensors) == 1 and rule is rules[-1]:
                    lines[-1] = f"{lines[-1][:-1]} and module.{attribute} is not None:"
                    lines.append(f"                {call}")
                elif guarded:
                    lines.append(f"                if module.{attribute} is not None:")
                    lines.append(f"                    {call}")
                else:
                    lines.append(f"                {call}")
    if not lines:
        return []
    loop = "for name, module in self.named_modules():" if by_path else "for module in self.modules():"
    return ["", f"        {loop}", *lines]


def _rule_conditions(rule: InitRule, present: set[str], kinds: dict[str, list[str]]) -> Iterator[str]:
    """The tests of a rule: for its kinds, and for its paths, as many to a line as fit."""
    classes = [INITIALIZED[kind] for kind in rule.kinds if kind in present]
    paths = [path for path in rule.paths if path in kinds]
    if paths:
        owners = _classes(
            [
                INITIALIZED[kind]
                for kind in dict.fromkeys(kind for path in paths for kind in kinds[path])
                if kind in INITIALIZED
            ]
        )
        room = WIDTH - len(f"            elif name in () and isinstance(module, {owners}):")
        while paths:
            count = len(paths)
            while count > 1 and len(", ".join(f'"{path}"' for path in paths[:count])) > room:
                count -= 1
            names = [f'"{path}"' for path in paths[:count]]
            test = f"name == {names[0]}" if count == 1 else f"name in ({', '.join(names)})"
            yield f"{test} and isinstance(module, {owners})"
            paths = paths[count:]
    if classes:
        yield f"isinstance(module, {_classes(classes)})"


def _classes(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
