"""The constants of an ONNX graph: initializers, and what nodes compute from constants alone.

Large ones stay what they are until somebody wants their values: a shape and a number, or the bytes in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy
import torch
from torch import Tensor

from archc.problems import SpecError
from archc.text import first_line

_LARGEST = 65_536
"""Most elements of a constant that is computed; shapes and factors are smaller."""

_FORMS = {"Unsqueeze", "Squeeze", "Reshape", "Identity", "Cast"}
"""Nodes that only give a weight another form."""


class Constant:
    """A constant with its shape; `computed` if it is no initializer but the result of a node."""

    def __init__(self, shape: tuple[int, ...], values: Callable[[], Any], *, computed: bool) -> None:
        self.shape = shape
        self.computed = computed
        self._values = values

    def array(self) -> Any:
        """The values as an array."""
        return self._values()

    def tensor(self) -> Tensor:
        """The values as a tensor."""
        return torch.from_numpy(numpy.array(self._values(), dtype=numpy.float32))

    def is_zero(self) -> bool:
        """Return True if all values are 0."""
        return not numpy.any(self._values())


class Constants:
    """The constants of a graph by their names."""

    def __init__(self, model: Any, fail: Callable[[str], SpecError]) -> None:
        self.model = model
        self.fail = fail
        self.known: dict[str, Constant] = {}
        self.origins: dict[str, str] = {}
        self.makers = {output: node for node in model.graph.node for output in node.output}
        for tensor in model.graph.initializer:
            self.known[tensor.name] = Constant(tuple(tensor.dims), partial(self.read, tensor), computed=False)

    def __contains__(self, name: str) -> bool:
        return name in self.known

    def __getitem__(self, name: str) -> Constant:
        return self.known[name]

    def get(self, name: str) -> Constant | None:
        """A constant by its name; None if there is none."""
        return self.known.get(name)

    def read(self, tensor: Any) -> Any:
        """The values of an initializer. Raises SpecError (E0804) if they are not those of its shape."""
        from onnx.numpy_helper import to_array

        try:
            return to_array(tensor)
        except Exception as error:  # numpy's and onnx's own
            what = f"the values of `{tensor.name}` do not have its shape: {first_line(error)}"
            raise self.fail(what) from None

    def add(self, name: str, values: Any) -> None:
        """Add a constant that was computed."""
        self.known[name] = Constant(tuple(values.shape), lambda: values, computed=True)

    def origin(self, name: str) -> str:
        """The weight that a constant is another form of."""
        while name in self.origins:
            name = self.origins[name]
        return name

    def key(self, name: str) -> str:
        """The weight that a constant is, if it has the same shape."""
        origin = self.origin(name)
        return origin if self.known[origin].shape == self.known[name].shape else name

    def compute_all(self, name: str) -> None:
        """Compute a constant that comes later in the file, if its nodes read constants alone."""
        if name in self.known or name not in self.makers:
            return
        node = self.makers[name]
        if len(node.input) <= 2 and all(not given or given in self.known for given in node.input):
            self.compute(node)

    def compute(self, node: Any) -> bool:
        """Compute what a node makes from constants; return False if it is too large or no node for constants."""
        if node.op_type == "ConstantOfShape" and node.input:
            return self.filled(node)
        given = [self.known[name] for name in node.input if name]
        if sum(prod(each.shape) for each in given) > _LARGEST:
            if node.op_type not in _FORMS:
                return False
            self.origins[node.output[0]] = node.input[0]
        elif node.op_type in _FORMS and node.input:
            self.origins[node.output[0]] = node.input[0]
        if node.op_type in ("Expand", "Tile", "Range") and not self.small(node):
            return False
        try:
            made = self.evaluated(node)
        except Exception:  # whatever the reference implementation raises for nonsense
            return False
        for name, values in zip(node.output, made, strict=False):
            if name:
                self.add(name, numpy.asarray(values))
        return True

    def small(self, node: Any) -> bool:
        """Return True if a node's result is small."""
        target = self.known[node.input[1]].array() if len(node.input) > 1 else numpy.array([])
        return bool(target.size <= 8 and abs(float(numpy.prod(target.astype(float)))) <= _LARGEST)

    def filled(self, node: Any) -> bool:
        """A constant of one value, kept as its shape and the value."""
        sizes = self.known[node.input[0]].array()
        shape = tuple(int(size) for size in numpy.atleast_1d(sizes)) if sizes.size <= 8 else (0,)
        if sizes.size > 8 or any(size < 0 for size in shape):
            raise self.fail(f"the shape of the constant `{node.output[0]}` is not valid")
        attribute = next((each.t for each in node.attribute if each.name == "value"), None)
        value = numpy.float32(0) if attribute is None else self.read(attribute).reshape(-1)[0]
        made = Constant(shape, lambda: numpy.broadcast_to(value, shape), computed=True)
        self.known[node.output[0]] = made
        return True

    def evaluated(self, node: Any) -> Any:
        """The outputs of a node by onnx's reference implementation."""
        from onnx.helper import make_graph, make_model, make_tensor_value_info, np_dtype_to_tensor_dtype
        from onnx.reference import ReferenceEvaluator

        given = {name: self.known[name].array() for name in node.input if name}
        inputs = [make_tensor_value_info(name, np_dtype_to_tensor_dtype(x.dtype), x.shape) for name, x in given.items()]
        outputs = [make_tensor_value_info(name, 0, None) for name in node.output]
        model = make_model(make_graph([node], "constants", inputs, outputs), opset_imports=self.model.opset_import)
        return ReferenceEvaluator(model).run(None, given)
