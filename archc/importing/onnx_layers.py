"""ONNX operators that compute: layers with weights, pools, and activations."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy

from archc.importing.constants import Constant
from archc.importing.flat import LOWEST
from archc.importing.graph import Value
from archc.importing.onnx_nodes import Nodes, place_of, single
from archc.kinds import Shape


class Layers(Nodes):
    """Reads operators that compute."""

    # Layers with weights

    def read_conv(self, node: Any) -> Value | None:
        """Convolution; uneven padding is a layer of its own."""
        weight = self.weight(node, 1)
        if weight is None:
            return None
        rank, x = len(weight.shape) - 2, self.value(node, 0)
        if rank not in (1, 2, 3):
            raise self.fail(f"the weights of {place_of(node)} have {len(weight.shape)} axes")
        kernel = list(weight.shape[2:])
        strides = list(self.attribute(node, "strides", [1] * rank))
        dilations = list(self.attribute(node, "dilations", [1] * rank))
        groups = self.attribute(node, "group", 1)
        if weight.shape[1] * groups != self.flat.shape(x)[0]:
            channels = self.flat.shape(x)[0]
            raise self.fail(
                f"the weights of {place_of(node)} are for {weight.shape[1] * groups} channels, not {channels}"
            )
        before, after = self.pads(node, self.flat.shape(x), kernel, strides, dilations)
        x, padding = self.padded(node, x, before, after, 0.0)
        bias = self.bias(node, 2)
        arguments = {
            "out_channels": weight.shape[0],
            "kernel_size": single(kernel),
            "stride": single(strides),
            "padding": single(padding),
            "dilation": single(dilations),
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
            "kernel_size": single(weight.shape[2:]),
            "stride": single(self.attribute(node, "strides", [1] * rank)),
            "padding": single(pads[:rank]),
            "output_padding": single(self.attribute(node, "output_padding", [0] * rank)),
            "groups": groups,
            "bias": bias is not None,
            "dilation": single(self.attribute(node, "dilations", [1] * rank)),
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
        return self.pool(node, "max", LOWEST, {"dilation": single(self.attribute(node, "dilations", [1]))})

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
            raise self.fail(f"{place_of(node)} has no window for each axis")
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
        arguments = {
            "kernel_size": single(kernel),
            "stride": single(strides),
            "padding": single(padding),
            **more,
        }
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
        if axes == list(range(2, rank)):
            return self.pooled(node, x, kind, keep)
        over = {"dim": axes[0] if len(axes) == 1 else tuple(axes)}
        return self.add(node, kind, [x], over | ({"keepdim": True} if keep else {}))

    def pooled(self, node: Any, x: Value, kind: str, keep: bool) -> Value:
        """One value for each channel, whatever shape the positions have."""
        channels, *positions = self.flat.shape(x)
        first = self.unshaped.get(x, x)
        own = self.flat.shape(first)
        x, own = (first, own) if own[0] == channels else (x, self.flat.shape(x))
        if not keep:
            return self.add(node, kind, [x])
        if len(own) > 4:
            return self.add(node, kind, [x], {"keepdim": True})
        method = {"mean": "avg", "amax": "max"}[kind]
        made = self.add(node, f"adaptive_{method}_pool{len(own) - 1}d", [x], {"output_size": 1})
        return self.reshaped(node, made, (channels, *(1 for _ in positions)))

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
