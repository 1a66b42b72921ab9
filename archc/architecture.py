"""The way of a spec, step by step: text, located tree, validated spec, architecture graph, figures, back end."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.graph import Network, elaborate
from archc.inference import Summary, expectation_problems, network_outputs, summarize
from archc.language import Spec, load_file, load_text, override
from archc.library import find_spec
from archc.problems import Problem, SpecError

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import nn

InputSize = tuple[int, int, int]


def load(spec: str | Path) -> Architecture:
    """The checked architecture of a spec: a path, or the name of a bundled one.

    Raises SpecError, with every problem found, for a spec that is not sound or claims (`expect`) what
    does not hold.
    """
    architecture, problems = load_and_claims(spec)
    if problems:
        raise SpecError(problems)
    return architecture


def load_and_claims(spec: str | Path) -> tuple[Architecture, list[Problem]]:
    """The sound architecture of a spec, as `load` takes it, and what it claims of itself that does not hold.

    Raises SpecError for a spec that is not sound.
    """
    path, shown = find_spec(spec)
    network = elaborate(load_file(path, shown))
    return Architecture(network, {}, path), expectation_problems(network)


def load_revision(text: str) -> Architecture:
    """The checked architecture of a spec as a git revision has it: `HEAD~1:specs/x.yaml`. Raises SpecError."""
    from archc.revisions import revision_file

    with revision_file(text) as path:
        return _checked(load_file(path, text))


def loads(text: str, name: str = "<text>") -> Architecture:
    """The checked architecture of a spec's text; `name` is what messages call it. Raises SpecError."""
    return _checked(load_text(text, name))


def _checked(spec: Spec) -> Architecture:
    network = elaborate(spec)
    problems = expectation_problems(network)
    if problems:
        raise SpecError(problems)
    return Architecture(network, {})


class Architecture:
    """A sound network of known sizes; never changed once it is made."""

    def __init__(self, network: Network, settings: dict[str, Any], path: Path | None = None) -> None:
        self._network = network
        self._settings = settings
        self._path = path

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.parameters.items())
        return f"Architecture({self.name}, input={self.input}{settings})"

    @property
    def name(self) -> str:
        """The network's class name."""
        return self._network.spec.name

    @property
    def network(self) -> Network:
        """The architecture graph, for passes and back ends of one's own."""
        return self._network

    @property
    def parameters(self) -> dict[str, Any]:
        """The spec's parameters with their values."""
        return dict(self._network.parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters that were given other values than the spec's."""
        return dict(self._settings)

    @property
    def path(self) -> Path | None:
        """The spec's file; None if it was given as text."""
        return self._path

    @property
    def input(self) -> InputSize:
        """(channels, height, width) of one image."""
        return self._network.input

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of each output, without the batch dimension."""
        return network_outputs(self._network)

    @cached_property
    def min_input(self) -> tuple[int, int]:
        """The smallest (height, width) at which the network, built for its input, runs."""
        return self.summary().min_input

    def configure(self, input: InputSize | None = None, **parameters: Any) -> Architecture:
        """The same architecture for another input size or other parameters. Raises SpecError."""
        if input is None and not parameters:
            return self
        spec = self._network.spec
        settings = {**self._settings, **parameters}
        size = self.input if input is None else _input_size(input, spec)
        return Architecture(elaborate(spec, override(spec, settings), size), settings, self._path)

    def summary(self, input: InputSize | None = None) -> Summary:
        """Shapes, parameters, multiply-adds and receptive fields of every layer, and the totals."""
        return summarize(self.configure(input)._network)

    def to_pandas(self, input: InputSize | None = None) -> DataFrame:
        """A pandas.DataFrame, a row a layer by its path. Raises ImportError where pandas is not installed."""
        from archc.presentation.frame import data_frame

        return data_frame(self.summary(input))

    def _repr_svg_(self) -> str:
        """The picture that a notebook shows."""
        from archc.presentation.notebook import picture

        return picture(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture, and below it the summary, to be opened."""
        from archc.presentation.notebook import page

        return page(self)

    def build(self, input: InputSize | None = None, **parameters: Any) -> nn.Module:
        """The nn.Module, initialised as the spec says. Raises SpecError for settings that do not fit."""
        from archc.build import build

        return build(self.configure(input, **parameters)._network)

    def emit(self, input: InputSize | None = None, **parameters: Any) -> str:
        """The PyTorch source, with the settings as its defaults. Raises SpecError."""
        from archc.emit import emit_source

        return emit_source(self.configure(input, **parameters)._network)


def _input_size(size: Any, spec: Spec) -> InputSize:
    if (
        isinstance(size, tuple | list)
        and len(size) == 3
        and all(type(length) is int and 1 <= length < 2**31 for length in size)
    ):
        return (size[0], size[1], size[2])
    message = f"an input size is (channels, height, width), got {size!r}"
    raise SpecError([Problem("E0203", message, file=spec.source.name)])
