"""The report of a difference, as rows of text for a terminal or a pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from archc.difference.change import ArgumentChange, Change
from archc.difference.checkpoints import StateDifference, gathered, renamings, together
from archc.difference.compare import Section
from archc.difference.difference import ABSENT, Difference, Setting
from archc.difference.tree import Argument, Part
from archc.difference.tree import Formula as Written
from archc.kinds.base import shown
from archc.text import counted, engineering, extent, form, mebibytes, printable

_MOST_NAMES: Final = 4
_MOST_EQUAL: Final = 2

Row = tuple[str, ...]


class ChangeRow(NamedTuple):
    """A change: `+`, `-` or `~`, the name, what it is, and what is unlike."""

    mark: str
    name: str
    what: str
    how: str


def verdict(difference: Difference) -> str:
    """One line that says whether the networks are equal."""
    title = f"{printable(difference.before.label)} → {printable(difference.after.label)}"
    if not difference.equal:
        return f"{title}: different"
    layers, parameters = difference.before.body.layers, difference.before.figures["parameters"]
    how = "equal by their modules and outputs" if untraced(difference) else "structurally equal"
    return f"{title}: {how}: {counted(layers, 'layer')}, {parameters:,} parameters"


def untraced(difference: Difference) -> list[str]:
    """For each module that archc could not trace, what was compared instead, and why."""
    return [
        f"the wiring of {printable(side.label)} is not known, so its modules and outputs are compared: "
        + "; ".join(map(printable, side.untraced))
        for side in (difference.before, difference.after)
        if side.untraced
    ]


# Parameters


def settings(difference: Difference) -> list[Row]:
    """The input and each argument that differ, with their values and their effects."""
    rows: list[Row] = []
    if difference.input:
        before, after = (side.figures["inputs"] for side in (difference.before, difference.after))
        for name in [name for name in before | after if before.get(name) != after.get(name)]:
            shown = [form(shapes[name]) if name in shapes else "none" for shapes in (before, after)]
            rows.append((name, " → ".join(shown)))
    for one in difference.settings:
        rows.append((one.name, f"{_setting(one.before)} → {_setting(one.after)}"))
        if follows := _follows(one):
            rows.append(("", follows))
    return rows


def _setting(value: Any) -> str:
    return "none" if value is ABSENT else printable(shown(value))


def _follows(setting: Setting) -> str:
    if ABSENT in (setting.before, setting.after):
        return ""
    if setting.changed is None:
        return "on its own, the new value makes the first network invalid"
    parts = [
        f"{what} {_names(paths)}"
        for what, paths in (("changes", setting.changed), ("adds", setting.added), ("removes", setting.removed))
        if paths
    ]
    return "; ".join(parts) or "changes no layer"


def _names(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: _MOST_NAMES - 1])} and {len(names) - _MOST_NAMES + 1:,} more"


# Layers


def heading(section: Section) -> str:
    """The heading of a section: the layers, or a block with its uses."""
    if section.blocks is None:
        return "layers"
    name = _then(*section.blocks)
    count = f", {len(section.uses)} uses" if len(section.uses) > 1 else ""
    return f"in block {name}{count}: {_names([_then(*use) for use in section.uses])}"


def _then(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def change_rows(section: Section) -> list[ChangeRow]:
    """The changes of a section; equal parts that come or go in a row are one."""
    once = len(section.uses) == 1
    rows: list[ChangeRow] = []
    alone = [_change_row(change, once=once, block=section.blocks is not None) for change in section.changes]
    for (mark, what, how), equal in groupby(alone, key=lambda row: (row.mark, row.what, row.how)):
        names = [row.name for row in equal]
        if mark == "~" or len(names) <= _MOST_EQUAL:
            rows += [ChangeRow(mark, name, what, how) for name in names]
        else:
            rows.append(
                ChangeRow(mark, f"{names[0]} … {names[-1]}", f"{len(names)} × {what}", f"{how} each" if how else "")
            )
    return rows


def _change_row(change: Change, *, once: bool, block: bool) -> ChangeRow:
    one, other = change.one, change.other
    if one is None and other is None:
        return ChangeRow("~", f"{change.after}.result".removeprefix("."), "", _reads(change))
    if one is None or other is None:
        part = one or other
        assert part is not None
        name = change.after if one is None else change.before
        return ChangeRow("-" if one else "+", name or "", part.formula if block else part.title, _size(part, once=once))
    arguments = ", ".join(_argument(argument, once=once) for argument in change.arguments)
    if not change.after:
        return ChangeRow("~", "defaults", "", arguments)
    what = _then(one.title, other.title) if change.replaced and once else _then(one.kind, other.kind)
    reads = f"reads {_reads(change)}" if change.reads else ""
    how = ("renamed" if change.renamed else "", arguments, "moved" if change.moved else "", reads)
    return ChangeRow("~", _then(change.before or "", change.after), what, "; ".join(filter(None, how)))


def _size(part: Part, *, once: bool) -> str:
    """The size of a part; empty if it differs between several uses."""
    sizes = [counted(part.layers, "layer") if part.body is not None else ""]
    if once and part.parameters:
        sizes.append(f"{part.parameters:,} parameters")
    return ", ".join(filter(None, sizes))


def _reads(change: Change) -> str:
    if change.reads is None:
        return ""
    before, after = (", ".join(names) for names in change.reads)
    return f"{before} → {after}"


def _argument(change: ArgumentChange, *, once: bool) -> str:
    before, after = change.before, change.after
    values = _then(_value(before), _value(after))
    if not any(isinstance(argument.written, Written) for argument in (before, after)):
        return f"{change.name} {values}"
    written = _then(_written(before), _written(after))
    return f"{change.name} {written} ({values})" if once else f"{change.name} {written}"


def _value(argument: Argument) -> str:
    return printable(shown(argument.value))


def _written(argument: Argument) -> str:
    return printable(str(argument.written)) if isinstance(argument.written, Written) else _value(argument)


# Figures

_COLUMNS: Final = ("output", "parameters", "multiply-adds", "receptive field")


def effects(difference: Difference) -> list[Row]:
    """Blocks and layers of both whose sizes or costs differ, below a heading; an empty cell means no difference."""
    one, other = difference.before.summary, difference.after.summary
    if one is None or other is None:
        return []
    names = _bodies(difference)
    after = {line.path: line for line in other.outline()}
    found: list[tuple[str, list[str]]] = []
    for line in one.outline():
        there = after.get(names.get(line.path, ""))
        if there is None or there.count != line.count:
            continue
        cells = [
            _unlike(form(line.output), form(there.output)),
            _unlike(f"{line.parameters:,}", f"{there.parameters:,}"),
            _unlike(engineering(line.macs), engineering(there.macs)),
            _unlike(extent(line.receptive_field), extent(there.receptive_field)),
        ]
        if any(cells[:3]):  # a receptive field alone differs in all later layers
            found.append((_then(line.path, there.path), cells))
    used = [i for i in range(len(_COLUMNS)) if any(cells[i] for _, cells in found)]
    rows = [(name, *(cells[i] for i in used)) for name, cells in found]
    return [("", *(_COLUMNS[i] for i in used)), *rows] if rows else []


def _bodies(difference: Difference) -> dict[str, str]:
    """Maps paths of the first network to paths of the second, also for bodies, based on their layers."""
    found: dict[str, str] = {}
    for match in difference.comparison.matches:
        before, after = match.before.split("."), match.after.split(".")
        while before and after:
            found.setdefault(".".join(before), ".".join(after))
            if before.pop() != after.pop():
                break
    return found


def _unlike(old: str, new: str) -> str:
    return f"{old} → {new}" if old != new else ""


def _grouped(count: int) -> str:
    return f"{count:,}"


def _outputs(outputs: dict[str, tuple[int, ...]]) -> str:
    if list(outputs) == ["output"]:
        return form(outputs["output"])
    return ", ".join(f"{name} {form(shape)}" for name, shape in outputs.items())


_TOTALS: Final[tuple[tuple[str, str, Callable[[Any], str]], ...]] = (
    ("parameters", "parameters", _grouped),
    ("  in training", "training_parameters", _grouped),
    ("  never used", "unused_parameters", _grouped),
    ("multiply-adds", "macs", engineering),
    ("receptive field", "receptive_field", extent),
    ("output", "outputs", _outputs),
    ("input", "input", form),
    ("smallest input", "min_input", form),
    ("layers", "layers", _grouped),
    ("kept for backward", "kept", mebibytes),
)


_ALWAYS: Final = ("parameters", "macs", "receptive_field", "outputs")
"""Totals that are reported even if they are equal."""


def figures(difference: Difference) -> Iterator[Row]:
    """Totals before and after, and their differences; names come first."""
    old, new = difference.before.figures, difference.after.figures
    yield "", printable(difference.before.name), printable(difference.after.name), ""
    for title, name, text in _TOTALS:
        if name == "training_parameters" and all(each.get(name, 0) == each["parameters"] for each in (old, new)):
            continue
        if name not in old or name not in new or (old[name] == new[name] and name not in _ALWAYS):
            continue
        yield title, text(old[name]), text(new[name]), _change(old[name], new[name])
        if difference.formula is not None:
            yield from _formula(difference, name)


def _change(before: Any, after: Any) -> str:
    if before == after:
        return "the same"
    if not isinstance(before, int) or not before:
        return ""
    share = (after - before) / before
    digits = 0 if abs(share) >= 0.1 else 1 if abs(share) >= 0.01 else 2
    return f"{share:+.{digits}%}".replace("-", "−")


def _formula(difference: Difference, name: str) -> Iterator[Row]:
    """The count of the previous row as a polynomial in a width."""
    found = difference.formula
    if found is None or name not in ("parameters", "macs"):
        return
    before, after = found.parameters if name == "parameters" else found.macs
    if before.terms and after.terms:
        meaning = f"{found.variable}: {found.meaning}" if found.variable != found.meaning else ""
        yield "", before.text(found.variable), after.text(found.variable), meaning if name == "parameters" else ""


# Running


def run(difference: Difference) -> str:
    """The result of running both networks; empty if they weren't run."""
    if difference.run is None:
        return ""
    if difference.run.same:
        return "outputs are the same for an image, with the same random weights"
    if difference.run.difference is None:
        before, after = (", ".join(map(form, shapes)) or "none" for shapes in difference.run.shapes)
        return f"outputs have other shapes for an image: {before} → {after}"
    return f"outputs differ by {difference.run.difference:.1%} for an image, with the same random weights"


