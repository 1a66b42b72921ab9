"""Names of the classes of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

from archc.language.names import class_name_fault, helpers
from archc.plan.finish import every_make
from archc.plan.names import Names
from archc.plan.plan import ClassPlan, Layer, layers_of


def class_names(classes: Sequence[ClassPlan]) -> dict[int, str]:
    """The name of every class, by its plan's id; the network's own, the last, keeps its name.

    A class has its block's name. If several blocks of imported files have the same name, the spec's own keeps it, and
    the name of another one includes its file. If a block takes inputs of several ranks, the name of the second class
    includes its rank, as in PyTorch. A nested body is named after its entry.
    """
    root = classes[-1]
    names = Names({root.name})
    names.taken |= {parameter.name for plan in classes for parameter in plan.parameters}  # or it hides the class
    found = {id(root): root.name}
    firsts: dict[str, ClassPlan] = {}
    blocks = [plan for plan in classes[:-1] if plan.block is not None]
    for plan in sorted(
        blocks, key=lambda plan: plan.block is not None and plan.block.mark.source is not root.body.body.mark.source
    ):
        first, longer = firsts.setdefault(plan.name, plan), plan.name
        assert plan.block is not None
        assert first.block is not None
        if plan.block.mark.source is not first.block.mark.source:
            longer = camel(PurePath(plan.block.mark.source.name).stem) + plan.name
        elif plan.ranks != first.ranks:
            longer += "".join(f"{rank - 1}d" if rank > 1 else "Vector" for rank in dict.fromkeys(plan.ranks))
        found[id(plan)] = names.take(plan.name if class_name_fault(longer) else longer)
    for plan in classes[:-1]:
        if plan.block is None:
            own = camel(plan.hint)
            wanted = [
                name for name in (own, f"{own}Body") if name and not class_name_fault(name) and name not in helpers()
            ]
            found[id(plan)] = names.take(*(wanted or ["Part"]))
    return found


def helper_names(taken: Iterable[str]) -> dict[str, str]:
    """The names, by their targets, of archc's own modules whose names the classes of a file have taken."""
    names = Names({*taken, *helpers()})
    return {f"archc.{name}": names.take(f"{name}Layer") for name in sorted(helpers() & set(taken))}


def imported_classes(classes: Sequence[ClassPlan], taken: Iterable[str]) -> dict[str, str]:
    """The names of the classes of other packages that the layers may create, by their addresses.

    A class has its own name, with its module's before it if the file has another class of that name.
    """
    layers = (layer for make in every_make(classes) for layer in layers_of(make.what))
    targets = dict.fromkeys(target for layer in layers for target in (layer.kind.torch, *_targets(layer)))
    names = Names(taken)
    found: dict[str, str] = {}
    for target in sorted(targets):
        space, _, name = target.rpartition(".")
        if space not in ("nn", "archc"):
            found[target] = names.take(name, camel(space) + name)
    return found


def _targets(layer: Layer) -> Iterator[str]:
    for _, call in layer.calls:
        yield call.target


def camel(text: str) -> str:
    """`reduction_a` becomes `ReductionA`."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", text) if part]
    return "".join(part[0].upper() + part[1:] for part in parts)
