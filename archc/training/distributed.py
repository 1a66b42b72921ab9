"""The processes of a training: one, or those that torchrun starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from archc.problems import Problem, SpecError

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class World:
    """One process among all processes of the training."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """True if this process writes files and prints."""
        return self.rank == 0

    def on_first(self, action: Callable[[], Value]) -> Value:
        """Run an action in the first process, and return its result, or raise its SpecError, in every process."""
        if self.size == 1:
            return action()
        box: list[Any] = [None, None]
        if self.first:
            try:
                box[0] = action()
            except SpecError as error:
                box[1] = error
        torch.distributed.broadcast_object_list(box, src=0)
        if box[1] is not None:
            raise box[1]
        return box[0]  # type: ignore[no-any-return]

    def gathered(self, value: Any) -> list[Any]:
        """Every process's value, in every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def sum(self, tensor: Tensor) -> Tensor:
        """Add a tensor over the processes, in place."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor


def pick_device(device: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` selects. Raises SpecError (E0709) if it doesn't exist."""
    kind, colon, number = device.partition(":")
    numbered = kind == "cuda" and number.isascii() and number.isdigit()
    if (colon and not numbered) or kind not in ("auto", "cpu", "cuda"):
        what = f"archc computes on the CPU and on CUDA devices, not on `{device}`"
        raise SpecError([Problem("E0709", what, file="--device", help="use auto, cpu, cuda, or cuda:N")])
    if kind == "cuda" and not torch.cuda.is_available():
        what = "there is no CUDA device, or this build of torch cannot use it"
        raise SpecError([Problem("E0709", what, file="--device", help="--device cpu works without one")])
    if numbered and int(number[:9]) >= torch.cuda.device_count():
        what = f"there is no `{device}`: the devices are numbered 0 to {torch.cuda.device_count() - 1}"
        raise SpecError([Problem("E0709", what, file="--device")])
    if kind == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(number)) if numbered else torch.device("cuda")


@contextmanager
def world(device: str) -> Iterator[World]:
    """Join the process group on entry and leave it at the end; `device` is passed to `pick_device`.

    Raises SpecError (E0709) if the device doesn't exist.
    """
    place = pick_device(device)
    cuda = place.type == "cuda"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if "RANK" not in os.environ or size == 1:
        if ":" in device:
            torch.cuda.set_device(place)
        yield World(0, 1, place)
        return
    if ":" in device:
        what = "torchrun gives each process its own device"
        raise SpecError([Problem("E0709", what, file="--device", help="use --device cuda")])
    local = int(os.environ.get("LOCAL_RANK", "0"))
    here = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        if local >= torch.cuda.device_count():
            what = f"process {local} of this machine has no GPU to use: there are only {torch.cuda.device_count()}"
            raise SpecError([Problem("E0709", what, file="torchrun", help="lower --nproc-per-node")])
        torch.cuda.set_device(here)
    # After a restart torchrun's store still has the addresses of dead processes, and gloo would wait for
    # them, so each attempt has a different prefix.
    store, rank, size = next(iter(rendezvous("env://")))
    store = PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    # Objects and requests use gloo, gradients on a GPU use NCCL.
    backends = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    torch.distributed.init_process_group(backends, store=store, rank=rank, world_size=size)
    try:
        yield World(rank, size, here)
    finally:
        torch.distributed.destroy_process_group()
