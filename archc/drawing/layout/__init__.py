"""Where boxes stand and lines run: any acyclic graph of boxes of given sizes, without knowing what is in them."""

from archc.drawing.layout.arrange import BEGIN, END, Arrangement, Plan, straightened
from archc.drawing.layout.piece import Point, Size2
from archc.drawing.layout.ushape import u_shaped

__all__ = ["BEGIN", "END", "Arrangement", "Plan", "Point", "Size2", "straightened", "u_shaped"]
