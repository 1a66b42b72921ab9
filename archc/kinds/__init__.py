"""The layer kinds, each defined in exactly one class.

To add one, write the class in the file where it belongs and decorate it with `register`. Outside the package it is
the same: a kind is known from its registration on.
"""

# In the order in which a network is read, which lists of kinds follow.
# isort: off
from archc.kinds import convolution, pooling, normalization, linear, embedding, attention, recurrent  # noqa: F401
from archc.kinds import regularization, activation, layout, positions, spatial, reduction, learned  # noqa: F401
from archc.kinds import join, products, module  # noqa: F401
# isort: on

from archc.kinds.base import (
    Alternatives,
    Call,
    Fault,
    Inputs,
    Kind,
    Role,
    Shape,
    State,
    Stored,
    Window,
    form,
    need_map,
    need_vector,
    volume,
)
from archc.kinds.join import Join
from archc.kinds.registry import KINDS, register, unregister
from archc.kinds.types import Count, Flag, Positive, Probability, Real, Size1d, Size2d, Size3d

__all__ = [
    "KINDS",
    "Alternatives",
    "Call",
    "Count",
    "Fault",
    "Flag",
    "Inputs",
    "Join",
    "Kind",
    "Positive",
    "Probability",
    "Real",
    "Role",
    "Shape",
    "Size1d",
    "Size2d",
    "Size3d",
    "State",
    "Stored",
    "Window",
    "form",
    "need_map",
    "need_vector",
    "register",
    "unregister",
    "volume",
]
