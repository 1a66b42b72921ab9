"""Sizes of texts, boxes and frames, in CSS pixels."""

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
"""Font sizes."""

BOX_HEIGHT: Final = 58.0
SOLID: Final = 50.0
"""Width of the part of a box that shows the size of its output."""
PAD: Final = 12.0
LEAST_BOX: Final = 120.0
MOST_TEXT: Final = 320.0
MOST_LABEL: Final = 130.0
"""Maximum widths of texts in boxes and at edges; longer texts are cut."""
TERMINAL_HEIGHT: Final = 26.0
FRAME_PAD: Final = 16.0
FRAME_HEAD: Final = 30.0
DEEP_HEAD: Final = 46.0
"""Height of a frame's head, if the incoming line would cross its title."""
CARD_SHIFT: Final = 3.0
MOST_CARDS: Final = 3
"""Equal boxes in a row are drawn as at most this many cards, each shifted by this distance to the lower right."""


def even(length: float) -> float:
    """Round a length up to an even number, so that its middle is a whole pixel."""
    return 2.0 * ceil(length / 2)


def box_width(box: Box) -> float:
    """The width that the texts of a box need."""
    times = text_width(f"×{box.times}", NAME, bold=True) + PAD if box.times > 1 else 0.0
    tags = text_width(tag_text(box), SMALL) + PAD if box.tags else 0.0
    lines = (
        text_width(box.name, NAME, bold=True) + times,
        text_width(box.what, WHAT),
        text_width(box.shapes, SMALL) + tags,
    )
    return even(max(LEAST_BOX, SOLID + PAD + min(max(lines), MOST_TEXT)))


def tag_text(box: Box) -> str:
    """The tags of a box, such as `BN · ReLU`."""
    return " · ".join(box.tags)


def edge_label(edge: Edge) -> str:
    """The label of an edge, cut to a readable length."""
    return cut(edge.label, MOST_LABEL, SMALL)


def pile_height(box: Box) -> float:
    """The height by which the other cards of a pile extend below the first one."""
    return CARD_SHIFT * (min(box.times, MOST_CARDS) - 1)


def common_width(body: Body) -> float:
    """A common width for all boxes of a body that need no more, because equal widths look calm."""
    widths = sorted(box_width(item) for item in body.items if isinstance(item, Box))
    return next((width for width in reversed(widths) if width <= 1.3 * widths[len(widths) // 2]), 0.0)


def terminal_name(terminal: Terminal) -> str:
    """The name of a terminal, cut to a readable length."""
    return cut(terminal.name, MOST_TEXT, SMALL, bold=True)


def terminal_width(terminal: Terminal) -> float:
    """The width that the text of a terminal needs."""
    name, shape = text_width(terminal_name(terminal), SMALL, bold=True), text_width(f" {form(terminal.shape)}", SMALL)
    return even(max(LEAST_BOX, name + shape + 2 * PAD))


def frame_title(group: Group) -> str:
    """The title of a frame, such as `inception3a · Inception ×2`."""
    title = f"{group.name} · {group.what}" if group.what else group.name
    return cut(f"{title} ×{group.times}" if group.times > 1 else title, MOST_TEXT, NAME, bold=True)


def frame_width(group: Group, content: float) -> float:
    """The width of a frame around content of a given width."""
    return even(max(content, text_width(frame_title(group), NAME, bold=True)) + 2 * FRAME_PAD)


def frame_head(group: Group, entry: float) -> float:
    """The height of a frame's head, which is larger if the incoming line would cross the title."""
    title = text_width(frame_title(group), NAME, bold=True)
    return FRAME_HEAD if FRAME_PAD + title + 8 <= entry else DEEP_HEAD


def heading_height(picture: Picture) -> float:
    """The height of the title and the lines below it."""
    return 36.0 * bool(picture.title) + 18.0 * bool(picture.subtitle) + 18.0 * bool(picture.figures)


def heading_width(picture: Picture) -> float:
    """The width of the title and the numbers, within limits; the subtitle is cut to that width."""
    widest = max(text_width(picture.title, TITLE, bold=True), text_width(picture.figures, WHAT))
    return min(widest, 2 * MOST_TEXT)
