"""How large texts, boxes and frames are. Lengths are CSS pixels."""

from __future__ import annotations

from math import ceil
from typing import Final

from archc.drawing.model import Body, Box, Edge, Group, Picture, Terminal
from archc.drawing.text import cut, text_width
from archc.text import form

NAME: Final = 12.0
WHAT: Final = 12.0
SMALL: Final = 10.5
TITLE: Final = 20.0
"""Sizes of the fonts."""

BOX_HEIGHT: Final = 58.0
SOLID: Final = 50.0
"""Width of the part of a box that shows how large its output is."""
PAD: Final = 12.0
LEAST_BOX: Final = 120.0
MOST_TEXT: Final = 320.0
MOST_LABEL: Final = 130.0
"""Widths to which texts are cut: those of boxes and those of edges."""
TERMINAL_HEIGHT: Final = 26.0
FRAME_PAD: Final = 16.0
FRAME_HEAD: Final = 30.0
DEEP_HEAD: Final = 46.0
"""Above the content of a frame whose title stands in the way of its line."""
CARD_SHIFT: Final = 3.0
MOST_CARDS: Final = 3
"""Of equal boxes in a row, cards are drawn one behind the other, each this much further to the lower right."""


def even(length: float) -> float:
    """A length rounded up to an even number, so that its middle is a whole one."""
    return 2.0 * ceil(length / 2)


def box_width(box: Box) -> float:
    """As wide as its texts need."""
    times = text_width(f"×{box.times}", NAME, bold=True) + PAD if box.times > 1 else 0.0
    tags = text_width(tag_text(box), SMALL) + PAD if box.tags else 0.0
    lines = (
        text_width(box.name, NAME, bold=True) + times,
        text_width(box.what, WHAT),
        text_width(box.shapes, SMALL) + tags,
    )
    return even(max(LEAST_BOX, SOLID + PAD + min(max(lines), MOST_TEXT)))


def tag_text(box: Box) -> str:
    """`BN · ReLU`."""
    return " · ".join(box.tags)


def edge_label(edge: Edge) -> str:
    """The label, cut to a readable length."""
    return cut(edge.label, MOST_LABEL, SMALL)


def pile_height(box: Box) -> float:
    """How far the cards behind the first one come out."""
    return CARD_SHIFT * (min(box.times, MOST_CARDS) - 1)


def common_width(body: Body) -> float:
    """The width of all boxes of a body that need no more: neighbors look calm if they are equal."""
    widths = sorted(box_width(item) for item in body.items if isinstance(item, Box))
    return next((width for width in reversed(widths) if width <= 1.3 * widths[len(widths) // 2]), 0.0)


def terminal_name(terminal: Terminal) -> str:
    """The name, cut to a readable length."""
    return cut(terminal.name, MOST_TEXT, SMALL, bold=True)


def terminal_width(terminal: Terminal) -> float:
    """As wide as its text needs."""
    name, shape = text_width(terminal_name(terminal), SMALL, bold=True), text_width(f" {form(terminal.shape)}", SMALL)
    return even(max(LEAST_BOX, name + shape + 2 * PAD))


def frame_title(group: Group) -> str:
    """`inception3a · Inception ×2`."""
    title = f"{group.name} · {group.what}" if group.what else group.name
    return cut(f"{title} ×{group.times}" if group.times > 1 else title, MOST_TEXT, NAME, bold=True)


def frame_width(group: Group, content: float) -> float:
    """The width of a frame, for that of its content."""
    return even(max(content, text_width(frame_title(group), NAME, bold=True)) + 2 * FRAME_PAD)


def frame_head(group: Group, entry: float) -> float:
    """The height of a frame's upper part: deep where the title stands in the way of the line that comes in."""
    title = text_width(frame_title(group), NAME, bold=True)
    return FRAME_HEAD if FRAME_PAD + title + 8 <= entry else DEEP_HEAD


def heading_height(picture: Picture) -> float:
    """Room for the title and the lines below it."""
    return 36.0 * bool(picture.title) + 18.0 * bool(picture.subtitle) + 18.0 * bool(picture.figures)


def heading_width(picture: Picture) -> float:
    """As wide as the title and the figures, within reason; the subtitle is cut to what there is."""
    widest = max(text_width(picture.title, TITLE, bold=True), text_width(picture.figures, WHAT))
    return min(widest, 2 * MOST_TEXT)
