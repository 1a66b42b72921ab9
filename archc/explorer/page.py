"""The page as one file: nothing in it is loaded from elsewhere, and a policy forbids it to try."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib import resources
from typing import Any, Final

from archc.drawing.style import ROLES, properties, style_sheet
from archc.emit import template_text

STYLES: Final = ("page.css", "top.css", "drawing.css", "panels.css", "layers.css", "code.css", "narrow.css")
SCRIPTS: Final = (
    "dom.js",
    "model.js",
    "tip.js",
    "report.js",
    "slider.js",
    "drawing.js",
    "card.js",
    "profile.js",
    "layers.js",
    "code.js",
    "search.js",
    "keys.js",
    "live.js",
    "editor.js",
    "app.js",
)
"""The page's style and script, in parts: one concept a file."""


def page(state: str, title: str, *, live: bool = False) -> str:
    """The HTML for a state, as `json_for_script` writes it.

    A live page may ask the server that it came from for changes; any other may connect to nothing.
    """
    script = '"use strict";\n' + "\n".join(_part(name) for name in SCRIPTS)
    style = "\n".join(_part(name) for name in STYLES) + _drawing_style()
    connect = "'self'" if live else "'none'"
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            f"connect-src {connect}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return template_text(
        "explorer/page.html.jinja",
        policy=policy,
        title=escape(title),
        style=style,
        script=script,
        state=state,
    )


def _drawing_style() -> str:
    """The drawings' own style, with the page's choice of dark or light, and the roles' colors for the page."""
    roles = "".join(f".{role}{{--role:var(--archc-{role})}}" for role in ROLES)
    return (
        f"{style_sheet()}\n"
        f":root,:root .archc{{{properties(0)}}}\n"
        f':root[data-theme="dark"],:root[data-theme="dark"] .archc{{{properties(1)}}}\n'
        f"{roles}\n"
    )


def json_for_script(value: Any) -> str:
    """JSON that cannot end the script element around it, nor open a comment in it."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _part(name: str) -> str:
    return resources.files("archc.templates").joinpath("explorer", name).read_text("utf-8")


def _digest(text: str) -> str:
    """How a policy names an inline script or style, which begins behind the tag with a line feed."""
    text = f"\n{text}"
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
