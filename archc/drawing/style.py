"""Colors, fonts and the text of the legend: the look of a drawing, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

FONT: Final = "'Segoe UI',Roboto,'Helvetica Neue',Arial,'Liberation Sans',sans-serif"

ROLES: Final = {
    "conv": (("#e8f0fe", "#3b6fd4"), ("#1c2a45", "#7aa5ff")),
    "pool": (("#fdf0e3", "#c8711c"), ("#3a2815", "#f0a45c")),
    "norm": (("#f3ebfb", "#8a4fc4"), ("#2f2142", "#c09af2")),
    "activation": (("#fdeaf1", "#c23f72"), ("#3d1c2a", "#f287ae")),
    "linear": (("#e5f5ec", "#2f9160"), ("#1a3527", "#6fcb9b")),
    "join": (("#e4f4f6", "#21868f"), ("#17343a", "#66c4cd")),
    "dropout": (("#f4f3f1", "#8a8378"), ("#2c2a27", "#b5aea2")),
    "reshape": (("#edf2f6", "#53718f"), ("#222c36", "#93b1cf")),
    "block": (("#eceafc", "#5a4fcf"), ("#252348", "#9d95ff")),
    "head": (("#f7f3ec", "#9a7b4f"), ("#332c22", "#cdb085")),
}
"""The background of a box and the color of its border and solid, in light and in dark."""

INKS: Final = {
    "paper": ("#ffffff", "#14171c"),
    "ink": ("#1b2330", "#e8ebf0"),
    "muted": ("#5a6473", "#a4adba"),
    "line": ("#8b95a5", "#75808f"),
    "frame": ("#f7f8fa", "#1a1e25"),
    "border": ("#d3d9e2", "#3a424e"),
}

LEGEND: Final = {
    "conv": "convolution",
    "pool": "pooling",
    "norm": "normalization",
    "activation": "activation",
    "linear": "linear",
    "join": "join",
    "dropout": "dropout",
    "reshape": "change of shape",
    "block": "block",
    "head": "auxiliary head, in training only",
    "solid": "output: channels × height × width",
}
"""Names of the roles; `solid` is the solid that every box has."""


Theme = Literal["light", "dark"]
Style = Literal["boxes", "volumes"]
"""Boxes with text, or solids whose size shows the outputs."""
Direction = Literal["down", "right"]
"""The direction in which the data flows."""


def style_sheet(theme: Theme | None = None) -> str:
    """The CSS rules of a drawing, which apply within an element of the class `archc`.

    The colors are literal, so that programs without support for custom properties (Inkscape, CairoSVG, librsvg) show
    them. Without a `theme`, viewers that support them use properties instead (`--archc-conv`, `--archc-conv-fill`).
    These follow the reader's preference for dark or light, and a page can change them.
    """
    colors = _colors(int(theme == "dark"))
    text = "".join(
        f"{_within(selectors)}{{{';'.join([*plain, *(f'{key}:{colors[name]}' for key, name in paints.items())])}}}"
        for selectors, plain, paints in _rules()
    )
    if theme:
        return text
    follow = "".join(
        f"{_within(selectors)}{{{';'.join(f'{key}:var(--archc-{name})' for key, name in paints.items())}}}"
        for selectors, _, paints in _rules()
        if paints
    )
    dark = f"@media (prefers-color-scheme:dark){{.archc{{{properties(1)}}}}}"
    return f"{text}@supports (fill:var(--a)){{.archc{{{properties(0)}}}{dark}{follow}}}"


def _rules() -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Selectors, declarations that don't depend on the theme, and the colors of attributes by name."""
    yield "", [f"font-family:{FONT}", "font-size:12px"], {}
    yield ".paper", [], {"fill": "paper"}
    yield "text", [], {"fill": "ink"}
    yield ".title", ["font-size:20px", "font-weight:700"], {}
    yield ".name,.times", ["font-weight:600"], {}
    yield ".times,.tags", ["text-anchor:end"], {}
    yield ".shape,.tags,.label,.terminal text", ["font-size:10.5px"], {}
    yield ".figures,.shape,.tags,.label,.terminal text", [], {"fill": "muted"}
    yield ".volume text", ["text-anchor:middle"], {}
    yield ".terminal .name", ["text-anchor:end"], {}
    yield ".terminal .card,.frame .card", [], {"fill": "frame", "stroke": "border"}
    yield ".edge path", ["fill:none", "stroke-width:1.4"], {"stroke": "line"}
    yield ".tip", [], {"fill": "line"}
    yield ".aside .card,.aside path", ["stroke-dasharray:4 3"], {}
    yield ".roof", ["opacity:.55"], {}
    yield ".side", ["opacity:.75"], {}
    for role in ROLES:
        yield f".{role} .card", [], {"fill": f"{role}-fill", "stroke": role}
        yield f".{role} path,.{role} .times", [], {"fill": role}


def _within(selectors: str) -> str:
    return ",".join(f".archc {selector}".rstrip() for selector in selectors.split(","))


def _colors(mode: int) -> dict[str, str]:
    colors = {name: modes[mode] for name, modes in INKS.items()}
    for role, papers in ROLES.items():
        colors[f"{role}-fill"], colors[role] = papers[mode]
    return colors


def properties(mode: int) -> str:
    """The colors as custom properties, in light (0) or dark (1)."""
    return ";".join(f"--archc-{name}:{color}" for name, color in _colors(mode).items())
