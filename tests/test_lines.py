"""The lines of the emitted source that stand for each entry: found as a reader finds them, from class to class."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archc
from archc import Architecture
from archc.emit import Place, source_places
from archc.graph import Graph, Instance, Node
from archc.kinds import Kind
from archc.language.blocks import chosen_calls
from archc.library import bundled, families
from archc.testing import Draft, specs

NETWORKS = sorted((Path(__file__).parent / "networks").glob("*.yaml"))


LOOPED = re.compile(r'add_module\(\s*f"')
"""An entry of a loop, whose name is computed."""


class Reader:
    """Follows each entry from the class around it: its line stands in that class, and names it and what it is."""

    def __init__(self, architecture: Architecture) -> None:
        self.source, self.places = source_places(architecture.network)
        assert self.source == architecture.emit()
        self.lines = self.source.split("\n")
        tree = [node for node in ast.parse(self.source).body if isinstance(node, ast.ClassDef)]
        self.classes = {node.name: (node.lineno, node.end_lineno or 0) for node in tree}
        self.seen: set[str] = set()
        spec = architecture.network.spec
        bodies = [spec.body, *(block.body for block in spec.blocks.values())]
        self.chosen = {call.mark for body in bodies for call in chosen_calls(body)}  # what parameters name
        self.graph(architecture.network.graph, "", self.classes[architecture.name])
        assert self.seen == set(self.places)

    def text(self, span: tuple[int, int] | None) -> str:
        return "\n".join(self.lines[span[0] - 1 : span[1]]) if span else ""

    def graph(self, graph: Graph, prefix: str, around: tuple[int, int]) -> None:
        for node in graph.nodes:
            path = prefix + node.name
            place = self.places[path]
            self.seen.add(path)
            self.entry(place, node, around, graph)
            creation = self.places[prefix + graph.owner(node).name].made
            if node.graph is not None and creation is not None:
                made = self.text(creation)
                chain = node.graph.sequential and not isinstance(node.element, Instance)
                if node.mark in self.chosen and isinstance(node.element, Instance):
                    made = f"{node.element.block.name}("
                named = [name for name in re.findall(r"\b(\w+)\(", made) if name in self.classes]
                inside = creation if chain else self.classes[named[0]]
                self.graph(node.graph, f"{path}.", inside)

    def entry(self, place: Place, node: Node, around: tuple[int, int], graph: Graph) -> None:
        element = node.element
        assert place.made or place.run or (isinstance(element, Kind) and element.kind == "identity")
        for span in place:
            assert span is None or around[0] <= span[0] <= span[1] <= around[1]
        made, run = self.text(place.made), self.text(place.run)
        if made and isinstance(element, Kind) and node.mark not in self.chosen:
            call = element.call(node.in_shapes)
            assert f"{call.target.removeprefix('archc.')}(" in made
        if made and graph.form != "list":
            assert f"self.{node.name} = " in made or re.search(rf'\(\s*"{node.name}",\s', made) or LOOPED.search(made)
        if run and made:
            used = "" if isinstance(element, Kind) and element.kind == "parameter" else r"\("
            named = re.search(rf'self\.{node.name}\b{used}|getattr\(self, "{node.name}"\){used}', run)
            assert named or "getattr(self, f" in run or "layer(" in run


@pytest.mark.parametrize("spec", [*(bundled()[name] for name in families()), *NETWORKS], ids=lambda path: path.stem)
def test_every_entry_of_a_known_network_has_its_lines(spec: Path) -> None:
    Reader(archc.load(spec))


@given(specs())
def test_every_entry_of_a_drawn_network_has_its_lines(draft: Draft) -> None:
    Reader(draft.load())


@pytest.mark.parametrize(
    ("path", "made", "run"),
    [
        (
            "inception4e",
            "self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)  # 832×14×14",
            "x = self.inception4e(inception4d)",
        ),
        ("inception4e.branch2.1", "BasicConv2d(c3_reduce, c3, kernel_size=3, padding=1),", ""),
        ("inception4e.branch2.1.bn", "self.bn = nn.BatchNorm2d(out_channels, eps=0.001)", "x = self.bn(x)"),
        (
            "inception4e.join",
            "",
            "return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)",
        ),
        ("flatten", "", "x = torch.flatten(x, 1)"),
        ("aux1.fc2", "self.fc2 = nn.Linear(1024, num_classes)", "return self.fc2(x)"),
    ],
)
def test_the_lines_of_googlenet(path: str, made: str, run: str) -> None:
    reader = Reader(archc.load("googlenet"))
    place = reader.places[path]
    assert (reader.text(place.made).strip(), reader.text(place.run).strip()) == (made, run)


@given(st.data())
def test_neighbours_that_are_folded_share_a_line(data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 9))
    text = f"input: [8, 8, 8]\nlayers:\n  features:\n    - {{relu: , repeat: {count}}}\n  last: tanh\n"
    reader = Reader(archc.loads(text))
    assert len({reader.places[f"features.{i}"] for i in range(count)}) == 1
    assert f"for _ in range({count})" in reader.text(reader.places["features.0"].made)
