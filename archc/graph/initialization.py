"""Checks of `init` rules against the layers of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archc.graph.graph import Network, walk
from archc.kinds import KINDS
from archc.language.initialization import initialized_kinds, tensor_problem
from archc.patterns import is_pattern, matches
from archc.problems import Problem, suggest
from archc.problems.suggest import nearest


def init_problems(network: Network, left_out: Iterable[str]) -> Iterator[Problem]:
    """A problem for every path of an init rule without such a layer, or whose layer has no such weights or fans.

    `left_out` are the entries of the network's own body whose `when` is false.
    """
    if not any(rule.paths for rule in network.init):
        return
    kinds = {layer.path: type(layer.kind) for layer in walk(network.graph) if not layer.shared}
    within = _within(kinds)
    known = initialized_kinds()
    absent = tuple(f"{name}." for name in left_out)
    found = 0
    for rule in network.init:
        for path, mark in rule.path_marks.items():
            kind = kinds.get(path)
            if kind is not None and kind.kind in known:
                for tensor, (function, _) in rule.tensors.items():
                    problem = tensor_problem(kind, tensor, function, f"`{path}` (`{kind.kind}`)", mark)
                    if problem is not None:
                        yield problem
                continue
            if kind is None and f"{path}.".startswith(absent):
                continue  # a head that an argument has turned off
            below = within.get(path, [])
            if is_pattern(path):
                below = [layer for layer in kinds if matches(layer, path)]
            if any(name in rule.settable for layer in below for name in (kinds[layer].kind, *kinds[layer].inside)):
                continue
            if below:
                functions = " and ".join(f"`{tensor}: {function}`" for tensor, (function, _) in rule.tensors.items())
                yield Problem("E0222", f"no layer of `{path}` can have {functions}", mark)
                continue
            what = f"there is no layer named `{path}`"
            if kind is not None:
                what = f"`{path}` is a `{kind.kind}` and has no weights"
            elif path in KINDS:
                what = f"`{path}` has no weights"
            elif is_pattern(path):
                what = f"no layer matches `{path}`"
            found += 1
            help, fix = "", None
            if kind is None and path not in KINDS and found <= 20:
                layers = list(kinds)
                types = [] if nearest(path, layers) else sorted({kind.kind for kind in kinds.values()})
                help, fix = suggest(path, [*layers, *types], mark)
            yield Problem("E0222", what, mark, help=help, fix=fix)


def _within(layers: Iterable[str]) -> dict[str, list[str]]:
    """The layers of each part of a network, by the part's path."""
    found: dict[str, list[str]] = {}
    for layer in layers:
        at = layer.find(".")
        while at >= 0:
            found.setdefault(layer[:at], []).append(layer)
            at = layer.find(".", at + 1)
    return found
