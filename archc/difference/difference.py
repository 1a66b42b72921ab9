"""The structural difference of two networks: settings, layers, costs, and whether checkpoints load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from archc.architecture import Architecture
from archc.difference.alike import Likeness
from archc.difference.change import ArgumentChange, Change
from archc.difference.checkpoints import StateDifference, renamed_keys, state_difference
from archc.difference.compare import Comparison, Section, compare
from archc.difference.compared import Compared, LayerFigures
from archc.difference.formula import Formula, formula
from archc.difference.tree import Formula as Written
from archc.difference.tree import network_body
from archc.expressions import tree_of
from archc.problems import SpecError

if TYPE_CHECKING:
    from archc.difference.modules import Run

Size = tuple[int, ...]

ABSENT = object()
"""The value of an argument that a spec doesn't have."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An argument of the specs that differs, or that only one of them has.

    `changed`, `added` and `removed` are the layers that the new value alone changes in the first network; None if the
    first network can't take it.
    """

    name: str
    before: Any
    after: Any
    changed: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """A layer whose shape or costs differ; a side is None if it doesn't exist there."""

    before: str | None
    after: str | None
    old: LayerFigures | None
    new: LayerFigures | None


class Difference:
    """The difference of two networks; everything is computed on first access.

    `size` is the image on which modules are run.
    """

    def __init__(self, before: Compared, after: Compared, size: Size | None = None) -> None:
        self.before = before
        self.after = after
        self.size = size

    @cached_property
    def comparison(self) -> Comparison:
        """The matched layers, and the changes."""
        specs = [side.architecture.network.spec for side in (self.before, self.after) if side.architecture is not None]
        alike = len(specs) == 2 and Likeness().alike(specs[0].body, specs[1].body)
        return compare(self.before.body, self.after.body, written_alike=alike)

    @property
    def sections(self) -> list[Section]:
        """The changes, grouped by where they are; consequences of other changes are omitted."""
        return self.comparison.sections

    @property
    def changes(self) -> list[Change]:
        """The changes of all sections."""
        return [change for section in self.sections for change in section.changes]

    @cached_property
    def settings(self) -> list[Setting]:
        """The arguments that differ, and the layers that each one changes."""
        one, other = self.before.architecture, self.after.architecture
        if one is None or other is None:
            return []
        before, after = one.arguments, other.arguments
        found = []
        for name in {**before, **after}:
            old, new = before.get(name, ABSENT), after.get(name, ABSENT)
            if old is ABSENT or new is ABSENT:
                found.append(Setting(name, old, new))
            elif old != new or isinstance(old, bool) != isinstance(new, bool):
                found.append(self._setting(one, name, old, new))
        return found

    def _setting(self, architecture: Architecture, name: str, old: Any, new: Any) -> Setting:
        try:
            with_it = architecture.configure(**{name: new})
        except SpecError:
            return Setting(name, old, new)
        found = compare(self.before.body, network_body(with_it.network))
        changed = tuple(match.before for match in found.matches if match.one.values != match.other.values)
        return Setting(
            name, old, new, changed, tuple(path for path, _ in found.added), tuple(path for path, _ in found.removed)
        )

    @cached_property
    def state(self) -> StateDifference:
        """Whether checkpoints of the first load into the second."""
        renamed = renamed_keys(self.comparison.matches, self.before.keys, self.after.keys)
        return state_difference(self.before.state, self.after.state, renamed)

    @cached_property
    def formula(self) -> Formula | None:
        """Both costs as polynomials in a width that they share, if these are short and differ."""
        one, other = self.before.architecture, self.after.architecture
        if one is None or other is None or self.before.figures["parameters"] == self.after.figures["parameters"]:
            return None
        return formula(one, other)

    @property
    def initialization(self) -> bool:
        """True if the specs initialize weights differently."""
        networks = [side.architecture.network for side in (self.before, self.after) if side.architecture is not None]
        rules = [
            [
                (rule.kinds, rule.paths, rule.replaced(tree_of).tensors)
                for rule in chain(network.spec.init, *(block.init for block in network.spec.blocks.values()))
            ]
            for network in networks
        ]
        return len(rules) == 2 and rules[0] != rules[1]

    @property
    def input(self) -> bool:
        """True if the specs declare different input sizes."""
        inputs = [side.figures["inputs"] for side in (self.before, self.after) if "inputs" in side.figures]
        return len(inputs) == 2 and inputs[0] != inputs[1]

    @property
    def equal(self) -> bool:
        """True if both have the same layers, wiring, arguments, input size and initial weights.

        With a module, their outputs have to be equal as well; initial weights are not compared.
        """
        if self.settings or self.sections or self.input or self.initialization or not self.state.loads:
            return False
        return self.run is None or self.run.same

    @cached_property
    def run(self) -> Run | None:
        """The difference of the outputs on one image, if one operand is a module whose weights fit the other."""
        if (self.before.model is None and self.after.model is None) or not self.state.loads or self.size is None:
            return None
        from archc.difference.modules import run_both, to_run

        bounds = [side.bound for side in (self.before, self.after) if side.bound is not None]
        return run_both(to_run(self.before), to_run(self.after), self.size, min(bounds, default=None))

    def layers(self) -> Iterator[LayerDifference]:
        """Every layer that is missing in one network, or whose output or costs differ."""
        for path, _ in self.comparison.removed:
            yield LayerDifference(path, None, self.before.layers[path], None)
        for path, _ in self.comparison.added:
            yield LayerDifference(None, path, None, self.after.layers[path])
        for match in self.comparison.matches:
            old, new = self.before.layers[match.before], self.after.layers[match.after]
            if old != new:
                yield LayerDifference(match.before, match.after, old, new)

    def __str__(self) -> str:
        """The report for people."""
        from archc.difference.text import difference_text

        return difference_text(self)

    def _repr_markdown_(self) -> str:
        """Return the report for notebooks."""
        from archc.difference.markdown import difference_markdown

        return difference_markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `archc diff --format json` prints."""
        sides = (self.before, self.after)
        names = list(dict.fromkeys(name for side in sides for name in side.figures))
        return {
            "equal": self.equal,
            "before": _side_dict(self.before),
            "after": _side_dict(self.after),
            "arguments": [_setting_dict(setting) for setting in self.settings],
            "sections": [_section_dict(section) for section in self.sections],
            "layers": [_layer_dict(layer) for layer in self.layers()],
            "figures": {
                name: dict(zip(("before", "after"), (_data(side.figures.get(name)) for side in sides), strict=True))
                for name in names
            },
            "formula": _formula_dict(self.formula),
            "state_dict": self.state.to_dict(),
            "initialization": self.initialization,
            "run": None if self.run is None else {"same": self.run.same, "difference": self.run.difference},
        }


# JSON


def _data(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_data(part) for part in value]
    if isinstance(value, dict):
        return {name: _data(part) for name, part in value.items()}
    return None if value is ABSENT else value


def _side_dict(side: Compared) -> dict[str, Any]:
    return {"source": side.label, "name": side.name, "untraced": list(side.untraced)}


def _setting_dict(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "before": _data(setting.before),
        "after": _data(setting.after),
        "in_before": setting.before is not ABSENT,
        "in_after": setting.after is not ABSENT,
        "changed": _data(setting.changed),
        "added": list(setting.added),
        "removed": list(setting.removed),
    }


def _section_dict(section: Section) -> dict[str, Any]:
    return {
        "block": None if section.blocks is None else {"before": section.blocks[0], "after": section.blocks[1]},
        "uses": [{"before": use.before, "after": use.after} for use in section.uses],
        "changes": [_change_dict(change) for change in section.changes],
    }


def _change_dict(change: Change) -> dict[str, Any]:
    return {
        "change": change.sort,
        "before": change.before,
        "after": change.after,
        "kind": [part.kind if part else None for part in (change.one, change.other)],
        "renamed": change.renamed,
        "moved": change.moved,
        "arguments": [_argument_dict(argument) for argument in change.arguments],
        "inputs": None if change.reads is None else {"before": list(change.reads[0]), "after": list(change.reads[1])},
    }


def _argument_dict(change: ArgumentChange) -> dict[str, Any]:
    found: dict[str, Any] = {"name": change.name}
    for name, argument in (("before", change.before), ("after", change.after)):
        found[name] = _data(argument.value)
        found[f"{name}_written"] = argument.written.text if isinstance(argument.written, Written) else None
    return found


def _layer_dict(layer: LayerDifference) -> dict[str, Any]:
    return {
        "before": layer.before,
        "after": layer.after,
        **{
            name: [None if figures is None else _data(getattr(figures, name)) for figures in (layer.old, layer.new)]
            for name in LayerFigures._fields
        },
    }


def _formula_dict(found: Formula | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "variable": found.variable,
        "meaning": found.meaning,
        "parameters": [list(each.coefficients) for each in found.parameters],
        "macs": [list(each.coefficients) for each in found.macs],
    }
