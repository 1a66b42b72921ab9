"""The types of arguments: what a spec may give, how faults are worded, and what the JSON Schema says of it."""

from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from archc.kinds.base import shown
from archc.limits import MAX_INTEGER


def integer(value: Any, least: int, most: int = MAX_INTEGER, bound: str = "MAX_INTEGER") -> int:
    """The value, if it is an integer from `least` to `most`, which is archc's `bound`. Raises PydanticCustomError."""
    if value == "same":
        raise PydanticCustomError("same", "`same` is for stride-1 convolutions: write p = (k - 1) / 2 as a number")
    if type(value) is not int:
        raise PydanticCustomError("integer", "expected an integer, got {shown}", {"shown": shown(value)})
    if value < least:
        raise PydanticCustomError(
            "too_small", "must be at least {least}, got {shown}", {"least": least, "shown": value}
        )
    if value > most:
        raise PydanticCustomError(
            "too_large", "must be at most {most}, got {shown}", {"most": most, "shown": shown(value), "bound": bound}
        )
    return value


def integer_type(least: int, most: int = MAX_INTEGER, bound: str = "MAX_INTEGER") -> Any:
    """Validator and JSON Schema of an integer within bounds."""
    schema = {"type": "integer", "minimum": least} | ({"maximum": most} if most < MAX_INTEGER else {})
    return (PlainValidator(lambda value: integer(value, least, most, bound)), WithJsonSchema(schema))


_LISTS = {1: "a list of one", 2: "a pair", 3: "a list of three"}
"""What lists with one element for each axis are called, by the number of axes."""


def _sizes_type(rank: int, least: int, *words: str, item: Any = None, optional: bool = False) -> Any:
    """Validator and JSON Schema of an integer, or of a list with one for each of `rank` axes."""

    def check(value: Any) -> Any:
        if optional and value is None:
            return None
        if isinstance(value, str) and value in words:
            return value
        if isinstance(value, list | tuple):
            if len(value) != rank:
                what = f"expected an integer or {_LISTS[rank]}, got {{shown}}"
                raise PydanticCustomError("pair", what, {"shown": shown(value)})
            return tuple(one(part) for part in value)
        return one(value)

    def one(value: Any) -> Any:
        return value if item is not None and value in item else integer(value, least)

    single: dict[str, Any] = {"type": "integer", "minimum": least}
    items: dict[str, Any] = {"anyOf": [single, {"type": "null"}]} if item else single
    pair = {"type": "array", "items": items, "minItems": rank, "maxItems": rank}
    named: list[dict[str, Any]] = [{"const": word} for word in words]
    if optional:
        named.append({"type": "null"})
    return (PlainValidator(check), WithJsonSchema({"anyOf": [single, pair, *named]}))


_COUNT = integer_type(1)

Count = Annotated[int, *_COUNT]
Size1d = Annotated[Any, *_sizes_type(1, 1)]
Size2d = Annotated[Any, *_sizes_type(2, 1)]
Size3d = Annotated[Any, *_sizes_type(3, 1)]
Natural1d = Annotated[Any, *_sizes_type(1, 0)]
Natural2d = Annotated[Any, *_sizes_type(2, 0)]
Natural3d = Annotated[Any, *_sizes_type(3, 0)]
Padding1d = Annotated[Any, *_sizes_type(1, 0, "same")]
Padding2d = Annotated[Any, *_sizes_type(2, 0, "same")]
Padding3d = Annotated[Any, *_sizes_type(3, 0, "same")]
Output2d = Annotated[Any, *_sizes_type(2, 1, item=(None,))]
Output3d = Annotated[Any, *_sizes_type(3, 1, item=(None,))]
Optional1d = Annotated[Any, *_sizes_type(1, 1, optional=True)]
Optional2d = Annotated[Any, *_sizes_type(2, 1, optional=True)]
Optional3d = Annotated[Any, *_sizes_type(3, 1, optional=True)]
Real = float
Positive = Annotated[float, Field(gt=0)]
Flag = bool


def _probability(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise PydanticCustomError("probability", "expected a number from 0 to 1, got {shown}", {"shown": shown(value)})
    return value


Probability = Annotated[
    float, PlainValidator(_probability), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
