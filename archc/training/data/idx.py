"""The IDX format of MNIST: big-endian sizes, then bytes (http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from archc.problems import Problem, SpecError
from archc.text import first_line

_MAX_BYTES = 2**30
"""Of one file; MNIST's images are 47 million."""


def read_idx(path: Path) -> Tensor:
    """The uint8 tensor of a file, compressed or not. Raises SpecError (E0702) if it is damaged."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            zero, kind, rank = struct.unpack(">HBB", file.read(4))
            sizes = struct.unpack(f">{rank}I", file.read(4 * rank))
            count = math.prod(sizes)
            if count > _MAX_BYTES:
                raise ValueError(f"it declares {count:,} bytes, at most {_MAX_BYTES:,} are read")
            data = bytearray(file.read(count + 1))  # a compressed file may expand to any size
        if len(data) != count:
            raise ValueError(f"it declares {count:,} bytes and has {'more' if len(data) > count else len(data)}")
        tensor = torch.frombuffer(data, dtype=torch.uint8).reshape(sizes)
    except (OSError, EOFError, zlib.error, struct.error, RuntimeError, ValueError) as error:
        what = f"`{path}` cannot be read as images or labels: {first_line(error).lower()}"
        raise SpecError([Problem("E0702", what, file=str(path), help="download the file again")]) from None
    if (zero, kind) != (0, 8):
        raise SpecError([Problem("E0702", f"`{path}` is not an IDX file of bytes", file=str(path))])
    return tensor
