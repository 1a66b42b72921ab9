"""The result of an export, and its comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of the file's outputs with PyTorch's: the weights, the inputs, and the largest difference.

    `shapes` are, for each comparison, those of the inputs with the batch. `difference` is relative to the largest
    output; 0.0 means bit-equal.
    """

    weights: str
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    difference: float


@dataclass(frozen=True, slots=True)
class Exported:
    """A written file. `reference` is the program that ran it, and `dynamic` are the axes that can have any length."""

    path: Path
    reference: str
    comparisons: tuple[Comparison, ...]
    dynamic: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"dynamic: {', '.join(self.dynamic)}"] if self.dynamic else []
        for comparison in self.comparisons:
            inputs = ", ".join(" and ".join("×".join(map(str, shape)) for shape in one) for one in comparison.shapes)
            found = f"differ by at most {comparison.difference:.1e}" if comparison.difference else "are equal"
            lines.append(f"{self.reference}, {comparison.weights}, inputs {inputs}: outputs {found}")
        return "\n".join(lines)
