"""Reads Darknet's .cfg files: sections of `key=value` lines, each of which is a layer.

What a layer computes is in Darknet's source (https://github.com/pjreddie/darknet, `src/*_layer.c`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archc.importing.flat import LOWEST, SOFTMAX, Flat, invalid, read_source_text
from archc.importing.graph import Scope, SourceGraph, Value
from archc.importing.segments import grouped
from archc.kinds import Shape
from archc.language.names import as_class_name
from archc.problems import Source

_EPS = 1e-6
"""Darknet divides by √variance + 1e-6. archc and OpenCV divide by √(variance + 1e-6), which is as close as floats."""

_ACTIVATIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "leaky": ("leaky_relu", {"negative_slope": 0.1}, "LeakyReLU"),
    "relu": ("relu", {}, "ReLU"),
    "relu6": ("relu6", {}, "ReLU6"),
    "logistic": ("sigmoid", {}, "Sigmoid"),
    "tanh": ("tanh", {}, "Tanh"),
    "elu": ("elu", {}, "ELU"),
    "selu": ("selu", {}, "SELU"),
    "swish": ("silu", {}, "SiLU"),
    "mish": ("mish", {}, "Mish"),
}
_DROPPED = {"cost": "training's loss", "crop": "a crop of the image"}


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its name, its line, and its keys with their values and lines."""

    name: str
    line: int
    values: dict[str, tuple[str, int]] = field(default_factory=dict)


def read_darknet(path: Path, name: str | None = None, input: Shape | None = None) -> SourceGraph:
    """The graph of a .cfg file, for its own input or another one. Raises SpecError (E0101, E0804, E0805)."""
    source = read_source_text(path)
    return _Reader(source, parse_cfg(source), as_class_name(name or _title(path)), input).graph()


def _title(path: Path) -> str:
    words = re.split(r"[^A-Za-z0-9]+", path.stem)
    return "".join(word[:1].upper() + word[1:] for word in words)


def parse_cfg(source: Source) -> list[Section]:
    """The sections of a file. Raises SpecError (E0804) for a line that is neither a section, a value nor a comment."""
    sections: list[Section] = []
    for line, text in enumerate(source.text.splitlines(), 1):
        text = text.strip()
        if not text or text[0] in "#;":
            continue
        if text[0] == "[":
            if text[-1] != "]" or len(text) < 3:
                raise invalid(source, line, "a section is a name in brackets, such as [convolutional]")
            sections.append(Section(text[1:-1].strip().lower(), line))
            continue
        key, equals, value = text.partition("=")
        if not equals or not sections:
            what = "expected `key=value`" if sections else "the first line must be a section, such as [net]"
            raise invalid(source, line, what)
        sections[-1].values[key.strip()] = (value.strip(), line)
    if not sections or sections[0].name not in ("net", "network"):
        raise invalid(source, sections[0].line if sections else 0, "a Darknet file starts with the section [net]")
    return sections


