"""The keys of a spec file and their types, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from archc.kinds.base import integer_type


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


Size = Annotated[int, *integer_type(1)]
InputSize = Annotated[list[Size], Field(min_length=3, max_length=3)]


class BodyKeys(_Strict):
    """A body is `layers` (a chain), or `branches` and their `join`."""

    layers: Any = Field(None, description="A chain: a list is an nn.Sequential, a mapping names its entries.")
    branches: dict[str, Any] | None = Field(None, description="Several views of one input, joined by `join`.")
    join: str | None = Field(None, description="How the branches become one tensor.")
    outputs: dict[str, str] | list[str] | None = Field(
        None, description="Named outputs: entries, or a mapping from a name to an entry."
    )


class BlockKeys(BodyKeys):
    """A body with a name and parameters."""

    parameters: dict[str, Any] | None = Field(None, description="Names with defaults; no default means required.")
    description: str | None = Field(None, description="One or two sentences; the docstring of the emitted class.")


class EntryKeys(BodyKeys):
    """The keys of an entry beside its layer or block."""

    from_: str | None = Field(None, alias="from", description="The earlier result that it takes, or `input`.")
    when: str | None = Field(None, description="Keeps the entry only where it is true: `$(stride != 1)`.")
    auxiliary: bool = Field(False, description="A head that exists in training only.")
    repeat: Any = Field(None, description="How often the entry, or its `layers`, stand here.")
    for_: str | list[str] | None = Field(
        None, alias="for", description="The variables of a loop over the rows of `in`."
    )
    in_: Any = Field(None, alias="in", description="The rows of a loop, one a turn.")
    index: str | None = Field(None, description="A variable that counts the turns from 0.")


class ExpectKeys(_Strict):
    """Figures that the spec claims of itself; `archc check` refuses it where they do not hold."""

    parameters: int | None = Field(None, description="Trained numbers, as it runs in inference.")
    training_parameters: int | None = Field(None, description="Trained numbers with the auxiliary heads.")
    macs: int | None = Field(None, description="Multiply-adds for one image.")
    output: list[int] | None = Field(None, description="Shape of the only output.")
    outputs: dict[str, list[int]] | None = Field(None, description="Shapes of the named outputs.")
    min_input: list[Size] | None = Field(None, description="Smallest legal [height, width].")


class InitKeys(_Strict):
    """One rule of weight initialisation."""

    layers: str | list[str] = Field(description="Kinds (`conv2d`) and paths (`classifier.1`) it holds for.")
    weight: Any = Field(None, description="A number, or a function of torch.nn.init with its arguments.")
    bias: Any = Field(None, description="A number, or a function of torch.nn.init with its arguments.")


class SpecKeys(BodyKeys):
    """A spec file."""

    name: str | None = Field(None, description="The network's class name; the file's name if left out.")
    description: str | None = Field(None, description="What it is; the first line of the emitted docstring.")
    paper: str | None = Field(None, description="Where it was published.")
    input: InputSize | None = Field(None, description="[channels, height, width] of one image.")
    parameters: dict[str, Any] | None = Field(None, description="Names with defaults, used as `$name`.")
    blocks: dict[str, BlockKeys] | None = Field(None, description="Bodies with names and parameters.")
    import_: dict[str, list[str]] | None = Field(
        None, alias="import", description="Blocks of other files of this folder: {file.yaml: [Block, …]}."
    )
    init: list[InitKeys] | None = Field(None, description="How weights start; the first rule that fits holds.")
    expect: ExpectKeys | None = Field(None, description="Figures that the spec claims of itself.")


class ExtendKeys(_Strict):
    """A spec file that changes another's parameters."""

    extends: str = Field(description="A spec file of this folder, which this one changes.")
    name: str | None = Field(None, description="The network's class name; the file's name if left out.")
    description: str | None = Field(None, description="What it is; the other spec's if left out.")
    paper: str | None = Field(None, description="Where it was published; the other spec's if left out.")
    input: InputSize | None = Field(None, description="[channels, height, width], if it is not the other spec's.")
    parameters: dict[str, Any] | None = Field(None, description="New values for parameters of the other spec.")
    expect: ExpectKeys | None = Field(None, description="Figures that the spec claims of itself.")


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """The keys of a model as they are written, its own before those of every body, with what they mean."""
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] in BodyKeys.model_fields)
    return {field.alias or name: field.description or "" for name, field in fields}
