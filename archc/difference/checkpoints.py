"""Compatibility of checkpoints, from keys and shapes alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archc.difference.compare import Match, leaves
from archc.difference.tree import Body

Shape = tuple[int, ...]


@dataclass(frozen=True)
class StateDifference:
    """The differences between two state dicts, for loading the first one into the second network.

    `missing` keys exist only in the second, `unexpected` ones only in the first, and `reshaped` ones in both with
    different shapes. `renamed` maps keys of the first to keys of the second, if a layer is the same but has another
    path.
    """

    before: dict[str, Shape]
    after: dict[str, Shape]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]
    renamed: dict[str, str]

    @property
    def loads(self) -> bool:
        """Return True if `load_state_dict` accepts the checkpoint."""
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def misplaced(self) -> dict[str, str]:
        """Keys that both have for different layers: loading by name puts these weights into the wrong layer."""
        return {key: right for key, right in self.renamed.items() if key in self.after}

    @cached_property
    def counterparts(self) -> dict[str, str]:
        """Maps each key of the first network to the key of the same layer in the second, if there is one."""
        taken = set(self.renamed.values())
        same = {key: key for key in self.before if key in self.after and key not in taken}
        return same | self.renamed

    @property
    def fitting(self) -> int:
        """The number of keys with the same name and shape that belong to the same layer in both."""
        return sum(key == other and self._fits(key, other) for key, other in self.counterparts.items())

    @property
    def fitting_renamed(self) -> int:
        """The number of keys with the same shape that belong to the same layer, regardless of their names."""
        return sum(self._fits(key, other) for key, other in self.counterparts.items())

    def _fits(self, key: str, other: str) -> bool:
        return self.before[key] == self.after[other]

    @property
    def loads_renamed(self) -> bool:
        """Return True if the checkpoint loads once its keys are renamed."""
        renamed = {self.renamed.get(key, key): shape for key, shape in self.before.items()}
        return len(renamed) == len(self.before) and renamed == self.after

    def to_dict(self) -> dict[str, Any]:
        """The data that `archc diff --format json` prints."""
        return {
            "loads": self.loads,
            "loads_renamed": self.loads_renamed,
            "before": len(self.before),
            "after": len(self.after),
            "missing": {key: list(self.after[key]) for key in self.missing},
            "unexpected": {key: list(self.before[key]) for key in self.unexpected},
            "reshaped": {key: [list(self.before[key]), list(self.after[key])] for key in self.reshaped},
            "renamed": self.renamed,
        }


def state_difference(
    before: Mapping[str, Shape], after: Mapping[str, Shape], renamed: Iterable[tuple[str, str]]
) -> StateDifference:
    """Compare the state dicts of two networks by their shapes, given the layers that correspond."""
    return StateDifference(
        dict(before),
        dict(after),
        tuple(key for key in after if key not in before),
        tuple(key for key in before if key not in after),
        tuple(key for key in before if key in after and before[key] != after[key]),
        dict(renamed),
    )


def state_of(body: Body) -> dict[str, Shape]:
    """The shapes of the state dict of a tree, by their keys."""
    layers = (layer for part in body.parts for layer in leaves(part.name, part))
    return {_key(path, name): tensor.shape for path, part in layers for name, tensor in part.tensors.items()}


def _key(path: str, name: str) -> str:
    return f"{path}.{name}" if name else path  # a parameter of a module that also has children


def renamed_keys(
    matches: Iterable[Match], before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The keys of layers that are the same under another name; `before` and `after` lead from the trees to the keys."""
    for path, other_path, one, other in matches:
        for name in one.tensors:
            if name in other.tensors:
                keys = _key(path, name), _key(other_path, name)
                old, new = before.get(keys[0], keys[0]), after.get(keys[1], keys[1])
                if old != new:
                    yield old, new


def together(keys: Iterable[str], all_keys: Iterable[str]) -> list[tuple[str, int]]:
    """Group keys by common prefixes, with the number of keys; a whole module is one group.

    `all_keys` are all keys of the network. If only some keys of a layer are in a group, they are in braces.
    """
    counts = [_counts(keys), _counts(all_keys)]
    whole: dict[str, int] = {}
    parts: dict[str, list[str]] = {}
    for key in keys:
        steps = key.split(".")
        beginnings = [".".join(steps[:length]) for length in range(1, len(steps))]
        complete = next((each for each in beginnings if counts[0][each] == counts[1].get(each)), None)
        if complete is None:
            parts.setdefault(".".join(steps[:-1]), []).append(steps[-1])
        else:
            whole[f"{complete}.*"] = counts[0][complete]
    for layer, names in parts.items():
        together = names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"
        whole[f"{layer}.{together}".removeprefix(".")] = len(names)
    return list(whole.items())


def _counts(keys: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for key in keys:
        steps = key.split(".")
        for length in range(1, len(steps) + 1):
            beginning = ".".join(steps[:length])
            found[beginning] = found.get(beginning, 0) + 1
    return found


def gathered(rows: Iterable[tuple[str, int]]) -> list[tuple[list[str], int]]:
    """Group prefixes with the same suffix (`conv1.bn.*`, `conv2.bn.*`) or in the same list, with all their keys."""
    found: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for name, count in rows:
        found.setdefault((_end(name), count), []).append(name)
    return [(names, count * len(names)) for (_, count), names in found.items()]


def _end(name: str) -> tuple[str, ...]:
    """The suffix of a group of keys: `bn` for `conv1.bn.*`; for entries of a list, the list."""
    braces = name.find("{")
    if braces >= 0:
        return (name[braces:],)
    around, _, last = name.removesuffix(".*").rpartition(".")
    return ("", around) if last.isdigit() else (last,)


def renamings(renamed: dict[str, str]) -> list[tuple[str, str, list[str]]]:
    """Group renamed keys by the part that differs: (`conv1`, `stem`, all keys of the layer that was `conv1`)."""
    found: dict[tuple[str, str], list[str]] = {}
    for before, after in renamed.items():
        old, new = before.split("."), after.split(".")
        while len(old) > 1 and len(new) > 1 and old[-1] == new[-1]:
            old.pop()
            new.pop()
        found.setdefault((".".join(old), ".".join(new)), []).append(before)
    return [(*names, keys) for names, keys in found.items()]
