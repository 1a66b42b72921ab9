"""The nodes of an ONNX graph: their inputs, attributes, constants and names, and the operations that they become."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
from torch import Tensor

from archc.importing.constants import Constant, Constants
from archc.importing.flat import Flat, invalid
from archc.importing.graph import Scope, Value
from archc.importing.reshaping import reshaping, shuffled
from archc.kinds import Shape
from archc.language.names import as_class_name
from archc.problems import Problem, Source, SpecError
from archc.text import first_line

UNKNOWN_BATCH = 7919
"""What stands for a batch of any size while shapes are computed: no size of a layer is likely to be this prime."""

_REALS = ("max", "min", "ratio", "scales", "value")
"""The settings that need not be integers."""


class Nodes:
    """What every operator needs. A name is a constant, or a value of the network, or unknown after an error."""

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
        self.unshaped: dict[Value, Value] = {}  # of a value that is another one in a new shape, the other one
        self.skipped: set[int] = set()
        self.state: dict[str, Callable[[], Tensor]] = {}
        self.transposed: set[str] = set()
        self.owned: set[str] = set()  # weights that a layer has
        self.fixed: dict[str, float] = {}
        self.noted = False  # whether a node has notes on its module
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

    # One node

    def require_valid(self, node: Any) -> None:
        """Raise SpecError (E0804) for a node without the inputs and attributes that its operator has."""
        from onnx import checker, defs

        if node.domain not in ("", "ai.onnx") or not defs.has(node.op_type, self.opset, ""):
            return
        try:
            checker.check_node(node, self.context)
        except Exception as error:  # onnx's own
            raise self.fail(f"{place_of(node)} is not valid: {first_line(error)}") from None

    def refuse(self, node: Any, reason: str = "", operation: str = "") -> None:
        """Note a node that archc has no word for."""
        self.flat.refuse(operation or node.op_type, reason=reason, place=place_of(node))

    def value(self, node: Any, at: int) -> Value:
        """The value that is a node's input. Raises SpecError (E0804) if it is a constant."""
        found = self.values.get(node.input[at]) if at < len(node.input) else None
        if found is None:
            raise self.fail(f"input {at} of {place_of(node)} is not a value of the network")
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
                f"`{name}` of {place_of(node)} is not a list of {'numbers' if name in _REALS else 'integers'}"
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
        self.noted = self.noted or bool(scopes or name)
        if not scopes and not name and tensors:
            key = self.constants.origin(next(iter(tensors.values())))
            name = as_word(re.sub(r"[._/]?(weight|w)(_?\d*)$", "", key)) if not key.isdigit() else ""
            name = name if re.search("[a-zA-Z]", name) and not re.fullmatch(r"onnx_.*|val_.*|_v_.*", name) else ""
        made = self.flat.add(kind, inputs, arguments, name=name, tensors=tensors, place=place_of(node))
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

    def reshaped(self, node: Any, x: Value, shape: Shape) -> Value:
        """The value in another shape: of several in a row only the last counts."""
        first = found = self.unshaped.get(x, x)
        layers = reshaping(self.flat.shape(first), shape)
        for number, layer in enumerate(layers, 1):
            (kind, arguments), taken = shuffled(layer, found, self.flat.operations)
            made = self.add(node, kind, [taken], arguments, main=number == len(layers))
            first, found = first if taken == found else made, made
        if found != first:
            self.unshaped[found] = first
        return found

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


def single(sizes: Sequence[int]) -> Any:
    """A size for all axes, or one for each."""
    return int(sizes[0]) if len(set(sizes)) == 1 else tuple(map(int, sizes))


def place_of(node: Any) -> str:
    """What messages call a node."""
    return f"node {node.name}" if node.name else f"the node {node.op_type} that makes {', '.join(node.output)[:60]}"


def as_word(name: str) -> str:
    """A name that a spec can have."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return word if word[:1].isalpha() else f"layer_{word}"


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