# Checkpoints


def state(found: StateDifference) -> tuple[str, list[ChangeRow]]:
    """Whether checkpoints load, and the keys that prevent it."""
    counterparts = found.counterparts
    reached = set(counterparts.values())
    alike = [key for key, other in counterparts.items() if key == other]
    keys = [
        *_gathered("-", [key for key in found.before if key not in counterparts], found.before),
        *_gathered("+", [key for key in found.after if key not in reached], found.after),
        *(
            ChangeRow("~", key, _tensor(found.before[key]), f"→ {_tensor(found.after[key])}")
            for key in alike
            if found.before[key] != found.after[key]
        ),
    ]
    renamed = [ChangeRow("~", old, f"→ {new}", _renamed(found, keys)) for old, new, keys in renamings(found.renamed)]
    if not found.before and not found.after:
        return "have no weights", []
    if found.loads and not found.misplaced:
        return "load: all keys and shapes are the same", []
    if found.loads:
        return "load, but into the wrong layers: rename the keys first", renamed
    if found.loads_renamed:
        return "load once their keys are renamed", renamed
    verdict = f"do not load: {found.fitting:,} of {len(found.before):,} keys fit"
    if found.fitting_renamed > found.fitting:
        verdict += f", {found.fitting_renamed:,} once they are renamed"
    return verdict, [*keys, *renamed]


def _renamed(found: StateDifference, keys: list[str]) -> str:
    unlike = sum(found.before[key] != found.after[found.renamed[key]] for key in keys)
    return f"renamed, {counted(len(keys), 'key')}" + (f", {unlike} with a different shape" if unlike else "")


def _gathered(mark: str, keys: Sequence[str], whole: Iterable[str]) -> Iterator[ChangeRow]:
    for names, count in gathered(together(keys, whole)):
        if len(names) > _MOST_NAMES:
            yield ChangeRow(mark, _names(names), "", counted(count, "key"))
        else:
            yield from (ChangeRow(mark, name, "", counted(count // len(names), "key")) for name in names)


def _tensor(shape: tuple[int, ...]) -> str:
    return form(shape) or "a number"
