"""Reads Caffe's .prototxt files: networks as they are deployed, with the old `layers` and the new `layer`.

What a layer computes is in Caffe's source (https://github.com/BVLC/caffe, `src/caffe/layers/`), its fields and defaults
in `src/caffe/proto/caffe.proto`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archc.importing.caffe_fillers import initializer
from archc.importing.caffe_reference import Reference
from archc.importing.flat import SOFTMAX, Flat, invalid, read_source_text
from archc.importing.graph import Operation, SourceGraph, Start, Value
from archc.importing.prototxt import Message, parse_prototxt
from archc.importing.segments import bound, grouped
from archc.kinds import KINDS, Shape
from archc.kinds.initializers import INITIALIZERS, can_set
from archc.language.names import as_class_name
from archc.problems import Source

_OLD = {
    "RELU": "ReLU",
    "PRELU": "PReLU",
    "ELU": "ELU",
    "LRN": "LRN",
    "TANH": "TanH",
    "BNLL": "BNLL",
    "MVN": "MVN",
    "HDF5_DATA": "HDF5Data",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
}
"""Types of the old format whose new name isn't the same words: the rest is INNER_PRODUCT and InnerProduct."""

_INPUTS = {"Input", "Data", "ImageData", "MemoryData", "HDF5Data", "DummyData", "WindowData", "Python"}
_DROPPED = {"Accuracy", "Silence", "HDF5Output", "ArgMax"}
"""Layers that only measure or print; types that end in Loss are dropped, too."""

_SHOWN = 3
"""Layers that a note on a filler lists."""


def read_caffe(path: Path, name: str | None = None, input: Shape | None = None) -> SourceGraph:
    """The graph of a .prototxt file, for its own input or another one. Raises SpecError (E0101, E0804, E0805)."""
    source = read_source_text(path)
    return _Reader(source, parse_prototxt(source), name or path.stem, input, named=name is not None).graph()


def type_of(layer: Message) -> str:
    """The type of a layer in its new name."""
    word = str(layer.get("type", ""))
    if word in _OLD:
        return _OLD[word]
    return "".join(part.capitalize() for part in word.split("_")) if word.isupper() and len(word) > 3 else word


def inference_layers(network: Message) -> list[Message]:
    """The layers in the phase TEST, in their order."""
    layers = [*network.messages("layers"), *network.messages("layer")]
    found = []
    for layer in layers:
        included = [str(rule.get("phase")) for rule in layer.messages("include") if rule.get("phase") is not None]
        excluded = [str(rule.get("phase")) for rule in layer.messages("exclude")]
        if ("TEST" in included or "1" in included or not included) and "TEST" not in excluded:
            found.append(layer)
    return found


