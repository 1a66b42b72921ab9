"""Colours, fonts and the legend's words: the look of a drawing, in one place."""

from __future__ import annotations

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
"""The paper of a box and its ink (border, solid), in light and in dark."""

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
    "norm": "normalisation",
    "activation": "activation",
    "linear": "linear",
    "join": "join",
    "dropout": "dropout",
    "reshape": "change of shape",
    "block": "block",
    "head": "auxiliary head, in training only",
    "solid": "output: channels × height × width",
}
"""The roles in words; `solid` is what is drawn in every box."""


Theme = Literal["light", "dark"]


def style_sheet(theme: Theme | None = None) -> str:
    """The rules of a drawing, which hold within an element of the class `archc`.

    Colours are custom properties (`--archc-conv`, `--archc-conv-fill`), so that a page can change them, and follow
    the reader's preference for dark or light; before each stands the light colour, for viewers that know no
    properties. With a `theme` its colours alone stand there.
    """
    colours = _colours(int(theme == "dark"))

    def paint(attribute: str, name: str) -> str:
        plain = f"{attribute}:{colours[name]}"
        return plain if theme else f"{plain};{attribute}:var(--archc-{name})"

    rules = [
        ("", f"font-family:{FONT};font-size:12px"),
        (".paper", paint("fill", "paper")),
        ("text", paint("fill", "ink")),
        (".title", "font-size:20px;font-weight:700"),
        (".name,.times", "font-weight:600"),
        (".times,.tags", "text-anchor:end"),
        (".shape,.tags,.label,.terminal text", "font-size:10.5px"),
        (".figures,.shape,.tags,.label,.terminal text", paint("fill", "muted")),
        (".terminal text", "text-anchor:middle"),
        (".terminal .card,.frame .card", f"{paint('fill', 'frame')};{paint('stroke', 'border')}"),
        (".edge path", f"fill:none;stroke-width:1.4;{paint('stroke', 'line')}"),
        (".tip", paint("fill", "line")),
        (".aside .card,.aside path", "stroke-dasharray:4 3"),
        (".roof", "opacity:.55"),
        (".side", "opacity:.75"),
    ]
    for role in ROLES:
        rules.append((f".{role} .card", f"{paint('fill', f'{role}-fill')};{paint('stroke', role)}"))
        rules.append((f".{role} path,.{role} .times", paint("fill", role)))
    text = "".join(f"{_within(selectors)}{{{declarations}}}" for selectors, declarations in rules)
    if theme:
        return text
    dark = f"@media (prefers-color-scheme:dark){{.archc{{{properties(1)}}}}}"
    return f".archc{{{properties(0)}}}{dark}{text}"


def _within(selectors: str) -> str:
    return ",".join(f".archc {selector}".rstrip() for selector in selectors.split(","))


def _colours(mode: int) -> dict[str, str]:
    colours = {name: modes[mode] for name, modes in INKS.items()}
    for role, papers in ROLES.items():
        colours[f"{role}-fill"], colours[role] = papers[mode]
    return colours


def properties(mode: int) -> str:
    """The colours as custom properties, in light (0) or dark (1)."""
    return ";".join(f"--archc-{name}:{colour}" for name, colour in _colours(mode).items())
