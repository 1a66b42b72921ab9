"""Pictures as Mermaid flowcharts, which code hosts draw in READMEs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archc.drawing.model import Picture
from archc.drawing.style import INKS, ROLES
from archc.drawing.wiring import Cluster, Wiring


def render_mermaid(pictures: list[Picture]) -> str:
    """The pictures as one flowchart; several pictures become subgraphs."""
    wiring = Wiring(pictures)
    lines = ["flowchart TD"]
    for cluster in wiring.clusters:
        lines += _cluster(cluster, 1) if len(wiring.clusters) > 1 else _content(cluster, 1)
    for arrow in wiring.arrows:
        label = f'|"{_text(arrow.label)}"|' if arrow.label else ""
        lines.append(f"    {arrow.source} {'-.->' if arrow.aside else '-->'}{label} {arrow.target}")
    frame, border, ink = (INKS[name][0] for name in ("frame", "border", "ink"))
    papers = {role: modes[0] for role, modes in ROLES.items()} | dict.fromkeys(("terminal", "frame"), (frame, border))
    for role, (paper, line) in papers.items():
        if role in wiring.roles or (role == "frame" and wiring.framed):
            dashes = ",stroke-dasharray:4 3" if role == "head" else ""
            lines.append(f"    classDef {role} fill:{paper},stroke:{line},color:{ink}{dashes}")
    return "\n".join(lines) + "\n"


def _cluster(cluster: Cluster, depth: int) -> Iterator[str]:
    indent = "    " * depth
    yield f'{indent}subgraph {cluster.id}["{_text(cluster.title)}"]'
    yield from _content(cluster, depth + 1)
    yield f"{indent}end"
    yield f"{indent}class {cluster.id} frame"


def _content(cluster: Cluster, depth: int) -> Iterator[str]:
    indent = "    " * depth
    for item in cluster.content:
        if isinstance(item, Cluster):
            yield from _cluster(item, depth)
            continue
        name, *rest = map(_text, item.lines)
        if item.role == "terminal":
            yield f'{indent}{item.id}(["{name}"]):::terminal'
        else:
            yield f'{indent}{item.id}["<b>{name}</b><br/>{"<br/>".join(rest)}"]:::{item.role}'


def _text(text: str) -> str:
    """Quote a text: characters that could end it or be read as markup become character references."""
    return re.sub(r"[^\w ×·–/.,+()-]|`", lambda char: f"#{ord(char[0])};", text)
