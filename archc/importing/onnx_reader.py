"""Reads .onnx files (https://onnx.ai/onnx/operators/), of opset 7 to today's, with the `onnx` package.

Nothing in a file is executed. Weights may be initializers or nodes that make constants.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy
from torch import Tensor

from archc.extras import how_to_install, installed
from archc.importing.constants import Constant, Constants
from archc.importing.flat import SOFTMAX, Flat, invalid, read_bounded
from archc.importing.graph import Operation, Scope, SourceGraph, Value
from archc.importing.onnx_run import runner
from archc.importing.segments import bound, grouped
from archc.kinds import Shape
from archc.language.names import as_class_name
from archc.limits import MAX_IMPORTED, MAX_IMPORTED_PARAMETERS, how_to_raise
from archc.problems import Problem, Source, SpecError
from archc.text import first_line

LOWEST = -3.4028234663852886e38
"""The smallest float32: a maximum never takes it."""

UNKNOWN_BATCH = 7919
"""What stands for a batch of any size while shapes are computed: no size of a layer is likely to be this prime."""

_SIMPLE = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Selu": "selu",
    "HardSwish": "hardswish",
    "Mish": "mish",
    "Swish": "silu",
}


_REALS = ("max", "min", "ratio", "scales", "value")
"""The settings that need not be integers."""


def read_onnx(path: Path, name: str | None = None, input: Shape | None = None) -> SourceGraph:
    """The graph of an .onnx file, for its own input or another one. Raises SpecError (E0101, E0804, E0805)."""
    model = _load(path)
    return _Reader(model, path, name, input).graph()


def _load(path: Path) -> Any:
    """The model in a file, with the tensors that it keeps in files beside it."""
    file = str(path)
    if not installed("onnx"):
        what = "an .onnx file needs the package onnx, which is not installed"
        raise SpecError([Problem("E0804", what, help=how_to_install("onnx"), file=file)])
    import onnx
    from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

    data = read_bounded(path, 4 * MAX_IMPORTED_PARAMETERS + 2**26, "E0805", "MAX_IMPORTED_PARAMETERS")
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception:  # protobuf's errors differ from version to version
        raise SpecError([Problem("E0804", "it is not an ONNX model", file=file)]) from None
    if not model.graph.node:
        raise SpecError([Problem("E0804", "the model has no nodes", file=file)])
    if not all(isinstance(text, str) for text in _texts(model)):
        raise SpecError([Problem("E0804", "a name in the model is not UTF-8", file=file)])
    if len(model.graph.node) > 2 * MAX_IMPORTED:
        what = f"the model has {len(model.graph.node):,} nodes"
        raise SpecError([Problem("E0805", what, help=how_to_raise("MAX_IMPORTED"), file=file)])
    claimed = 0
    folder = os.path.dirname(os.path.abspath(path))
    for tensor in model.graph.initializer:
        claimed += prod(tensor.dims) if all(size >= 0 for size in tensor.dims) else 2**62
        if claimed > 2 * MAX_IMPORTED_PARAMETERS:
            what = f"the initializers have more than {2 * MAX_IMPORTED_PARAMETERS:,} values"
            raise SpecError([Problem("E0805", what, help=how_to_raise("MAX_IMPORTED_PARAMETERS"), file=file)])
        if uses_external_data(tensor):
            try:
                load_external_data_for_tensor(tensor, folder)
            except Exception as error:  # what lies outside the folder, is a link, or is not there
                what = f"the values of `{tensor.name}` cannot be read from the folder of the model: {first_line(error)}"
                raise SpecError([Problem("E0804", what, file=file)]) from None
    return model


def _texts(model: Any) -> Iterator[Any]:
    """The names in a model; protobuf gives one that is not UTF-8 as bytes."""
    graph = model.graph
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (each.name for each in node.attribute)
        yield from (text for entry in node.metadata_props for text in (entry.key, entry.value))
    yield from (graph.name, *(each.name for each in (*graph.input, *graph.output, *graph.initializer)))
    yield from (each.domain for each in model.opset_import)


class _Reader:
    """Turns nodes into operations. A name is a constant, or a value of the network, or unknown after an error."""

    def __init__(self, model: Any, path: Path, name: str | None, input: Shape | None) -> None:
        from onnx import checker

        self.model = model
        self.path = path
        self.source = Source(str(path), "")
        self.opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=1)
        self.constants = Constants(model, self.fail)
        self.context = checker.C.CheckerContext()
        self.context.ir_version, self.context.opset_imports = max(model.ir_version, 3), {"": self.opset}
        if self.opset < 7:
            raise self.fail(f"the model uses opset {self.opset}; archc reads opset 7 and later")
        self.nodes = self.needed()
        self.readers: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for given in node.input:
                self.readers[given].append(node)
        self.ends = [output.name for output in model.graph.output]
        self.batch, self.inputs = self.network_inputs(input)
        self.flat = Flat(self.source, {"input": next(iter(self.inputs.values()))})
        self.values: dict[str, Value | None] = {name: Value(-1 - at) for at, name in enumerate(self.inputs)}
        self.grouped: dict[str, tuple[Value, int, bool]] = {}  # channels as groups × channels, transposed or not
        self.skipped: set[int] = set()
        self.state: dict[str, Callable[[], Tensor]] = {}
        self.transposed: set[str] = set()
        self.owned: set[str] = set()  # weights that a layer has
        self.fixed: dict[str, float] = {}
        title = name or model.graph.name or path.stem
        self.name = as_class_name(path.stem if title == "main_graph" else title)

    def fail(self, what: str) -> SpecError:
        """The error for an invalid file."""
        return invalid(self.source, 0, what)

    def needed(self) -> list[Any]:
        """The nodes that the outputs depend on, in the file's order."""
        made = {output: at for at, node in enumerate(self.model.graph.node) for output in node.output if output}
        wanted = [output.name for output in self.model.graph.output]
        found: set[int] = set()
        while wanted:
            at = made.get(wanted.pop())
            if at is not None and at not in found:
                found.add(at)
                wanted += self.model.graph.node[at].input
        return [self.model.graph.node[at] for at in sorted(found)]

    def network_inputs(self, given: Shape | None) -> tuple[int, dict[str, Shape]]:
        """The batch and the inputs that are no weights."""
        used = {name for node in self.nodes for name in node.input}
        found: dict[str, Shape] = {}
        batch = UNKNOWN_BATCH
        for value in self.model.graph.input:
            if value.name in self.constants or value.name not in used:
                continue
            dims = [each.dim_value for each in value.type.tensor_type.shape.dim]
            if len(dims) < 2:
                raise self.fail(f"the input `{value.name}` has no batch and sizes")
            batch = dims[0] if dims[0] > 0 else UNKNOWN_BATCH
            shape = given if given is not None and not found else tuple(dims[1:])
            if any(size < 1 for size in shape):
                what = f"the sizes of the input `{value.name}` are unknown"
                help = "give them, for example `--input 3x224x224`"
                raise SpecError([Problem("E0804", what, help=help, file=str(self.path))])
            found[value.name] = shape
        if len(found) != 1:
            raise self.fail(f"the model has {len(found)} inputs that are not weights; archc imports networks with one")
        return batch, found

    def graph(self) -> SourceGraph:
        """The network's graph."""
        for node in self.nodes:
            if id(node) not in self.skipped:
                self.read(node)
        results: dict[str | None, Value] = {}
        ends: list[str] = []
        for name in self.ends:
            last = next((node for node in self.nodes if name in node.output), None)
            if last is not None and last.op_type == "Softmax" and not self.readers[name]:
                self.flat.notes[SOFTMAX] = None
                name = last.input[0]
            value = self.values.get(name)
            if value is None and not self.flat.unsupported:
                raise self.fail(f"no node makes the output `{name}` from the input")
            if value is not None:
                ends.append(name)
                results[_word(name)] = self.flat.vector(value)
        if len(results) == 1:
            results = {None: next(iter(results.values()))}
        run, program = runner(
            self.model, str(self.path), next(iter(self.inputs)), ends, self.batch, self.transposed, self.fixed
        )
        graph = self.flat.graph(
            self.name,
            results,
            state={key: value() for key, value in self.state.items()} if not self.flat.unsupported else {},
            run=run,
            reference=program,
            tolerance=1e-5,
            format=f"ONNX, opset {self.opset}",
        )
        return _structured(graph)

    # Nodes

    def read(self, node: Any) -> None:
        """Add the operations of a node, or compute its constants."""
        for given in node.input:
            if given and given not in self.values and given not in self.constants and given not in self.grouped:
                raise self.fail(f"{_place(node)} reads `{given}`, which no node before it makes")
        if all(not given or given in self.constants for given in node.input):
            if self.constants.compute(node):
                return
        elif node.op_type == "Shape" and self.values.get(node.input[0]) is not None:
            shape = (self.batch, *self.flat.shape(self.value(node, 0)))
            start, end = self.attribute(node, "start", 0), self.attribute(node, "end", len(shape))
            self.constants.add(node.output[0], numpy.array(shape[start:end], numpy.int64))
            return
        given = [self.values.get(name) for name in node.input if name in self.values]
        self.require_valid(node)
        function = getattr(self, f"read_{node.op_type.lower()}", None)
        if node.domain not in ("", "ai.onnx"):
            self.refuse(node, f"of the domain {node.domain}", f"{node.domain}.{node.op_type}")
            made = None
        elif function is None and node.op_type not in _SIMPLE:
            self.refuse(node)
            made = None
        elif any(value is None for value in given):
            made = None
        else:
            made = function(node) if function else self.add(node, _SIMPLE[node.op_type], [self.value(node, 0)])
        for number, output in enumerate(node.output):
            if output and output not in self.grouped and output not in self.values:
                parts = made if isinstance(made, list) else [made]
                self.values[output] = parts[number] if number < len(parts) else None

    def require_valid(self, node: Any) -> None:
        """Raise SpecError (E0804) for a node without the inputs and attributes that its operator has."""
        from onnx import checker, defs

        if node.domain not in ("", "ai.onnx") or not defs.has(node.op_type, self.opset, ""):
            return
        try:
            checker.check_node(node, self.context)
        except Exception as error:  # onnx's own
            raise self.fail(f"{_place(node)} is not valid: {first_line(error)}") from None

    def refuse(self, node: Any, reason: str = "", operation: str = "") -> None:
        """Note a node that archc has no word for."""
        self.flat.refuse(operation or node.op_type, reason=reason, place=_place(node))

    def value(self, node: Any, at: int) -> Value:
        """The value that is a node's input. Raises SpecError (E0804) if it is a constant."""
        found = self.values.get(node.input[at]) if at < len(node.input) else None
        if found is None:
            raise self.fail(f"input {at} of {_place(node)} is not a value of the network")
        return found

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        """An attribute as a Python value."""
        from onnx.helper import get_attribute_value

        for each in node.attribute:
            if each.name == name:
                value = get_attribute_value(each)
                return value.decode(errors="replace") if isinstance(value, bytes) else value
        return default

    def real(self, node: Any, name: str, default: float) -> float:
        """An attribute that is a float32, as its shortest decimal."""
        return float(str(numpy.float32(self.attribute(node, name, default))))

    def setting(self, node: Any, name: str, at: int, default: Any = None) -> Any:
        """An attribute that became an input in a later opset: an array, or the default."""
        found = self.attribute(node, name)
        if found is None and at < len(node.input) and node.input[at]:
            constant = self.constants.get(node.input[at])
            if constant is None:
                return None
            found = constant.array()
        if found is None:
            return default
        values = numpy.atleast_1d(numpy.array(found))
        if values.ndim > 1 or values.dtype.kind not in ("fiu" if name in _REALS else "iu") or numpy.isnan(values).any():
            raise self.fail(
                f"`{name}` of {_place(node)} is not a list of {'numbers' if name in _REALS else 'integers'}"
            )
        return values

    def add(
        self,
        node: Any,
        kind: str,
        inputs: Sequence[Value],
        arguments: Mapping[str, Any] | None = None,
        tensors: Mapping[str, str] | None = None,
        main: bool = True,
    ) -> Value:
        """Add a layer for a node, in the place that its metadata or its weight's name say."""
        scopes, name = _scopes(node) if main else ((), "")
        if not scopes and not name and tensors:
            key = self.constants.origin(next(iter(tensors.values())))
            name = _word(re.sub(r"[._/]?(weight|w)(_?\d*)$", "", key)) if not key.isdigit() else ""
            name = name if re.search("[a-zA-Z]", name) and not re.fullmatch(r"onnx_.*|val_.*|_v_.*", name) else ""
        made = self.flat.add(kind, inputs, arguments, name=name, tensors=tensors, place=_place(node))
        if scopes:
            at = made.operation
            self.flat.operations[at] = replace(self.flat.operations[at], scopes=scopes)
        for key in (tensors or {}).values():
            if key in self.owned:
                self.refuse(node, f"shares the weights `{key}` with another node")
            self.owned.add(key)
            constant = self.constants.get(key)
            if constant is not None and key not in self.state:
                self.state[key] = constant.tensor
        return made

    def weight(self, node: Any, at: int) -> Constant | None:
        """A constant input; None (and a note) if it is not constant."""
        constant = self.constants.get(node.input[at]) if at < len(node.input) and node.input[at] else None
        if constant is None:
            self.refuse(node, "whose weights are not constant")
        return constant

    def bias(self, node: Any, at: int) -> str | None:
        """The name of a bias; None if there is none, or if it is the zeros that exporters write for no bias."""
        if at >= len(node.input) or not node.input[at]:
            return None
        constant, weight = self.constants.get(node.input[at]), str(node.input[1])
        if constant is None:
            return None
        other = weight.endswith("weight") and node.input[at] != f"{weight.removesuffix('weight')}bias"
        if (constant.computed or other) and constant.is_zero():
            return None
        return self.constants.key(node.input[at])

    def pads(
        self, node: Any, shape: Shape, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """The padding before and after each axis, whatever `auto_pad` says."""
        rank = len(kernel)
        given = list(self.attribute(node, "pads", [0] * (2 * rank)))
        auto = self.attribute(node, "auto_pad", "NOTSET")
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            before, after = [], []
            for n, k, s, d in zip(shape[1:], kernel, strides, dilations, strict=True):
                total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
                low = total // 2 if auto == "SAME_UPPER" else total - total // 2
                before.append(low)
                after.append(total - low)
            return before, after
        if auto == "VALID" or len(given) != 2 * rank:
            return [0] * rank, [0] * rank
        return given[:rank], given[rank:]

    # Layers with weights

    def read_conv(self, node: Any) -> Value | None:
        """Convolution; uneven padding is a layer of its own."""
        weight = self.weight(node, 1)
        if weight is None:
            return None
        rank, x = len(weight.shape) - 2, self.value(node, 0)
        if rank not in (1, 2, 3):
            raise self.fail(f"the weights of {_place(node)} have {len(weight.shape)} axes")
        kernel = list(weight.shape[2:])
        strides = list(self.attribute(node, "strides", [1] * rank))
        dilations = list(self.attribute(node, "dilations", [1] * rank))
        groups = self.attribute(node, "group", 1)
        if weight.shape[1] * groups != self.flat.shape(x)[0]:
            channels = self.flat.shape(x)[0]
            raise self.fail(
                f"the weights of {_place(node)} are for {weight.shape[1] * groups} channels, not {channels}"
            )
        before, after = self.pads(node, self.flat.shape(x), kernel, strides, dilations)
        x, padding = self.padded(node, x, before, after, 0.0)
        bias = self.bias(node, 2)
        arguments = {
            "out_channels": weight.shape[0],
            "kernel_size": _one(kernel),
            "stride": _one(strides),
            "padding": _one(padding),
            "dilation": _one(dilations),
            "groups": groups,
            "bias": bias is not None,
        }
        tensors = {"weight": self.constants.key(node.input[1])} | ({} if bias is None else {"bias": bias})
        return self.add(node, f"conv{rank}d", [x], arguments, tensors)

    def padded(self, node: Any, x: Value, before: list[int], after: list[int], value: float) -> tuple[Value, list[int]]:
        """The value with the padding that is not the same on both sides, and the rest of it."""
        if before == after:
            return x, before
        if len(before) != 2:
            self.refuse(node, "with uneven padding")
            return x, before
        sides = (before[1], after[1], before[0], after[0])
        return self.add(node, "pad", [x], {"padding": sides, "value": value}, main=False), [0, 0]

    def read_convtranspose(self, node: Any) -> Value | None:
        """Transposed convolution."""
        weight = self.weight(node, 1)
        if weight is None:
            return None
        rank = len(weight.shape) - 2
        pads = list(self.attribute(node, "pads", [0] * (2 * rank)))
        if self.attribute(node, "auto_pad", "NOTSET") != "NOTSET" or pads[:rank] != pads[rank:]:
            self.refuse(node, "with uneven or automatic padding")
            return None
        groups, bias = self.attribute(node, "group", 1), self.bias(node, 2)
        arguments = {
            "out_channels": weight.shape[1] * groups,
            "kernel_size": _one(weight.shape[2:]),
            "stride": _one(self.attribute(node, "strides", [1] * rank)),
            "padding": _one(pads[:rank]),
            "output_padding": _one(self.attribute(node, "output_padding", [0] * rank)),
            "groups": groups,
            "bias": bias is not None,
            "dilation": _one(self.attribute(node, "dilations", [1] * rank)),
        }
        tensors = {"weight": self.constants.key(node.input[1])} | ({} if bias is None else {"bias": bias})
        return self.add(node, f"conv_transpose{rank}d", [self.value(node, 0)], arguments, tensors)

    def read_batchnormalization(self, node: Any) -> Value | None:
        """Batch norm; a scale and a shift that follow it are its own."""
        if any(self.weight(node, at) is None for at in range(1, 5)):
            return None
        x, rank = self.value(node, 0), len(self.flat.shape(self.value(node, 0)))
        keys = map(self.constants.key, node.input[1:5])
        names = dict(zip(("weight", "bias", "running_mean", "running_var"), keys, strict=True))
        scaled = self.scale_and_shift(node, (self.flat.shape(x)[0],))
        arguments = {"eps": self.real(node, "epsilon", 1e-5)}
        if scaled is None:
            return self.add(node, f"batch_norm{max(1, rank - 1)}d", [x], arguments, names)
        (multiply, factor), (shift, offset) = scaled
        own = self.constants
        outer, inner = {"weight": own.origin(factor), "bias": own.origin(offset)}, dict(names)
        made = self.add(node, f"batch_norm{max(1, rank - 1)}d", [x], arguments, {**names, **outer})
        weight, bias = (own[inner[name]].tensor for name in ("weight", "bias"))
        by, plus = own[outer["weight"]].tensor, own[outer["bias"]].tensor
        self.state[outer["weight"]] = lambda: weight() * by()
        self.state[outer["bias"]] = lambda: bias() * by() + plus()
        self.fixed |= {inner["weight"]: 1.0, inner["bias"]: 0.0}
        for each in (multiply, shift):
            self.skipped.add(id(each))
            self.values[each.output[0]] = made
        return made

    def scale_and_shift(self, node: Any, shape: Shape) -> tuple[tuple[Any, str], tuple[Any, str]] | None:
        """The Mul and Add that alone follow a node, each with a constant for each channel."""
        found: list[tuple[Any, str]] = []
        for wanted in ("Mul", "Add"):
            output = node.output[0]
            following = self.readers[output]
            if len(following) != 1 or following[0].op_type != wanted or output in self.ends:
                return None
            node = following[0]
            other = next((name for name in node.input if name != output), "")
            self.constants.compute_all(other)
            constant = self.constants.get(other)
            origin = self.constants.origin(other)
            if constant is None or prod(constant.shape) != shape[0] or self.constants[origin].shape != shape:
                return None
            found.append((node, other))
        return found[0], found[1]

    def read_gemm(self, node: Any) -> Value | None:
        """Fully connected layer."""
        weight = self.weight(node, 1)
        if weight is None or len(weight.shape) != 2:
            return None
        if any(self.real(node, name, 1.0) != 1 for name in ("alpha", "beta")) or self.attribute(node, "transA", 0):
            self.refuse(node, "with factors or a transposed input")
            return None
        return self.linear(node, weight, bool(self.attribute(node, "transB", 0)), self.bias(node, 2))

    def linear(self, node: Any, weight: Constant, as_stored: bool, bias: str | None) -> Value | None:
        """A linear layer; PyTorch stores its weight as outputs × inputs."""
        x = self.value(node, 0)
        outputs, inputs = weight.shape if as_stored else weight.shape[::-1]
        if self.flat.shape(x) != (inputs,):
            self.refuse(node, "of something other than a vector")
            return None
        key = self.constants.key(node.input[1])
        tensors = {"weight": key} | ({} if bias is None else {"bias": bias})
        made = self.add(node, "linear", [x], {"out_features": outputs, "bias": bias is not None}, tensors)
        if not as_stored:
            self.transposed.add(key)
            self.state[key] = lambda: weight.tensor().T.contiguous()
        return made

    def read_matmul(self, node: Any) -> Value | None:
        """Fully connected layer, with the bias that follows it."""
        weight = self.weight(node, 1)
        if weight is None or len(weight.shape) != 2:
            return None
        following = self.readers[node.output[0]]
        bias = None
        if len(following) == 1 and following[0].op_type == "Add" and node.output[0] not in self.ends:
            other = next((name for name in following[0].input if name != node.output[0]), "")
            self.constants.compute_all(other)
            if other in self.constants and self.constants[other].shape == (weight.shape[1],):
                bias = self.constants.key(other)
        made = self.linear(node, weight, False, bias)
        if bias is not None:
            self.skipped.add(id(following[0]))
            self.values[following[0].output[0]] = made
        return made

    def read_prelu(self, node: Any) -> Value | None:
        """ReLU with learned slopes."""
        slope = self.weight(node, 1)
        if slope is None:
            return None
        key, count = self.constants.key(node.input[1]), prod(slope.shape)
        if max(slope.shape, default=1) != count:
            self.refuse(node, "whose slopes have several axes")
            return None
        made = self.add(node, "prelu", [self.value(node, 0)], {"num_parameters": count}, {"weight": key})
        self.state[key] = lambda: slope.tensor().reshape(count)
        return made

    def read_instancenormalization(self, node: Any) -> Value | None:
        """Instance norm."""
        x = self.value(node, 0)
        if self.weight(node, 1) is None or self.weight(node, 2) is None:
            return None
        arguments = {"eps": self.real(node, "epsilon", 1e-5), "affine": True}
        tensors = {"weight": self.constants.key(node.input[1]), "bias": self.constants.key(node.input[2])}
        return self.add(node, f"instance_norm{len(self.flat.shape(x)) - 1}d", [x], arguments, tensors)

    # Pools

    def read_maxpool(self, node: Any) -> Value | None:
        """Max pool; one position more at the end is `ceil_mode` if it gives the same windows."""
        if len(node.output) > 1 and node.output[1]:
            self.refuse(node, "with indices")
            return None
        return self.pool(node, "max", LOWEST, {"dilation": _one(self.attribute(node, "dilations", [1]))})

    def read_averagepool(self, node: Any) -> Value | None:
        """Average pool; ONNX doesn't count the padding unless it says so."""
        if any(size != 1 for size in self.attribute(node, "dilations", [1])):
            self.refuse(node, "with dilation")
            return None
        counted = bool(self.attribute(node, "count_include_pad", 0))
        return self.pool(node, "avg", 0.0, {"count_include_pad": counted})

    def pool(self, node: Any, method: str, filling: float, more: dict[str, Any]) -> Value | None:
        """A pool with its padding."""
        x = self.value(node, 0)
        kernel = list(self.attribute(node, "kernel_shape", []))
        rank = len(kernel)
        if rank != len(self.flat.shape(x)) - 1 or rank not in (1, 2, 3):
            raise self.fail(f"{_place(node)} has no window for each axis")
        strides = list(self.attribute(node, "strides", [1] * rank))
        dilations = list(self.attribute(node, "dilations", [1] * rank))
        before, after = self.pads(node, self.flat.shape(x), kernel, strides, dilations)
        up = bool(self.attribute(node, "ceil_mode", 0))
        if before != after and not up and self.same_windows(x, kernel, strides, before, after, dilations):
            up, after = True, before
        ends = zip(self.flat.shape(x)[1:], kernel, before, after, strict=True)
        if (
            method == "avg"
            and not more["count_include_pad"]
            and all(low + n <= k == low + n + high for n, k, low, high in ends)
        ):
            return self.add(node, f"adaptive_avg_pool{rank}d", [x], {"output_size": 1})  # one window over the whole map
        if before != after and method == "avg" and not more["count_include_pad"]:
            self.refuse(node, "with uneven padding that is not counted")
            return None
        if not any(before) and not any(after) and method == "avg":
            more = {}
        x, padding = self.padded(node, x, before, after, filling)
        arguments = {"kernel_size": _one(kernel), "stride": _one(strides), "padding": _one(padding), **more}
        if up:
            arguments["ceil_mode"] = True
        return self.add(node, f"{method}_pool{rank}d", [x], arguments)

    def same_windows(
        self, x: Value, kernel: list[int], strides: list[int], before: list[int], after: list[int], dilations: list[int]
    ) -> bool:
        """Return True if rounding sizes up gives the windows that more padding at the end gives."""
        for n, k, s, low, high, d in zip(
            self.flat.shape(x)[1:], kernel, strides, before, after, dilations, strict=True
        ):
            reach = d * (k - 1) + 1
            wanted = (n + low + high - reach) // s + 1
            rounded = -(-(n + 2 * low - reach) // s) + 1
            if (rounded - 1) * s >= n + low:
                rounded -= 1
            if wanted != rounded or high < low:
                return False
        return True

    def read_globalaveragepool(self, node: Any) -> Value:
        """The mean of each channel."""
        x = self.value(node, 0)
        return self.add(node, f"adaptive_avg_pool{len(self.flat.shape(x)) - 1}d", [x], {"output_size": 1})

    def read_globalmaxpool(self, node: Any) -> Value:
        """The largest value of each channel."""
        x = self.value(node, 0)
        return self.add(node, f"adaptive_max_pool{len(self.flat.shape(x)) - 1}d", [x], {"output_size": 1})

    def read_reducemean(self, node: Any) -> Value | None:
        """The mean over axes."""
        return self.reduction(node, "mean")

    def read_reducemax(self, node: Any) -> Value | None:
        """The largest value over axes."""
        return self.reduction(node, "amax")

    def reduction(self, node: Any, kind: str) -> Value | None:
        """One value for all positions of axes after the batch."""
        x = self.value(node, 0)
        rank = len(self.flat.shape(x)) + 1
        given = self.setting(node, "axes", 1)
        axes = sorted(int(axis) % rank for axis in given) if given is not None else [0]
        keep = bool(self.attribute(node, "keepdims", 1))
        if axes[0] == 0 or (len(axes) == rank - 1 and not keep):
            self.refuse(node, "over the batch" if axes[0] == 0 else "over every axis")
            return None
        spatial = axes == list(range(2, rank))
        if kind == "mean" and keep and spatial:
            return self.add(node, f"adaptive_avg_pool{rank - 2}d", [x], {"output_size": 1})
        over = {} if spatial else {"dim": axes[0] if len(axes) == 1 else tuple(axes)}
        return self.add(node, kind, [x], over | ({"keepdim": True} if keep else {}))

    # Activations and norms without weights

    def read_leakyrelu(self, node: Any) -> Value:
        """Leaky ReLU."""
        return self.add(node, "leaky_relu", [self.value(node, 0)], {"negative_slope": self.real(node, "alpha", 0.01)})

    def read_elu(self, node: Any) -> Value:
        """ELU."""
        return self.add(node, "elu", [self.value(node, 0)], {"alpha": self.real(node, "alpha", 1.0)})

    def read_hardsigmoid(self, node: Any) -> Value | None:
        """Hard sigmoid as PyTorch has it: x/6 + 1/2."""
        if abs(self.real(node, "alpha", 0.2) - 1 / 6) > 1e-6 or self.real(node, "beta", 0.5) != 0.5:
            self.refuse(node, "with a slope other than 1/6")
            return None
        return self.gated(node, "hardsigmoid", "hardswish")

    def read_sigmoid(self, node: Any) -> Value:
        """Sigmoid, or SiLU if its input is multiplied with it."""
        return self.gated(node, "sigmoid", "silu")

    def gated(self, node: Any, kind: str, product: str) -> Value:
        """An activation, or the one that is its product with its own input."""
        following = self.readers[node.output[0]]
        alone = len(following) == 1 and following[0].op_type == "Mul" and node.output[0] not in self.ends
        if alone and set(following[0].input) == {node.input[0], node.output[0]}:
            made = self.add(node, product, [self.value(node, 0)])
            self.skipped.add(id(following[0]))
            self.values[following[0].output[0]] = made
            return made
        return self.add(node, kind, [self.value(node, 0)])

    def read_gelu(self, node: Any) -> Value:
        """GELU."""
        return self.add(
            node, "gelu", [self.value(node, 0)], {"approximate": self.attribute(node, "approximate", "none")}
        )

    def read_clip(self, node: Any) -> Value | None:
        """A clip to 0 … 6, which is ReLU6, or from 0 on, which is ReLU."""
        low, high = self.setting(node, "min", 1), self.setting(node, "max", 2)
        if low is not None and float(low[0]) == 0 and high is None and (len(node.input) < 3 or not node.input[2]):
            return self.add(node, "relu", [self.value(node, 0)])
        if low is None or high is None or float(low[0]) != 0 or float(high[0]) != 6:
            self.refuse(node, "to bounds other than 0 and 6")
            return None
        return self.add(node, "relu6", [self.value(node, 0)])

    def read_lrn(self, node: Any) -> Value | None:
        """Local response normalization."""
        size = self.attribute(node, "size", 0)
        if size % 2 == 0:
            self.refuse(node, "with an even size, for which PyTorch uses a different window")
            return None
        arguments = {
            "size": size,
            "alpha": self.real(node, "alpha", 1e-4),
            "beta": self.real(node, "beta", 0.75),
            "k": self.real(node, "bias", 1.0),
        }
        return self.add(node, "local_response_norm", [self.value(node, 0)], arguments)

    def read_softmax(self, node: Any) -> Value | None:
        """Softmax over an axis; at the end it is removed."""
        x = self.value(node, 0)
        if node.output[0] in self.ends and not self.readers[node.output[0]]:
            return x
        rank = len(self.flat.shape(x)) + 1
        axis = self.attribute(node, "axis", 1 if self.opset < 13 else -1) % rank
        if axis == 0 or (self.opset < 13 and prod(self.flat.shape(x)[axis:]) != 1):  # over all from this one on
            self.refuse(node, "over the batch" if axis == 0 else "over several axes")
            return None
        return self.add(node, "softmax", [x], {} if axis == 1 else {"dim": axis})

    def read_dropout(self, node: Any) -> Value:
        """Dropout."""
        ratio = self.setting(node, "ratio", 1)
        p = 0.5 if ratio is None else float(str(numpy.float32(ratio[0])))
        return self.add(node, "dropout", [self.value(node, 0)], {"p": p})

    # Joins

    def values_of(self, node: Any) -> list[Value] | None:
        """All inputs of a join; None (and a note) if one is constant."""
        if any(name in self.constants for name in node.input):
            self.refuse(node, "with a constant")
            return None
        return [self.value(node, at) for at in range(len(node.input))]

    def read_add(self, node: Any) -> Value | None:
        """A sum."""
        values = self.values_of(node)
        if values is None or len(values) == 1:
            return values[0] if values else None
        if len({self.flat.shape(value) for value in values}) > 1:
            self.refuse(node, "of different shapes")
            return None
        return self.add(node, "add", values)

    read_sum = read_add

    def read_mul(self, node: Any) -> Value | None:
        """A product."""
        values = self.values_of(node)
        return None if values is None else self.add(node, "multiply", values)

    def read_concat(self, node: Any) -> Value | None:
        """A join over channels."""
        values = self.values_of(node)
        if values is None:
            return None
        if self.attribute(node, "axis", 1) % (len(self.flat.shape(values[0])) + 1) != 1:
            self.refuse(node, "not over channels")
            return None
        return values[0] if len(values) == 1 else self.add(node, "concat", values)

    # Parts and forms

    def read_split(self, node: Any) -> list[Value] | None:
        """Channels in several parts."""
        x = self.value(node, 0)
        shape, count = self.flat.shape(x), len(node.output)
        if self.attribute(node, "axis", 0) % (len(shape) + 1) != 1:
            self.refuse(node, "not over channels")
            return None
        given = self.setting(node, "split", 1)
        each = -(-shape[0] // count)
        sections = [int(size) for size in given] if given is not None else [each] * (count - 1)
        sections += [] if given is not None else [shape[0] - each * (count - 1)]
        if len(set(sections)) == 1:
            made = self.add(node, "chunk", [x], {"chunks": count})
        else:
            made = self.add(node, "split", [x], {"sections": sections})
        return [Value(made.operation, number) for number in range(count)]

    def read_slice(self, node: Any) -> Value | None:
        """A part of the channels."""
        x = self.value(node, 0)
        shape = self.flat.shape(x)
        starts, ends = self.setting(node, "starts", 1), self.setting(node, "ends", 2)
        axes, steps = self.setting(node, "axes", 3), self.setting(node, "steps", 4)
        if (
            starts is None
            or ends is None
            or len(starts) != 1
            or (axes is not None and int(axes[0]) % (len(shape) + 1) != 1)
        ):
            self.refuse(node, "not of channels")
            return None
        start, end, step = slice(int(starts[0]), int(ends[0])).indices(shape[0])
        if axes is None or (steps is not None and int(steps[0]) != 1) or step != 1 or start >= end:
            self.refuse(node, "not of channels")
            return None
        if (start, end) == (0, shape[0]):
            return x
        sections = [size for size in (start, end - start, shape[0] - end) if size]
        made = self.add(node, "split", [x], {"sections": sections})
        return Value(made.operation, 1 if start else 0)

    def read_flatten(self, node: Any) -> Value | None:
        """All values of an image as a vector."""
        x = self.value(node, 0)
        if self.attribute(node, "axis", 1) % (len(self.flat.shape(x)) + 1) != 1:
            self.refuse(node, "of other axes")
            return None
        return self.as_vector(node, x)

    def as_vector(self, node: Any, x: Value) -> Value:
        """The value as a vector."""
        return x if len(self.flat.shape(x)) == 1 else self.add(node, "flatten", [x])

    def read_squeeze(self, node: Any) -> Value | None:
        """A map of one position as a vector."""
        x = self.value(node, 0)
        shape = self.flat.shape(x)
        axes = self.setting(node, "axes", 1, numpy.array([at + 1 for at, size in enumerate(shape) if size == 1]))
        if axes is None or sorted(int(axis) % (len(shape) + 1) for axis in axes) != list(range(2, len(shape) + 1)):
            self.refuse(node, "of axes other than height and width")
            return None
        return self.as_vector(node, x)

    def read_reshape(self, node: Any) -> Value | None:
        """A map as a vector, or the halves of a channel shuffle."""
        target = self.setting(node, "shape", 1)
        before = self.grouped.get(node.input[0])
        if target is None:
            self.refuse(node, "to a shape that is not constant")
            return None
        x = before[0] if before else self.value(node, 0)
        shape = self.flat.shape(x)
        own = (self.batch, *shape)
        if before:
            groups = before[1]
            own = (self.batch, groups, shape[0] // groups, *shape[1:])
            own = (own[0], own[2], own[1], *own[3:]) if before[2] else own
        wanted = _reshaped(own, [int(size) for size in target], bool(self.attribute(node, "allowzero", 0)))
        if wanted is None or wanted[0] not in (self.batch, 1):
            self.refuse(node, f"from {_sizes(own)} to {_sizes(tuple(map(int, target)))}")
            return None
        if before and wanted[1:] == shape:
            if not before[2]:
                return x
            return self.add(node, "channel_shuffle", [x], {"groups": before[1]})
        if not before and wanted[1:] == shape:
            return x
        if not before and wanted[1:] == (prod(shape),):
            return self.as_vector(node, x)
        if not before and len(wanted) == len(own) + 1 and wanted[3:] == own[2:] and wanted[1] * wanted[2] == own[1]:
            self.grouped[node.output[0]] = (x, wanted[1], False)
            return None
        self.refuse(node, f"from {_sizes(own[1:])} to {_sizes(wanted[1:])}")
        return None

    def read_transpose(self, node: Any) -> Value | None:
        """The middle of a channel shuffle."""
        before = self.grouped.get(node.input[0])
        order = list(self.attribute(node, "perm", []))
        if before and not before[2] and order == [0, 2, 1, *range(3, len(order))]:
            self.grouped[node.output[0]] = (before[0], before[1], True)
        elif order == list(range(len(order))) and not before:
            return self.value(node, 0)
        else:
            self.refuse(node)
        return None

    def read_identity(self, node: Any) -> Value:
        """The same value."""
        return self.value(node, 0)

    read_cast = read_castlike = read_identity

    def read_pad(self, node: Any) -> Value | None:
        """Padding of height and width."""
        x, pads = self.value(node, 0), self.setting(node, "pads", 1)
        value = self.setting(node, "value", 2)
        mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
        word = mode.get(self.attribute(node, "mode", "constant"))
        if pads is None or len(pads) != 8 or any(pads[at] for at in (0, 1, 4, 5)) or word is None or min(pads) < 0:
            self.refuse(node, "of axes other than height and width")
            return None
        sides = tuple(int(pads[at]) for at in (3, 7, 2, 6))
        arguments: dict[str, Any] = {"padding": sides[0] if len(set(sides)) == 1 else sides, "mode": word}
        if word == "constant" and value is not None:
            arguments["value"] = float(value[0])
        return self.add(node, "pad", [x], arguments)

    def read_upsample(self, node: Any) -> Value | None:
        """Upsampling by a factor."""
        return self.upsampled(node, self.setting(node, "scales", 1), "asymmetric")

    def read_resize(self, node: Any) -> Value | None:
        """Upsampling by a factor or to a size."""
        coordinates = self.attribute(node, "coordinate_transformation_mode", "half_pixel")
        scales = self.setting(node, "scales", 1 if self.opset < 11 else 2)
        if scales is None or not len(scales):
            sizes, x = self.setting(node, "sizes", 3), self.value(node, 0)
            shape = self.flat.shape(x)
            if sizes is None or len(sizes) != len(shape) + 1 or int(sizes[1]) != shape[0]:
                self.refuse(node, "to a size that is not constant")
                return None
            scales = numpy.array([1, 1, *(int(s) / n for s, n in zip(sizes[2:], shape[1:], strict=True))])
        return self.upsampled(node, scales, "asymmetric" if self.opset < 11 else coordinates)

    def upsampled(self, node: Any, scales: Any, coordinates: str) -> Value | None:
        """An `upsample` if PyTorch has the same positions."""
        x, mode = self.value(node, 0), self.attribute(node, "mode", "nearest")
        factors = [] if scales is None else [float(scale) for scale in scales]
        whole = len(factors) == len(self.flat.shape(x)) + 1 == 4 and all(f >= 1 and f == int(f) for f in factors)
        if not whole or factors[:2] != [1, 1] or factors[2] != factors[3]:
            self.refuse(node, "by something other than one integer factor for height and width")
            return None
        arguments: dict[str, Any] = {"scale_factor": int(factors[2])}
        nearest = self.attribute(node, "nearest_mode", "round_prefer_floor")
        if mode == "linear" and coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners"):
            arguments |= {"mode": "bilinear", "align_corners": coordinates == "align_corners"}
        elif mode != "nearest" or (coordinates, nearest) not in _NEAREST:
            self.refuse(node, f"with the mode {mode} and {coordinates} positions")
            return None
        return self.add(node, "upsample", [x], arguments)

    def read_depthtospace(self, node: Any) -> Value | None:
        """Pixel shuffle."""
        if self.attribute(node, "mode", "DCR") != "CRD":
            self.refuse(node, "in the order DCR")
            return None
        return self.add(
            node, "pixel_shuffle", [self.value(node, 0)], {"upscale_factor": self.attribute(node, "blocksize", 1)}
        )


_NEAREST = {
    ("asymmetric", "floor"),
    ("asymmetric", "round_prefer_floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
}
"""Ways to find the nearest position that repeat each one, for whole factors. Upsample's own is the first."""


def _one(sizes: Sequence[int]) -> Any:
    """A size for all axes, or one for each."""
    return int(sizes[0]) if len(set(sizes)) == 1 else tuple(map(int, sizes))


def _sizes(shape: Sequence[int]) -> str:
    return "×".join("batch" if size == UNKNOWN_BATCH else str(size) for size in shape)


def _place(node: Any) -> str:
    return f"node {node.name}" if node.name else f"the node {node.op_type} that makes {', '.join(node.output)[:60]}"


def _word(name: str) -> str:
    """A name that a spec can have."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return word if word[:1].isalpha() else f"layer_{word}"


def _reshaped(shape: Sequence[int], target: Sequence[int], allow_zero: bool) -> tuple[int, ...] | None:
    """The shape that a Reshape gives: 0 keeps an axis, and -1 is what is left. None if the sizes don't match."""
    found = [shape[at] if size == 0 and not allow_zero and at < len(shape) else size for at, size in enumerate(target)]
    if found.count(-1) > 1 or any(size < -1 for size in found):
        return None
    rest = prod(size for size in found if size != -1)
    if -1 in found:
        if not rest or prod(shape) % rest:
            return None
        found[found.index(-1)] = prod(shape) // rest
    return tuple(found) if prod(found) == prod(shape) else None


def _scopes(node: Any) -> tuple[tuple[Scope, ...], str]:
    """The modules around a node and its own name, as PyTorch's exporter notes them."""
    noted = {each.key: each.value for each in node.metadata_props}
    paths = re.findall(r"'([^']*)'", noted.get("pkg.torch.onnx.name_scopes", ""))
    classes = re.findall(r"'([^']*)'", noted.get("pkg.torch.onnx.class_hierarchy", ""))
    if len(paths) != len(classes) or len(paths) < 2:
        return (), ""
    modules = list(zip(paths, classes, strict=True))[1:-1]
    name = ""
    if modules and re.match(r"torch\.nn\.(?!modules\.container)|archc\.build\.modules", modules[-1][1]):
        name = modules.pop()[0].rpartition(".")[2]
    return tuple(Scope(path, kind.rpartition(".")[2]) for path, kind in modules), name


def _structured(graph: SourceGraph) -> SourceGraph:
    """The graph with the hierarchy that its nodes note, or else with the blocks that are found in it."""
    from archc.importing.convert import to_spec

    if any(operation.scopes for operation in graph.operations) and not graph.unsupported:
        names = Counter((operation.scopes, operation.name) for operation in graph.operations if operation.name)
        unique = tuple(
            replace(each, name=each.name if names[each.scopes, each.name] == 1 else "") for each in graph.operations
        )
        scoped = replace(graph, operations=unique)
        try:
            to_spec(scoped)
        except SpecError:
            pass  # the notes are not reliable after other programs have changed the file
        else:
            return scoped
    plain = tuple(replace(operation, scopes=()) for operation in graph.operations)
    return grouped(bound(replace(graph, operations=_distinct(plain))))


def _distinct(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    counts = Counter(operation.name for operation in operations)
    return tuple(replace(each, name=each.name if counts[each.name] == 1 else "") for each in operations)