class _Reader:
    """Turns sections into operations; `outputs` are the values of the sections so far, None if it is not known."""

    def __init__(self, source: Source, sections: Sequence[Section], name: str, input: Shape | None) -> None:
        self.source = source
        self.net, *self.layers = sections
        self.name = name
        self.outputs: list[Value | None] = []
        self.counts: dict[str, int] = {}
        crop = next((each for each in self.layers if each.name == "crop"), None)
        channels = self.number(self.net, "channels", 3)
        height, width = (self.number(self.net, key, 0) for key in ("height", "width"))
        if crop is not None:
            height, width = self.number(crop, "crop_height", height), self.number(crop, "crop_width", width)
        if height < 1 or width < 1 or channels < 1:
            raise invalid(source, self.net.line, "[net] must have height, width and channels of at least 1")
        self.flat = Flat(source, {"input": input or (channels, height, width)})

    def graph(self) -> SourceGraph:
        """The network's graph."""
        x: Value | None = Value(-1)
        for section in self.layers:
            read = getattr(self, f"read_{section.name}", None)
            if section.name in _DROPPED:
                self.flat.notes[f"[{section.name}] in line {section.line} was dropped: {_DROPPED[section.name]}."] = (
                    None
                )
            elif section.name == "softmax" and section is self.last():
                self.flat.notes[SOFTMAX] = None
            elif read is None:
                self.flat.refuse(f"[{section.name}]", section.line)
                x = None
            else:
                x = read(section, x) if x is not None or section.name == "route" else None
            self.outputs.append(x)
        if x is None:
            return self.made({})
        return self.made({None: self.flat.vector(x)})

    def made(self, results: Mapping[str | None, Value]) -> SourceGraph:
        """The graph, with equal parts in groups."""
        graph = self.flat.graph(
            self.name,
            results,
            run=_Reference(self).run if results else None,
            reference="archc's evaluation of the .cfg file by Darknet's rules",
            tolerance=1e-4,
            format="Darknet",
        )
        return grouped(graph)

    def last(self) -> Section | None:
        """The last section that is a layer at inference."""
        return next((each for each in reversed(self.layers) if each.name not in _DROPPED), None)

    # Values

    def number(self, section: Section, key: str, default: int) -> int:
        """An integer. Raises SpecError (E0804)."""
        text, line = section.values.get(key, (str(default), section.line))
        if not re.fullmatch(r"-?\d{1,12}", text):
            raise invalid(self.source, line, f"`{key}` must be an integer, got `{text[:40]}`")
        return int(text)

    def real(self, section: Section, key: str, default: float) -> float:
        """A number. Raises SpecError (E0804)."""
        text, line = section.values.get(key, (str(default), section.line))
        try:
            return float(text)
        except ValueError:
            raise invalid(self.source, line, f"`{key}` must be a number, got `{text[:40]}`") from None

    def numbers(self, section: Section, key: str) -> list[int]:
        """Integers that commas separate. Raises SpecError (E0804)."""
        text, line = section.values.get(key, ("", section.line))
        parts = [part.strip() for part in text.split(",")]
        if not all(re.fullmatch(r"-?\d{1,12}", part) for part in parts):
            raise invalid(self.source, line, f"[{section.name}] needs `{key}`, a list of integers")
        return [int(part) for part in parts]

    def activation_of(self, section: Section, default: str = "logistic") -> str:
        """The name of a layer's activation."""
        return section.values.get("activation", (default, 0))[0]

    def layer(self, section: Section, number: int, key: str) -> Value | None:
        """The output of an earlier layer, given by its number or relative to this one. Raises SpecError (E0804)."""
        here = len(self.outputs)
        at = here + number if number < 0 else number
        if not 0 <= at < here:
            line = section.values[key][1]
            raise invalid(self.source, line, f"there is no layer {number} before this one, which is layer {here}")
        return self.outputs[at]

    def numbered(self, stem: str) -> str:
        """The stem with the next number for it."""
        self.counts[stem] = self.counts.get(stem, 0) + 1
        return f"{stem}{self.counts[stem]}"

    # Layers

    def read_convolutional(self, section: Section, x: Value) -> Value | None:
        """Convolution, batch norm, activation."""
        for key in ("binary", "xnor", "flipped"):
            if self.number(section, key, 0):
                self.flat.refuse("[convolutional]", section.line, f"`{key}=1`")
                return None
        size = self.number(section, "size", 1)
        stride = self.number(section, "stride", 1)
        strides = (self.number(section, "stride_y", stride), self.number(section, "stride_x", stride))
        padding = size // 2 if self.number(section, "pad", 0) else self.number(section, "padding", 0)
        arguments = {
            "out_channels": self.number(section, "filters", 1),
            "kernel_size": size,
            "stride": stride if len(set(strides)) == 1 and strides[0] == stride else strides,
            "padding": padding,
            "dilation": self.number(section, "dilation", 1),
            "groups": self.number(section, "groups", 1),
        }
        return self.weighted(section, x, "conv2d", "batch_norm2d", "conv", arguments)

    read_conv = read_convolutional

    def read_deconvolutional(self, section: Section, x: Value) -> Value | None:
        """Transposed convolution."""
        size = self.number(section, "size", 1)
        padding = size // 2 if self.number(section, "pad", 0) else self.number(section, "padding", 0)
        arguments = {
            "out_channels": self.number(section, "filters", 1),
            "kernel_size": size,
            "stride": self.number(section, "stride", 1),
            "padding": padding,
        }
        return self.weighted(section, x, "conv_transpose2d", "batch_norm2d", "conv", arguments)

    def read_connected(self, section: Section, x: Value) -> Value | None:
        """Fully connected layer; maps are flattened."""
        if len(self.flat.shape(x)) > 1:
            x = self.flat.add("flatten", [x], line=section.line)
        arguments = {"out_features": self.number(section, "output", 1)}
        return self.weighted(section, x, "linear", "batch_norm1d", "fc", arguments)

    def weighted(
        self, section: Section, x: Value, kind: str, norm: str, stem: str, arguments: dict[str, Any]
    ) -> Value | None:
        """A layer with weights, its batch norm and its activation, as one part of the network."""
        activation = self.activation_of(section)
        if activation != "linear" and activation not in _ACTIVATIONS:
            self.flat.refuse(f"activation={activation}", section.line)
            return None
        normalized = bool(self.number(section, "batch_normalize", 0))
        key, start = f"layer{len(self.outputs)}", len(self.flat.operations)
        path = self.numbered(stem)
        tensors = {"weight": f"{key}.weights"} | ({} if normalized else {"bias": f"{key}.biases"})
        alone = not normalized and activation == "linear"
        given = {**arguments, "bias": False} if normalized else arguments
        x = self.flat.add(kind, [x], given, name=path if alone else stem, tensors=tensors, line=section.line)
        if normalized:
            stored = {"weight": f"{key}.scales", "bias": f"{key}.biases"}
            stored |= {"running_mean": f"{key}.rolling_mean", "running_var": f"{key}.rolling_variance"}
            x = self.flat.add(norm, [x], {"eps": _EPS}, name="bn", tensors=stored, line=section.line)
        if activation != "linear":
            word, values, _ = _ACTIVATIONS[activation]
            x = self.flat.add(word, [x], values, name=word, line=section.line)
        if not alone:
            title = stem.capitalize() + "BN" * normalized + (_ACTIVATIONS.get(activation, ("", {}, ""))[2])
            self.flat.scope(start, Scope(path, title))
        return x

    def activate(self, section: Section, x: Value, default: str) -> Value | None:
        """The activation at the end of a layer without weights."""
        activation = self.activation_of(section, default)
        if activation == "linear":
            return x
        if activation not in _ACTIVATIONS:
            self.flat.refuse(f"activation={activation}", section.line)
            return None
        word, values, _ = _ACTIVATIONS[activation]
        return self.flat.add(word, [x], values, line=section.line)

    def read_activation(self, section: Section, x: Value) -> Value | None:
        """An activation alone."""
        return self.activate(section, x, "linear")

    def read_batchnorm(self, section: Section, x: Value) -> Value | None:
        """A batch norm alone."""
        key = f"layer{len(self.outputs)}"
        stored = {"weight": f"{key}.scales", "bias": f"{key}.biases"}
        stored |= {"running_mean": f"{key}.rolling_mean", "running_var": f"{key}.rolling_variance"}
        kind = "batch_norm2d" if len(self.flat.shape(x)) == 3 else "batch_norm1d"
        return self.flat.add(kind, [x], {"eps": _EPS}, name=self.numbered("bn"), tensors=stored, line=section.line)

    def read_maxpool(self, section: Section, x: Value) -> Value:
        """Max pool with `padding` positions in all, the larger half of them behind the map."""
        stride = self.number(section, "stride", 1)
        size = self.number(section, "size", stride)
        padding = self.number(section, "padding", size - 1)
        before, odd = padding // 2, padding % 2
        channels, *lengths = self.flat.shape(x)
        padded = (channels, *(length + max(size, padding) for length in lengths))
        self.flat.believe(padded, f"the padded input of the pool in line {section.line}")
        arguments = {"kernel_size": size, "stride": stride, "padding": before}
        if odd and stride == 2:
            arguments["ceil_mode"] = True  # one position more behind the map, if the windows reach it
        elif odd or before > size // 2:
            sides = (before, padding - before, before, padding - before)
            x = self.flat.add("pad", [x], {"padding": sides, "value": LOWEST}, line=section.line)
            arguments["padding"] = 0
        return self.flat.add("max_pool2d", [x], arguments, name=self.numbered("pool"), line=section.line)

    def read_avgpool(self, section: Section, x: Value) -> Value:
        """The mean of each channel."""
        return self.flat.add("adaptive_avg_pool2d", [x], {"output_size": 1}, name="avgpool", line=section.line)

    def read_dropout(self, section: Section, x: Value) -> Value:
        """Dropout."""
        return self.flat.add("dropout", [x], {"p": self.real(section, "probability", 0.5)}, line=section.line)

    def read_softmax(self, section: Section, x: Value) -> Value | None:
        """Softmax within the network."""
        if self.number(section, "groups", 1) != 1 or "tree" in section.values:
            self.flat.refuse("[softmax]", section.line, "with groups or a tree")
            return None
        return self.flat.add("softmax", [x], line=section.line)

    def read_upsample(self, section: Section, x: Value) -> Value | None:
        """Repeat positions."""
        if self.number(section, "reverse", 0) or self.real(section, "scale", 1.0) != 1:
            self.flat.refuse("[upsample]", section.line, "with `reverse` or `scale`")
            return None
        return self.flat.add("upsample", [x], {"scale_factor": self.number(section, "stride", 2)}, line=section.line)

    def read_route(self, section: Section, x: Value | None) -> Value | None:
        """Earlier outputs joined over channels, or one of several groups of channels of each."""
        found = [self.layer(section, number, "layers") for number in self.numbers(section, "layers")]
        groups, group = self.number(section, "groups", 1), self.number(section, "group_id", 0)
        if not 0 <= group < groups:
            raise invalid(self.source, section.line, f"there is no group {group} of {groups}")
        values = [value for value in found if value is not None]
        if len(values) < len(found):
            return None
        if groups > 1:
            parts = [self.flat.add("chunk", [value], {"chunks": groups}, line=section.line) for value in values]
            values = [Value(part.operation, group) for part in parts]
        return values[0] if len(values) == 1 else self.flat.add("concat", values, line=section.line)

    def read_shortcut(self, section: Section, x: Value) -> Value | None:
        """The sum with an earlier output."""
        others = [self.layer(section, number, "from") for number in self.numbers(section, "from")]
        values = [value for value in others if value is not None]
        if len(values) < len(others):
            return None
        if any(self.flat.shape(value) != self.flat.shape(x) for value in values):
            self.flat.refuse("[shortcut]", section.line, "of two different shapes")
            return None
        return self.activate(section, self.flat.add("add", [*values, x], line=section.line), "linear")


