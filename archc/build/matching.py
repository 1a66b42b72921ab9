"""The keys of published weights, converted to the keys of the network that loads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, zip_longest

from torch import Tensor

_COUNTER = "num_batches_tracked"
"""The counter of a batch norm, which PyTorch 0.4.1 introduced: older files don't have it."""


def matched(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], renames: Mapping[str, str | None] | None = None
) -> dict[str, Tensor]:
    """The tensors of a state dict under the keys of a network, as far as these can be found.

    `own` is the network's state dict. A name with which all keys start, such as DataParallel's `module.`, is removed if
    more keys fit without it. A key that the network doesn't have gets the name of the first pattern in `renames` that
    fits, or is left out if that name is None. Missing counters of batch norms are those of the network.
    """
    parts = [_renamed(part, own, renames or {}) for part in _unwrapped(state)]
    found = max(parts, key=lambda part: len(part.keys() & own.keys()))
    return {key: tensor for key, tensor in own.items() if key.rpartition(".")[2] == _COUNTER} | found


def _renamed(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], renames: Mapping[str, str | None]
) -> dict[str, Tensor]:
    found = {}
    for key, tensor in state.items():
        name = key if key in own else renamed(key, renames)
        if name is not None:
            found[key if name in state else name] = tensor
    return found


def _unwrapped(state: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """A state dict, then without each name with which all of its keys start."""
    yield state
    while len(heads := {key.partition(".")[:2] for key in state}) == 1:
        ((head, dot),) = heads
        if not dot:
            break
        state = {key.removeprefix(f"{head}."): tensor for key, tensor in state.items()}
        yield state


def renamed(key: str, renames: Mapping[str, str | None]) -> str | None:
    """A key as the first pattern that fits it says; None if it is to be left out.

    Each `*` of a pattern matches any characters, which replace the `*` in the same place of the new name.
    """
    for pattern, name in renames.items():
        found = re.fullmatch("(.*)".join(map(re.escape, pattern.split("*"))), key)
        if found:
            return None if name is None else "".join(chain(*zip_longest(name.split("*"), found.groups(), fillvalue="")))
    return key
