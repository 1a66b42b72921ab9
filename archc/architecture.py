"""The compilation pipeline: text → located tree → validated spec → architecture graph → costs → back ends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.extras import needed_by
from archc.graph import Evaluator, Network, integer_bounds
from archc.inference import Cost, expectation_problems, graph_cost, network_outputs
from archc.kinds import Fault, Shape
from archc.kinds.base import AXES
from archc.kinds.module import Inspection, Module, allowed
from archc.language import Spec, load_file, load_text, override
from archc.library import find_spec, is_foreign
from archc.presentation import Summary, summarize
from archc.problems import Problem, SpecError, did_you_mean

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import nn

InputSize = tuple[int, ...]
Inputs = InputSize | Mapping[str, InputSize]
"""The size of the only input, or sizes of several by their names."""


def load(spec: str | Path, *, allow_modules: bool = False) -> Architecture:
    """Load and check a spec, given by its path or by the name of a bundled spec.

    With `allow_modules`, the spec may name modules of other packages, which archc imports and runs. Raises SpecError,
    listing every error found, if the spec is invalid or a value in `expect` is wrong.
    """
    architecture, problems = load_and_claims(spec, allow_modules=allow_modules)
    if problems:
        raise SpecError(problems)
    return architecture


def load_and_claims(spec: str | Path, *, allow_modules: bool = False) -> tuple[Architecture, list[Problem]]:
    """Load a spec like `load`, but return the errors in its `expect` instead of raising them.

    Raises SpecError if the spec is invalid.
    """
    path, shown = find_spec(spec)
    return _with_claims(load_file(path, shown), path, allow_modules=allow_modules)


def open_network(
    spec: str | Path, input: Inputs | None = None, settings: Mapping[str, Any] | None = None
) -> tuple[Architecture, list[Problem]]:
    """Load a spec, or import a network from a file or from PyTorch code (`file.py:Class`), which archc runs.

    `settings` are arguments of the spec, or arguments of the constructor. Also returns the errors in the spec's
    `expect`. Raises SpecError.
    """
    settings = settings or {}
    if not is_foreign(spec):
        architecture, problems = load_and_claims(spec)
        return architecture.configure(input, **settings), problems
    from archc.importing import import_

    if isinstance(input, Mapping):
        message = "an imported network has one input, whose size has no name"
        raise SpecError([Problem("E0203", message, file=str(spec))])
    imported = import_(spec, input, settings=settings, weights=False, allow_opaque=allowed() is not None)
    return loads(imported.text, f"{spec} as imported", imported.network.spec.stem), []


def load_revision(text: str) -> Architecture:
    """Load and check a spec from a Git revision, such as `HEAD~1:specs/x.yaml`. Raises SpecError."""
    from archc.revisions import revision_file

    with revision_file(text) as path:
        return _checked(load_file(path, text))


def loads(text: str, name: str = "<text>", stem: str = "network", *, allow_modules: bool = False) -> Architecture:
    """Load and check the text of a spec, like `load`. Raises SpecError.

    Error messages use `name` as its file name; `stem` is the name of a network that has no `name`.
    """
    return _checked(load_text(text, name, stem), allow_modules=allow_modules)


def inspect_module(layer: Module, inputs: tuple[Shape, ...]) -> Inspection | Fault:
    """Import, create and run the class of a `module` entry. Raises ImportError without torch."""
    with needed_by("a `module`"):
        from archc.build import inspect

    return inspect(layer, inputs)


def _checked(spec: Spec, *, allow_modules: bool = False) -> Architecture:
    architecture, problems = _with_claims(spec, allow_modules=allow_modules)
    if problems:
        raise SpecError(problems)
    return architecture


def _with_claims(
    spec: Spec, path: Path | None = None, *, allow_modules: bool = False
) -> tuple[Architecture, list[Problem]]:
    evaluator = Evaluator(spec, inspect_module if allow_modules else None)
    network = evaluator.network()
    return Architecture(evaluator, network, {}, path), expectation_problems(network)


class Architecture:
    """A valid network with known shapes; immutable."""

    def __init__(
        self, evaluator: Evaluator, network: Network, settings: dict[str, Any], path: Path | None = None
    ) -> None:
        self._evaluator = evaluator
        self._network = network
        self._settings = settings
        self._path = path

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        inputs = self.inputs
        given = f"inputs={inputs}" if self._network.spec.body.inputs else f"input={self.input}"
        return f"Architecture({self.name}, {given}{settings})"

    @property
    def name(self) -> str:
        """The network's class name."""
        return self._network.spec.name

    @property
    def network(self) -> Network:
        """The architecture graph, for custom passes and back ends."""
        return self._network

    @property
    def arguments(self) -> dict[str, Any]:
        """The spec's arguments with their values."""
        return dict(self._network.parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments whose values differ from the defaults in the spec."""
        return dict(self._settings)

    @property
    def path(self) -> Path | None:
        """The file of the spec; None for a spec given as text."""
        return self._path

    @property
    def input(self) -> InputSize:
        """The shape of the first input without the batch: (channels, height, width) of an image."""
        return self._network.input

    @property
    def inputs(self) -> dict[str, InputSize]:
        """The shapes of all inputs by their names; an only one without a name is called `input`."""
        return dict(self._network.inputs)

    @property
    def integers(self) -> dict[str, int]:
        """The inputs that hold integers because an `embedding` reads them, and how many from 0 on these can be."""
        bounds = zip(self._network.inputs, integer_bounds(self._network.graph), strict=True)
        return {name: bound for name, bound in bounds if bound is not None}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of each output, without the batch dimension."""
        return network_outputs(self._network)

    @property
    def cost(self) -> Cost:
        """The total parameters and multiply-adds; faster than a summary, for example for a sweep over settings."""
        return graph_cost(self._network.graph)

    @cached_property
    def min_input(self) -> tuple[int, ...]:
        """The smallest (height, width), or other sizes after the channels, at which the network runs as built."""
        return self.summary().min_input

    def configure(self, input: Inputs | None = None, **arguments: Any) -> Architecture:
        """Return a new architecture for another input size or other arguments. Raises SpecError.

        A tuple is the size of the first input; a mapping has sizes by the names of inputs.
        """
        if input is None and not arguments:
            return self
        spec = self._network.spec
        settings = {**self._settings, **arguments}
        inputs = self.inputs if input is None else self.inputs | _input_sizes(input, spec)
        network = self._evaluator.network(override(spec, settings), inputs)
        return Architecture(self._evaluator, network, settings, self._path)

    def summary(self, input: Inputs | None = None) -> Summary:
        """Compute shapes, parameters, multiply-adds and receptive fields of every layer, and the totals."""
        return summarize(self.configure(input)._network)

    def to_pandas(self, input: Inputs | None = None) -> DataFrame:
        """Return a pandas.DataFrame with one row per layer. Raises ImportError if pandas is not installed."""
        from archc.presentation.frame import data_frame

        return data_frame(self.summary(input))

    def _repr_svg_(self) -> str:
        """Return the drawing for notebooks."""
        from archc.presentation.notebook import picture

        return picture(self)

    def _repr_html_(self) -> str:
        """Return the drawing and a collapsed summary for notebooks."""
        from archc.presentation.notebook import page

        return page(self)

    def build(self, input: Inputs | None = None, **arguments: Any) -> nn.Module:
        """Build the nn.Module with its initial weights. Raises SpecError, and ImportError without torch."""
        with needed_by("build"):
            from archc.build import build

        return build(self.configure(input, **arguments)._network)

    def emit(self, input: Inputs | None = None, **arguments: Any) -> str:
        """Generate the PyTorch source, with the settings as defaults. Raises SpecError."""
        from archc.emit import emit_source

        return emit_source(self.configure(input, **arguments)._network)


def _input_sizes(given: Any, spec: Spec) -> dict[str, InputSize]:
    """The sizes of inputs by their names. Raises SpecError for one that an input cannot have."""
    sizes = given if isinstance(given, Mapping) else {next(iter(spec.inputs)): given}
    for name, size in sizes.items():
        if name not in spec.inputs:
            help = did_you_mean(name, spec.inputs) or f"its inputs are {', '.join(f'`{n}`' for n in spec.inputs)}"
            problem = Problem("E0203", f"{spec.name} has no input `{name}`", file=spec.source.name, help=help)
            raise SpecError([problem])
        rank = len(spec.inputs[name])
        lengths = size if isinstance(size, tuple | list) else ()
        if len(lengths) != rank or not all(type(length) is int and 1 <= length < 2**31 for length in lengths):
            axes = ", ".join(("channels", *AXES[rank - 1])) if rank > 1 else "features,"
            what = f"an input size of {spec.name}" if len(spec.inputs) == 1 else f"the size of `{name}`"
            raise SpecError([Problem("E0203", f"{what} is ({axes}), got {size!r}", file=spec.source.name)])
    return {name: tuple(size) for name, size in sizes.items()}
