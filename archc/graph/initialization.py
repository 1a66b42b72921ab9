"""The rules of `init` held against the layers that the network has."""

from __future__ import annotations

from collections.abc import Iterator

from archc.graph.graph import Network, walk
from archc.language.initialization import INITIALIZED, INITIALIZERS, WITHOUT_FANS, fans_problem
from archc.problems import Problem, suggest


def init_problems(network: Network) -> Iterator[Problem]:
    """A problem for every path of an init rule that leads to no layer with such weights, or to one without fans."""
    if not any(rule.paths for rule in network.init):
        return
    kinds = {layer.path: layer.kind.kind for layer in walk(network.graph)}
    absent = tuple(f"{node.name}." for node in network.graph.nodes if not node.present)
    found = 0
    for rule in network.init:
        function, _ = rule.tensors.get("weight", ("", {}))
        for path, mark in rule.path_marks.items():
            if path in kinds and kinds[path] in INITIALIZED:
                if kinds[path] in WITHOUT_FANS and function and INITIALIZERS[function].fans:
                    yield fans_problem(function, f"the weight of `{path}` (`{kinds[path]}`)", mark)
                continue
            if path not in kinds and f"{path}.".startswith(absent):
                continue  # a head that a flag has turned off
            what = (
                f"`{path}` is a `{kinds[path]}` and has no weights" if path in kinds else f"no layer is called `{path}`"
            )
            found += 1
            help, fix = suggest(path, kinds, mark) if path not in kinds and found <= 20 else ("", None)
            yield Problem("E0222", what, mark, help=help, fix=fix)