class _Reader:
    """Turns layers into operations; `blobs` has the value that was last written under each name."""

    def __init__(self, source: Source, network: Message, name: str, input: Shape | None, *, named: bool) -> None:
        self.source = source
        self.layers = inference_layers(network)
        for layer in self.layers:
            if not isinstance(layer.get("type"), str):
                raise invalid(source, layer.line, "a layer must have a `type`")
        given = name if named else str(network.get("name", "")) or name
        self.name = as_class_name(given)
        blob, shape = self.input(network)
        self.flat = Flat(source, {"input": input or shape})
        self.input_name = blob
        self.blobs: dict[str, Value | None] = {blob: Value(-1)}
        self.names: Counter[str] = Counter()
        self.merged: set[int] = set()
        self.dropped: dict[str, list[str]] = defaultdict(list)  # layers by the filler that archc has no word for

    def input(self, network: Message) -> tuple[str, Shape]:
        """The name and shape of the network's input. Raises SpecError (E0804)."""
        blob = network.get("input")
        dims = network.all("input_dim") or network.message("input_shape").all("dim")
        line = network.line_of("input")
        for layer in self.layers if blob is None else ():
            if type_of(layer) in _INPUTS and blob is None:
                blob, line = layer.get("top"), layer.line
                dims = layer.message("input_param").message("shape").all("dim")
                crop = layer.message("transform_param").get("crop_size", 0)
                dims = dims or ([1, 3, crop, crop] if crop else [])
        if blob is None:
            raise invalid(
                self.source, 0, "the network has no input", "start with `input` or with a layer of type Input"
            )
        if not 2 <= len(dims) <= 5 or not all(type(size) is int and size > 0 for size in dims):
            raise invalid(self.source, line, f"the input `{blob}` has no shape: expected the batch and its sizes")
        return str(blob), tuple(dims[1:])

    def graph(self) -> SourceGraph:
        """The network's graph."""
        read: Counter[str] = Counter()
        for at, layer in enumerate(self.layers):
            kind = type_of(layer)
            bottoms, tops = list(map(str, layer.all("bottom"))), list(map(str, layer.all("top")))
            if kind in _INPUTS and not bottoms:
                continue
            if kind in _DROPPED or kind.endswith("Loss"):
                self.flat.notes[f"The layer `{layer.get('name')}` ({kind}) was dropped: inference does not use it."] = (
                    None
                )
                continue
            for bottom in bottoms:
                if bottom not in self.blobs:
                    raise invalid(
                        self.source, layer.line_of("bottom"), f"no layer before this one has the top `{bottom}`"
                    )
                read[bottom] += 1
            if not tops:
                raise invalid(self.source, layer.line, f"the layer `{layer.get('name')}` has no top")
            if at in self.merged:
                self.blobs[tops[0]], read[tops[0]] = self.blobs[bottoms[0]], 0
                continue
            made = self.read(layer, at, kind, [self.blobs[bottom] for bottom in bottoms])
            for number, top in enumerate(tops):
                self.blobs[top] = made[number] if number < len(made) else None
                read[top] = 0
        return self.made(read)

    def read(self, layer: Message, at: int, kind: str, inputs: list[Value | None]) -> list[Value]:
        """The outputs of a layer; none if it can't be said, or if an input is unknown."""
        function = getattr(self, f"read_{kind.lower()}", None)
        known = [value for value in inputs if value is not None]
        if function is None:
            self.flat.refuse(kind, layer.line)
            return []
        if not inputs:
            raise invalid(self.source, layer.line, f"a layer of type {kind} must have a `bottom`")
        if len(known) < len(inputs):
            return []
        if kind == "Softmax" and self.is_last(at, list(map(str, layer.all("top")))):
            self.flat.notes[SOFTMAX] = None
            return known
        made = function(layer, known, at) if kind == "BatchNorm" else function(layer, known)
        return [] if made is None else made if isinstance(made, list) else [made]

    def is_last(self, at: int, tops: Sequence[str]) -> bool:
        """Return True if nothing reads a layer's outputs at inference."""
        after = [layer for layer in self.layers[at + 1 :] if type_of(layer) not in _DROPPED]
        return not any(top in map(str, layer.all("bottom")) for layer in after for top in tops)

    def made(self, read: Counter[str]) -> SourceGraph:
        """The graph: its outputs are the blobs that no layer reads."""
        ends = {blob: value for blob, value in self.blobs.items() if not read[blob] and value not in (None, Value(-1))}
        results: dict[str | None, Value] = {
            _identifier(blob): self.flat.vector(value) for blob, value in ends.items() if value is not None
        }
        if len(results) == 1:
            results = {None: next(iter(results.values()))}
        if not results and not self.flat.unsupported:
            raise invalid(self.source, 0, "the network has no layers")
        for filler, names in self.dropped.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            what = f"The filler `{filler}` was dropped, because archc has no such initializer"
            self.flat.notes[f"{what}: {', '.join(names[:_SHOWN])}{more}."] = None
        graph = self.flat.graph(
            self.name,
            results,
            run=Reference(self.layers, self.input_name, list(ends)).run,
            reference="archc's evaluation of the .prototxt file by Caffe's rules",
            tolerance=1e-4,
            format="Caffe",
        )
        return grouped(bound(graph), _prefix)

    # Values

    def integer(self, message: Message, name: str, default: int) -> int:
        """An integer field. Raises SpecError (E0804)."""
        value = message.get(name, default)
        if type(value) is not int:
            raise invalid(self.source, message.line_of(name), f"`{name}` must be an integer")
        return value

    def number(self, message: Message, name: str, default: float) -> float:
        """A field with a number, as short as its float32 can be written. Raises SpecError (E0804)."""
        value = message.get(name, default)
        if type(value) not in (int, float):
            raise invalid(self.source, message.line_of(name), f"`{name}` must be a number")
        return float(value)

    def pair(self, message: Message, name: str, short: str, default: int) -> Any:
        """A size for both axes, or one for each: `kernel_size`, or `kernel_h` and `kernel_w`."""
        if f"{short}_h" in message.fields or f"{short}_w" in message.fields:
            pair = (self.integer(message, f"{short}_h", default), self.integer(message, f"{short}_w", default))
            return pair[0] if pair[0] == pair[1] else pair
        values = message.all(name)
        if not all(type(value) is int for value in values) or len(values) > 3:
            raise invalid(self.source, message.line_of(name), f"`{name}` must be one integer, or one for each axis")
        return default if not values else values[0] if len(set(values)) == 1 else tuple(values)

    def add(
        self,
        layer: Message,
        kind: str,
        inputs: Sequence[Value],
        arguments: dict[str, Any] | None = None,
        stored: Sequence[str] = (),
        initial: Mapping[str, Start] | None = None,
        suffix: str = "",
    ) -> Value:
        """Add a layer under its own name; its tensors are Caffe's blobs in their order."""
        name = _identifier(str(layer.get("name", "")) or kind, kind) + suffix
        self.names[name] += 1
        name = name if self.names[name] == 1 else f"{name}_{self.names[name]}"
        key = f"{layer.get('name', '')}@{layer.line}"
        tensors = {tensor: f"{key}.{number}" for number, tensor in enumerate(stored)}
        return self.flat.add(kind, inputs, arguments, name=name, tensors=tensors, initial=initial, line=layer.line)

    def initial(self, layer: Message, kind: str, given: Message, weight: str = "weight_filler") -> dict[str, Start]:
        """How a layer's tensors start, by its fillers: a bias without one at 0 if the weight has one, as in Caffe.

        Raises SpecError (E0804) for numbers that a filler can't have.
        """
        found: dict[str, Start] = {}
        for tensor, field in (("weight", weight), ("bias", "bias_filler")):
            if field not in given.fields:
                continue
            filler = given.message(field)
            start = initializer(filler, self.number)
            if start is None or not can_set(KINDS[kind], tensor, start[0]):
                self.dropped[str(filler.get("type"))].append(str(layer.get("name", "")))
                continue
            try:
                arguments = INITIALIZERS[start[0]](**start[1]).arguments()
            except ValidationError as error:
                what = f"a filler of type {filler.get('type', 'constant')} cannot have these numbers"
                raise invalid(self.source, filler.line, f"{what}: {error.errors()[0]['msg']}") from None
            found[tensor] = start[0], tuple(arguments.items())
        return {"bias": ("constant", (("val", 0.0),)), **found} if weight in given.fields else found

    # Layers

    def weighted(
        self, layer: Message, kind: str, inputs: Sequence[Value], arguments: dict[str, Any], given: Message
    ) -> Value:
        """A layer with a weight and perhaps a bias."""
        stored = ("weight", "bias") if arguments["bias"] else ("weight",)
        initial = self.initial(layer, kind, given)
        initial = {name: start for name, start in initial.items() if name in stored}
        return self.add(layer, kind, inputs, arguments, stored, initial)

    def read_convolution(self, layer: Message, inputs: list[Value], groups: int = 0) -> Value:
        """Convolution."""
        given = layer.message("convolution_param")
        biased = given.get("bias_term", True) is not False
        arguments = {
            "out_channels": self.integer(given, "num_output", 0),
            "kernel_size": self.pair(given, "kernel_size", "kernel", 0),
            "stride": self.pair(given, "stride", "stride", 1),
            "padding": self.pair(given, "pad", "pad", 0),
            "dilation": self.pair(given, "dilation", "dilation", 1),
            "groups": groups or self.integer(given, "group", 1),
            "bias": biased,
        }
        kind = "conv_transpose2d" if type_of(layer) == "Deconvolution" else "conv2d"
        return self.weighted(layer, kind, inputs, arguments, given)

    read_deconvolution = read_convolution

    def read_convolutiondepthwise(self, layer: Message, inputs: list[Value]) -> Value:
        """Convolution of each channel alone."""
        return self.read_convolution(layer, inputs, self.flat.shape(inputs[0])[0])

    read_depthwiseconvolution = read_convolutiondepthwise

    def read_innerproduct(self, layer: Message, inputs: list[Value]) -> Value | None:
        """Fully connected layer."""
        given = layer.message("inner_product_param")
        if self.integer(given, "axis", 1) != 1 or given.get("transpose") is True:
            self.flat.refuse("InnerProduct", layer.line, "with an `axis` or `transpose`")
            return None
        if len(self.flat.shape(inputs[0])) > 1:
            inputs = [self.add(layer, "flatten", inputs, suffix="_flatten")]
        biased = given.get("bias_term", True) is not False
        arguments = {"out_features": self.integer(given, "num_output", 0), "bias": biased}
        return self.weighted(layer, "linear", inputs, arguments, given)

    def read_pooling(self, layer: Message, inputs: list[Value]) -> Value | None:
        """Pooling; sizes are rounded up, as PyTorch does with `ceil_mode`."""
        given = layer.message("pooling_param")
        method = {"MAX": "max", "0": "max", "AVE": "avg", "1": "avg"}.get(str(given.get("pool", "MAX")))
        if method is None:
            self.flat.refuse(f"Pooling {given.get('pool')}", layer.line)
            return None
        if given.get("global_pooling") is True:
            return self.add(layer, f"adaptive_{method}_pool2d", inputs, {"output_size": 1})
        kernel, stride = self.pair(given, "kernel_size", "kernel", 0), self.pair(given, "stride", "stride", 1)
        padding = self.pair(given, "pad", "pad", 0)
        up = str(given.get("round_mode", "CEIL")) in ("CEIL", "0")
        arguments = {"kernel_size": kernel, "stride": stride, "padding": padding}
        if up and stride not in (1, (1, 1)):
            arguments["ceil_mode"] = True
            lengths = self.flat.shape(inputs[0])[1:]  # none for a vector, which the layer refuses
            sizes = zip(lengths, _two(kernel), _two(stride), _two(padding), strict=False)
            if any(p == 0 and k < s and -(-(n - k) // s) * s >= n for n, k, s, p in sizes):
                self.flat.refuse(
                    "Pooling", layer.line, "a window beyond the edge, because the stride exceeds the kernel"
                )
                return None
        return self.add(layer, f"{method}_pool2d", inputs, arguments)

    def read_relu(self, layer: Message, inputs: list[Value]) -> Value:
        """ReLU, leaky or not."""
        slope = self.number(layer.message("relu_param"), "negative_slope", 0)
        return self.add(layer, "leaky_relu" if slope else "relu", inputs, {"negative_slope": slope} if slope else {})

    def read_relu6(self, layer: Message, inputs: list[Value]) -> Value:
        """ReLU up to 6."""
        return self.add(layer, "relu6", inputs)

    def read_prelu(self, layer: Message, inputs: list[Value]) -> Value:
        """ReLU with a learned slope."""
        shared = layer.message("prelu_param").get("channel_shared") is True
        count = 1 if shared else self.flat.shape(inputs[0])[0]
        initial = self.initial(layer, "prelu", layer.message("prelu_param"), "filler")
        initial.pop("bias", None)
        return self.add(layer, "prelu", inputs, {"num_parameters": count}, ("weight",), initial)

    def read_elu(self, layer: Message, inputs: list[Value]) -> Value:
        """ELU."""
        return self.add(layer, "elu", inputs, {"alpha": self.number(layer.message("elu_param"), "alpha", 1)})

    def read_sigmoid(self, layer: Message, inputs: list[Value]) -> Value:
        """Sigmoid."""
        return self.add(layer, "sigmoid", inputs)

    def read_tanh(self, layer: Message, inputs: list[Value]) -> Value:
        """Hyperbolic tangent."""
        return self.add(layer, "tanh", inputs)

    def read_swish(self, layer: Message, inputs: list[Value]) -> Value | None:
        """The product of x and its sigmoid."""
        if self.number(layer.message("swish_param"), "beta", 1) != 1:
            self.flat.refuse("Swish", layer.line, "with a `beta`")
            return None
        return self.add(layer, "silu", inputs)

    def read_lrn(self, layer: Message, inputs: list[Value]) -> Value | None:
        """Local response normalization across channels."""
        given = layer.message("lrn_param")
        size = self.integer(given, "local_size", 5)
        if str(given.get("norm_region", "ACROSS_CHANNELS")) not in ("ACROSS_CHANNELS", "0"):
            self.flat.refuse("LRN", layer.line, "within channels")
            return None
        if size % 2 == 0:
            raise invalid(self.source, given.line_of("local_size"), "`local_size` must be odd")
        arguments = {"size": size, "alpha": self.number(given, "alpha", 1), "beta": self.number(given, "beta", 0.75)}
        return self.add(layer, "local_response_norm", inputs, {**arguments, "k": self.number(given, "k", 1)})

    def read_batchnorm(self, layer: Message, inputs: list[Value], at: int) -> Value | None:
        """Batch norm; the Scale layer that alone reads it has its weight and bias."""
        top, given = str(layer.get("top")), layer.message("batch_norm_param")
        readers = [number for number in range(at + 1, len(self.layers)) if top in self.layers[number].all("bottom")]
        scale = self.layers[readers[0]] if readers else layer
        merged = type_of(scale) == "Scale" and len(scale.all("bottom")) == 1
        if merged and scale.get("top") != top and len(readers) > 1:
            merged = False  # something else reads the value before it is scaled
        if merged:
            if scale.message("scale_param").get("bias_term") is not True:
                self.flat.refuse("Scale", scale.line, "without a bias")
                return None
            self.merged.add(readers[0])
        kind = f"batch_norm{max(1, len(self.flat.shape(inputs[0])) - 1)}d"
        stored = [f"{layer.get('name', '')}@{layer.line}.0", f"{layer.get('name', '')}@{layer.line}.1"]
        tensors = dict(zip(("running_mean", "running_var"), stored, strict=True))
        if merged:
            key = f"{scale.get('name', '')}@{scale.line}"
            tensors = {"weight": f"{key}.0", "bias": f"{key}.1", **tensors}
        initial = self.initial(scale, kind, scale.message("scale_param"), "filler") if merged else {}
        arguments = {"eps": self.number(given, "eps", 1e-5)} | ({} if merged else {"affine": False})
        name = _identifier(str(layer.get("name", "bn")), "batch_norm2d")
        return self.flat.add(kind, inputs, arguments, name=name, tensors=tensors, initial=initial, line=layer.line)

    def read_scale(self, layer: Message, inputs: list[Value]) -> Value | None:
        """A product of a map and a factor for each of its channels."""
        if len(inputs) != 2:
            self.flat.refuse("Scale", layer.line, "not after a BatchNorm")
            return None
        shapes = [self.flat.shape(value) for value in inputs]
        if shapes[0] != shapes[1] and shapes[1][1:] != (1, 1):
            self.flat.refuse("Scale", layer.line, "with a factor of another shape")
            return None
        return self.add(layer, "multiply", inputs)

    def read_eltwise(self, layer: Message, inputs: list[Value]) -> Value | None:
        """A sum or product."""
        given = layer.message("eltwise_param")
        operation = {"SUM": "add", "1": "add", "PROD": "multiply", "0": "multiply"}.get(
            str(given.get("operation", "SUM"))
        )
        if operation is None or any(factor != 1 for factor in given.all("coeff")):
            self.flat.refuse("Eltwise", layer.line, "MAX, or a sum with coefficients")
            return None
        return self.add(layer, operation, inputs)

    def read_concat(self, layer: Message, inputs: list[Value]) -> Value | None:
        """A join over channels."""
        given = layer.message("concat_param")
        if self.integer(given, "axis", self.integer(given, "concat_dim", 1)) != 1:
            self.flat.refuse("Concat", layer.line, "not over channels")
            return None
        return inputs[0] if len(inputs) == 1 else self.add(layer, "concat", inputs)

    def read_slice(self, layer: Message, inputs: list[Value]) -> list[Value] | None:
        """Channels in several parts."""
        given = layer.message("slice_param")
        if self.integer(given, "axis", self.integer(given, "slice_dim", 1)) != 1:
            self.flat.refuse("Slice", layer.line, "not over channels")
            return None
        count, channels = len(layer.all("top")), self.flat.shape(inputs[0])[0]
        points = given.all("slice_point") or [channels * (number + 1) // count for number in range(count - 1)]
        if not all(type(point) is int for point in points) or len(points) != count - 1:
            raise invalid(self.source, given.line_of("slice_point"), "`slice_point` must have an integer for each cut")
        cuts = [0, *points, channels]
        sections = [end - start for start, end in pairwise(cuts)]
        made = self.add(layer, "split", inputs, {"sections": sections})
        return [Value(made.operation, number) for number in range(count)]

    def read_split(self, layer: Message, inputs: list[Value]) -> list[Value]:
        """The same value under several names."""
        return inputs * len(layer.all("top"))

    def read_dropout(self, layer: Message, inputs: list[Value]) -> Value:
        """Dropout."""
        return self.add(
            layer, "dropout", inputs, {"p": self.number(layer.message("dropout_param"), "dropout_ratio", 0.5)}
        )

    def read_softmax(self, layer: Message, inputs: list[Value]) -> Value | None:
        """Softmax within the network."""
        if self.integer(layer.message("softmax_param"), "axis", 1) != 1:
            self.flat.refuse("Softmax", layer.line, "not over channels")
            return None
        return self.add(layer, "softmax", inputs)

    def read_flatten(self, layer: Message, inputs: list[Value]) -> Value | None:
        """All values of an image as a vector."""
        given = layer.message("flatten_param")
        if self.integer(given, "axis", 1) != 1 or self.integer(given, "end_axis", -1) != -1:
            self.flat.refuse("Flatten", layer.line, "of some axes")
            return None
        return inputs[0] if len(self.flat.shape(inputs[0])) == 1 else self.add(layer, "flatten", inputs)

    def read_shufflechannel(self, layer: Message, inputs: list[Value]) -> Value:
        """Channels of several groups mixed."""
        groups = self.integer(layer.message("shuffle_channel_param"), "group", 1)
        return self.add(layer, "channel_shuffle", inputs, {"groups": groups})


def _two(size: Any) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def _identifier(name: str, kind: str = "") -> str:
    """A name that a spec can have: `conv1/7x7_s2` is conv1_7x7_s2, `3x3` a conv_3x3."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or kind
    return word if word[:1].isalpha() else f"{kind.rpartition('_')[0] or kind or 'layer'}_{word}".replace("2d", "")


def _prefix(operations: Sequence[Operation]) -> str:
    """What the names of a segment's layers begin with, as a name."""
    names = [operation.scopes[0].path if operation.scopes else operation.name for operation in operations]
    known = [name for name in names if name]
    first, last = min(known, default=""), max(known, default="")
    same = next((at for at, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), len(first))
    return first[:same].rpartition("_")[0]