class _Reference:
    """Computes a network from its sections alone, by Darknet's own definitions, in double precision."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader

    def run(self, state: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """The output for a batch."""
        x = inputs[0].double()
        outputs: list[Tensor] = []
        last = self.reader.last()
        for section in self.reader.layers:
            if section.name not in _DROPPED and not (section.name == "softmax" and section is last):
                x = self.layer(section, x, outputs, state)
            outputs.append(x)
        return [(x.flatten(1) if tuple(x.shape[2:]) == (1, 1) else x).float()]

    def layer(self, section: Section, x: Tensor, outputs: Sequence[Tensor], state: Mapping[str, Tensor]) -> Tensor:
        """The output of a layer."""
        number, here = self.reader.number, len(outputs)
        keys = {name: f"layer{here}.{name}" for name in _STORED}
        weights = {name: state[key].double() for name, key in keys.items() if key in state}
        match section.name:
            case "convolutional" | "conv" | "deconvolutional" | "connected" | "batchnorm":
                return self.weighted(section, x, weights)
            case "maxpool":
                stride = number(section, "stride", 1)
                size = number(section, "size", stride)
                padding = number(section, "padding", size - 1)
                length = [(each + padding - size) // stride + 1 for each in x.shape[2:]]
                low = padding // 2
                need = [(n - 1) * stride + size - low - each for n, each in zip(length, x.shape[2:], strict=True)]
                x = F.pad(x, (low, max(0, need[1]), low, max(0, need[0])), value=float("-inf"))
                return F.max_pool2d(x, size, stride)[:, :, : length[0], : length[1]]
            case "avgpool":
                return x.mean((2, 3), keepdim=True)
            case "route":
                parts = [outputs[at] for at in self.reader.numbers(section, "layers")]
                groups, group = number(section, "groups", 1), number(section, "group_id", 0)
                return torch.cat([part.chunk(groups, 1)[group] for part in parts], 1)
            case "shortcut":
                total = x
                for at in self.reader.numbers(section, "from"):
                    total = total + outputs[at]
                return _activated(self.reader.activation_of(section, "linear"), total)
            case "upsample":
                factor = number(section, "stride", 2)
                return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
            case "softmax":
                return x.softmax(1)
            case "activation":
                return _activated(self.reader.activation_of(section, "linear"), x)
        return x  # dropout

    def weighted(self, section: Section, x: Tensor, weights: Mapping[str, Any]) -> Tensor:
        """A layer with weights."""
        number = self.reader.number
        size, stride = number(section, "size", 1), number(section, "stride", 1)
        padding = size // 2 if number(section, "pad", 0) else number(section, "padding", 0)
        if section.name == "connected":
            x = x.flatten(1) @ weights["weights"].T
        elif section.name == "deconvolutional":
            x = F.conv_transpose2d(x, weights["weights"], stride=stride, padding=padding)
        elif section.name != "batchnorm":
            strides = (number(section, "stride_y", stride), number(section, "stride_x", stride))
            more = {"dilation": number(section, "dilation", 1), "groups": number(section, "groups", 1)}
            x = F.conv2d(x, weights["weights"], None, strides, padding, **more)
        channels = (1, -1, *[1] * (x.dim() - 2))
        if section.name == "batchnorm" or number(section, "batch_normalize", 0):
            x = (x - weights["rolling_mean"].view(channels)) / (
                weights["rolling_variance"].sqrt().view(channels) + _EPS
            )
            x = x * weights["scales"].view(channels)
        x = x + weights["biases"].view(channels)
        return x if section.name == "batchnorm" else _activated(self.reader.activation_of(section), x)


_STORED = ("weights", "biases", "scales", "rolling_mean", "rolling_variance")


def _activated(activation: str, x: Tensor) -> Tensor:
    match activation:
        case "leaky":
            return torch.where(x > 0, x, 0.1 * x)
        case "relu":
            return x.clamp(min=0)
        case "relu6":
            return x.clamp(0, 6)
        case "logistic":
            return 1 / (1 + (-x).exp())
        case "tanh":
            return x.tanh()
        case "elu":
            return torch.where(x > 0, x, x.expm1())
        case "selu":
            return 1.0507 * torch.where(x > 0, x, 1.6732 * x.expm1())
        case "swish":
            return x / (1 + (-x).exp())
        case "mish":
            return x * (1 + x.exp()).log().tanh()
    return x
