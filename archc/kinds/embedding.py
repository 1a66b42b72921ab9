"""Embeddings: a learned vector for each of a number of things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema

from archc.kinds.axes import MOST_AXES
from archc.kinds.base import Fault, Inputs, Kind, Role, Shape, State, form
from archc.kinds.labels import text
from archc.kinds.registry import register
from archc.kinds.types import Count, integer
from archc.limits import MAX_INTEGER


def _index(value: Any) -> Any:
    return None if value is None else integer(value, -MAX_INTEGER)


@register
class Embedding(Kind):
    """A learned vector for each integer of the input, such as the words of a text.

    The integers are below `num_embeddings`, and the vectors are along a new last axis. It reads an input of the
    network, which then holds integers.
    """

    kind: ClassVar[str] = "embedding"
    torch: ClassVar[str] = "nn.Embedding"
    positional: ClassVar[tuple[str, ...]] = ("num_embeddings", "embedding_dim")
    state: ClassVar[Mapping[str, State]] = {"weight": State(fans=True)}
    role: ClassVar[Role] = "linear"
    aliases: ClassVar[tuple[str, ...]] = ("embed", "lookup", "lookuptable", "wordembedding")
    examples: ClassVar[tuple[str, ...]] = (
        "{num_embeddings: 10000, embedding_dim: 128}",
        "{num_embeddings: 10000, embedding_dim: 128, padding_idx: 0}",
    )

    num_embeddings: Count
    """Number of vectors, and of different integers."""
    embedding_dim: Count
    """Features of a vector."""
    padding_idx: Annotated[
        int | None, PlainValidator(_index), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "null"}]})
    ] = None
    """Integer whose vector starts at zero and isn't trained; negative numbers count from the last."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"num_embeddings": [1, 2, 5, 10], "padding_idx": [None, 0, -1]}

    def label(self, inputs: Inputs) -> str:
        return f"embedding, {text(self.num_embeddings)} × {text(self.embedding_dim)}"

    @property
    def integers(self) -> int | None:
        return self.num_embeddings

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        index, count = self.padding_idx, self.num_embeddings
        if index is not None and not -count <= index < count:
            message = f"`padding_idx` is {index}, but the vectors are 0 to {count - 1}"
            help = f"use an integer from 0 to {count - 1}"
            yield Fault("E0203", message, "padding_idx", help=help, value=str(count - 1))
        if len(x) + 2 > MOST_AXES:
            yield Fault("E0301", f"`embedding` adds an axis to {form(x)}, and a tensor has at most {MOST_AXES} axes")

    def output(self, inputs: Inputs) -> Shape:
        return (*inputs[0], self.embedding_dim)

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        index = self.padding_idx
        return {**super().settled(inputs), "padding_idx": None if index is None else index % self.num_embeddings}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def needs_input(self, inputs: Inputs) -> bool:
        return True
