"""The page as one file. It loads nothing from elsewhere, and a content security policy forbids it."""

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
"""The parts of the page's style and script, one concept per file."""


def page(state: str, title: str, *, live: bool = False) -> str:
    """The HTML for a state, as written by `json_for_script`.

    A live page may connect to its server for changes; any other page may not connect to anything.
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
    """The style of drawings, with the page's choice of dark or light, and the colors of roles for the page."""
    roles = "".join(f".{role}{{--role:var(--archc-{role})}}" for role in ROLES)
    return (
        f"{style_sheet()}\n"
        f":root,:root .archc{{{properties(0)}}}\n"
        f':root[data-theme="dark"],:root[data-theme="dark"] .archc{{{properties(1)}}}\n'
        f"{roles}\n"
    )


def json_for_script(value: Any) -> str:
    """JSON that can't end the enclosing script element or open a comment in it."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _part(name: str) -> str:
    return resources.files("archc.templates").joinpath("explorer", name).read_text("utf-8")


def _digest(text: str) -> str:
    """The hash of an inline script or style for the policy; its text starts with a line feed after the tag."""
    text = f"\n{text}"
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
