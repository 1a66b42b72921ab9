"""Colours and fonts. Each role has three: the paper of its box, the ink of its solid, the border."""

from __future__ import annotations

from typing import Final

FONT: Final = "'Segoe UI',Roboto,'Helvetica Neue',Arial,'Liberation Sans',sans-serif"

# Light and dark: background of the box, ink of the solid.
ROLES: Final = {
    "conv": (("#e8f0fe", "#3b6fd4"), ("#1c2a45", "#7aa5ff")),
    "pool": (("#fdeaea", "#d2544f"), ("#40211f", "#f08a84")),
    "norm": (("#f1ebfb", "#8257c9"), ("#2d2344", "#b795f2")),
    "activation": (("#fff4de", "#c98a12"), ("#3b2f16", "#eebd5a")),
    "linear": (("#e5f5ec", "#2f9160"), ("#1a3527", "#6fcb9b")),
    "join": (("#e4f4f6", "#21868f"), ("#17343a", "#66c4cd")),
    "dropout": (("#f0f1f3", "#7a828e"), ("#2a2e35", "#a3abb8")),
    "reshape": (("#f0f1f3", "#7a828e"), ("#2a2e35", "#a3abb8")),
    "block": (("#eceafc", "#5a4fcf"), ("#252348", "#9d95ff")),
    "head": (("#f7f3ec", "#9a7b4f"), ("#332c22", "#cdb085")),
}
INK: Final = {
    "paper": ("#ffffff", "#14171c"),
    "ink": ("#1b2330", "#e8ebf0"),
    "muted": ("#5a6473", "#a4adba"),
    "line": ("#8b95a5", "#75808f"),
    "frame": ("#f7f8fa", "#1a1e25"),
    "border": ("#d3d9e2", "#3a424e"),
}


def _properties(dark: bool) -> str:
    found = [f"--archc-{name}:{pair[dark]}" for name, pair in INK.items()]
    for role, modes in ROLES.items():
        fill, ink = modes[dark]
        found += [f"--archc-{role}-fill:{fill}", f"--archc-{role}:{ink}"]
    return ";".join(found)


def style_sheet() -> str:
    """The rules of a drawing; they hold within an element of the class `archc`."""
    roles = "".join(f".archc .{role}{{--fill:var(--archc-{role}-fill);--ink:var(--archc-{role})}}" for role in ROLES)
    return (
        f".archc{{{_properties(False)};font-family:{FONT};font-size:12px}}"
        f"@media (prefers-color-scheme:dark){{.archc{{{_properties(True)}}}}}"
        ".archc .paper{fill:var(--archc-paper)}"
        ".archc text{fill:var(--archc-ink)}"
        ".archc .title{font-size:20px;font-weight:700}"
        ".archc .figures{fill:var(--archc-muted)}"
        ".archc .name,.archc .times{font-weight:600}"
        ".archc .shape,.archc .tags,.archc .label{font-size:10.5px;fill:var(--archc-muted)}"
        ".archc .times,.archc .tags{text-anchor:end}"
        ".archc .terminal text{text-anchor:middle;font-size:10.5px;fill:var(--archc-muted)}"
        ".archc .terminal rect{fill:var(--archc-frame);stroke:var(--archc-border)}"
        ".archc .frame rect{fill:var(--archc-frame);stroke:var(--archc-border)}"
        ".archc .edge path{fill:none;stroke:var(--archc-line);stroke-width:1.4}"
        ".archc .tip{fill:var(--archc-line)}"
        ".archc .aside path,.archc .aside .card{stroke-dasharray:4 3}"
        ".archc .box path{stroke:none}"
        ".archc .card{fill:var(--fill);stroke:var(--ink);stroke-width:1}"
        ".archc .front{fill:var(--ink)}"
        ".archc .roof{fill:var(--ink);opacity:.55}"
        ".archc .side{fill:var(--ink);opacity:.75}"
        ".archc .times{fill:var(--ink)}"
        f"{roles}"
    )
