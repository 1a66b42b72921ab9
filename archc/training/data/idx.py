"""The IDX format of MNIST: big-endian sizes, then bytes (http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from archc.problems import Problem, SpecError


def read_idx(path: Path) -> Tensor:
    """The uint8 tensor of a file, compressed or not. Raises SpecError (E0702) if it is damaged."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        zero, kind, rank = struct.unpack_from(">HBB", data)
        sizes = struct.unpack_from(f">{rank}I", data, 4)
        tensor = torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=4 + 4 * rank).reshape(sizes)
    except (OSError, EOFError, zlib.error, struct.error, RuntimeError, ValueError) as error:
        what = f"`{path}` cannot be read as images or labels: {str(error).splitlines()[0].lower()}"
        raise SpecError([Problem("E0702", what, file=str(path), help="fetch the file again")]) from None
    if (zero, kind) != (0, 8):
        raise SpecError([Problem("E0702", f"`{path}` is no IDX file of bytes", file=str(path))])
    return tensor
