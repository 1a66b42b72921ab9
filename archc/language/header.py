"""The keys of a spec file and their types, as pydantic models."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from archc.kinds.types import integer_type


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


Size = Annotated[int, *integer_type(1)]
Figure = Annotated[int, Field(ge=0, lt=2**63)]
"""A number of parameters or multiply-adds."""
InputSize = Annotated[list[Size], Field(min_length=1, max_length=4)]
"""Channels (or features), then the axes after them: none, a length, height and width, or depth, height and width."""


class BodyKeys(_Strict):
    """A body is `layers` (a chain), or `branches` and their `join`."""

    layers: Any = Field(
        None, description="Layers in order: a list becomes an nn.Sequential, a mapping names its entries."
    )
    branches: dict[str, Any] | list[Any] | None = Field(
        None, description="Parallel branches of one input, joined by `join`."
    )
    join: str | None = Field(None, description="How the branches are combined into one tensor.")
    outputs: dict[str, Any] | list[Any] | None = Field(
        None, description="Named outputs: entries, or a mapping from a name to an entry; it can be a loop."
    )


class InitKeys(_Strict):
    """One rule of weight initialization."""

    match: str | list[str] = Field(
        description="Layer types (`conv2d`), paths (`classifier.1`) and patterns (`backbone.*`) that it applies to."
    )
    weight: Any = Field(None, description="A number, or a function of torch.nn.init with its arguments.")
    bias: Any = Field(None, description="A number, or a function of torch.nn.init with its arguments.")


class BlockKeys(BodyKeys):
    """A body with a name and arguments."""

    inputs: list[str] | None = Field(
        None,
        min_length=1,
        description="Names of its inputs, which calls list in `from`; the first flows into the first entry.",
    )
    arguments: dict[str, Any] | None = Field(None, description="Names with defaults; no default means required.")
    description: str | None = Field(None, description="One or two sentences; the docstring of the emitted class.")
    init: list[InitKeys] | None = Field(
        None, description="How to initialize the weights of each instance, right after it is made."
    )


class EntryKeys(BodyKeys):
    """The keys of an entry besides its layer or block."""

    from_: str | list[str] | None = Field(
        None,
        alias="from",
        description="The name of the entry it takes as input, or `input`; a list for a block with several inputs.",
    )
    share: str | None = Field(
        None, description="The name of an entry above that runs once more, on other inputs, with the same weights."
    )
    when: str | None = Field(
        None, description="Keeps the entry only if the condition is true, such as `$(stride != 1)`."
    )
    auxiliary: bool = Field(False, description="A head that exists only in training.")
    repeat: Any = Field(None, description="How many times to repeat the entry, or its `layers`.")
    for_: str | list[str] | None = Field(
        None, alias="for", description="The variables of a loop over the rows of `in`."
    )
    in_: Any = Field(None, alias="in", description="The rows of a loop, one per iteration.")
    index: str | None = Field(None, description="A variable that counts the iterations from 0.")


class ExpectKeys(_Strict):
    """Numbers that the spec claims; `archc check` reports wrong ones."""

    parameters: Figure | None = Field(None, description="Number of trainable parameters in inference.")
    training_parameters: Figure | None = Field(
        None, description="Number of trainable parameters, including auxiliary heads."
    )
    macs: Figure | None = Field(None, description="Multiply-adds for one input.")
    output: list[Size] | None = Field(None, description="Shape of the only output.")
    outputs: dict[str, list[Size]] | None = Field(None, description="Shapes of the named outputs.")
    min_input: list[Size] | None = Field(
        None, description="Smallest valid [height, width], or other sizes after the channels."
    )


class SpecKeys(BodyKeys):
    """A spec file."""

    name: str | None = Field(None, description="The network's class name (default: the file name).")
    description: str | None = Field(None, description="A short description: the first line of the emitted docstring.")
    paper: str | None = Field(None, description="Where it was published.")
    input: InputSize | None = Field(
        None,
        description="Shape of one input without the batch: [channels, height, width] of an image, [channels, length], "
        "[channels, depth, height, width], or [features].",
    )
    inputs: dict[str, InputSize] | None = Field(
        None,
        min_length=1,
        description="Shapes of several inputs by their names, instead of `input`; the first enters the first entry.",
    )
    arguments: dict[str, Any] | None = Field(None, description="Names with defaults, used as `$name`.")
    blocks: dict[str, BlockKeys] | None = Field(
        None, description="Reusable blocks with arguments; each becomes a class."
    )
    import_: dict[str, list[str]] | None = Field(
        None,
        alias="import",
        description="Blocks to import from files in this folder or bundled specs: {file.yaml: [Block, …]}.",
    )
    init: list[InitKeys] | None = Field(
        None, description="How to initialize weights; the first rule that matches a layer applies."
    )
    checkpoint_keys: dict[str, str | None] | None = Field(
        None, description="Keys of published weights, and the network's keys for them: {'*.norm.1.*': '*.norm1.*'}."
    )
    expect: ExpectKeys | None = Field(None, description="Known properties of the network, which archc verifies.")


class ExtendKeys(_Strict):
    """A spec that extends another one: everything that it doesn't name stays the same."""

    extends: str = Field(description="The spec to vary: a file in this folder, or the name of a bundled spec.")
    name: str | None = Field(None, description="The network's class name (default: the file name).")
    description: str | None = Field(None, description="A short description (default: the other spec's).")
    paper: str | None = Field(None, description="Where it was published (default: the other spec's).")
    input: InputSize | None = Field(None, description="Shape of one input (default: the other spec's).")
    inputs: dict[str, InputSize] | None = Field(
        None, min_length=1, description="Shapes of several inputs by their names (default: the other spec's)."
    )
    arguments: dict[str, Any] | None = Field(
        None, description="New values for arguments of the other spec, and further arguments."
    )
    blocks: dict[str, BlockKeys] | None = Field(
        None, description="Blocks in place of those with the same name, and further blocks."
    )
    import_: dict[str, list[str]] | None = Field(
        None, alias="import", description="Blocks to import, in place of those with the same name."
    )
    layers: dict[str, Any] | None = Field(None, description="Entries in place of those with the same name.")
    branches: dict[str, Any] | None = Field(None, description="Branches in place of those with the same name.")
    join: str | None = Field(None, description="How the branches are combined instead.")
    outputs: dict[str, Any] | list[Any] | None = Field(None, description="Named outputs instead of the other spec's.")
    init: list[InitKeys] | None = Field(None, description="How to initialize weights instead.")
    checkpoint_keys: dict[str, str | None] | None = Field(
        None, description="Keys of published weights, and the network's keys for them, instead of the other spec's."
    )
    expect: ExpectKeys | None = Field(None, description="Known properties of the network, which archc verifies.")


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """The keys of a model and their meanings; its own keys come before those of every body."""
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] in BodyKeys.model_fields)
    return {field.alias or name: field.description or "" for name, field in fields}
