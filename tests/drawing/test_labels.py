"""Layers in the field's short form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.drawing.style import LEGEND
from archc.drawing.style import ROLES as PAPERS
from archc.kinds import KINDS
from archc.kinds.labels import Written
from archc.testing import layers
from archc.testing.arguments import kinds_for

X = (8, 16, 16)

SHORT: list[tuple[str, dict[str, Any], str]] = [
    ("conv2d", {"out_channels": 64, "kernel_size": 7, "stride": 2}, "7×7 conv, 64, /2"),
    ("conv2d", {"out_channels": 64, "kernel_size": (1, 7)}, "1×7 conv, 64"),
    ("conv2d", {"out_channels": 8, "kernel_size": 3, "groups": 8}, "3×3 depthwise conv, 8"),
    ("conv2d", {"out_channels": 8, "kernel_size": 3, "groups": 2}, "3×3 conv, 8, 2 groups"),
    ("conv2d", {"out_channels": 8, "kernel_size": 3, "dilation": 2}, "3×3 conv, 8, dilation 2"),
    ("conv2d", {"out_channels": 8, "kernel_size": 3, "stride": (2, 1)}, "3×3 conv, 8, /2×1"),
    ("conv2d", {"out_channels": 8, "kernel_size": 3, "stride": (2, 2)}, "3×3 conv, 8, /2"),
    ("conv_transpose2d", {"out_channels": 4, "kernel_size": 2, "stride": 2}, "2×2 up-conv, 4, ×2"),
    ("max_pool2d", {"kernel_size": 3, "stride": 2}, "3×3 max pool, /2"),
    ("max_pool2d", {"kernel_size": 2}, "2×2 max pool, /2"),
    ("avg_pool2d", {"kernel_size": 3, "stride": 1}, "3×3 avg pool"),
    ("adaptive_avg_pool2d", {"output_size": 1}, "global avg pool"),
    ("adaptive_avg_pool2d", {"output_size": 6}, "avg pool to 6×6"),
    ("adaptive_max_pool2d", {"output_size": (4, None)}, "max pool to 4×·"),
    ("linear", {"out_features": 1000}, "linear, 1000"),
    ("dropout", {"p": 0.5}, "dropout 0.5"),
    ("stochastic_depth", {"p": 0.1}, "drop path 0.1"),
    ("pad", {"padding": 1}, "pad 1"),
    ("pad", {"padding": (1, 0, 2, 0)}, "pad 1, 0, 2, 0"),
    ("upsample", {"scale_factor": 2.0}, "upsample ×2"),
    ("upsample", {"size": 32}, "upsample to 32×32"),
    ("channel_shuffle", {"groups": 2}, "shuffle, 2 groups"),
    ("chunk", {"chunks": 2}, "split in 2"),
    ("split", {"sections": (2, 6)}, "split 2 + 6"),
    ("flatten", {}, "to a vector"),
    ("mean", {}, "mean over H×W"),
    ("batch_norm2d", {}, "batch norm"),
    ("relu", {}, "ReLU"),
    ("softmax", {}, "softmax"),
    ("add", {}, "add"),
]


@pytest.mark.parametrize(("kind", "arguments", "text"), SHORT, ids=[text for *_, text in SHORT])
def test_short_forms(kind: str, arguments: dict[str, Any], text: str) -> None:
    assert KINDS[kind](**arguments).label((X,)) == text


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [("batch_norm2d", {}, "BN"), ("layer_norm", {}, "LN"), ("relu6", {}, "ReLU6"), ("dropout", {"p": 0.2}, "drop 0.2")],
)
def test_tags(kind: str, arguments: dict[str, Any], text: str) -> None:
    assert KINDS[kind](**arguments).tag() == text


@given(data=st.data(), name=st.sampled_from(sorted(KINDS)))
def test_every_kind_has_a_label_and_a_role(data: st.DataObject, name: str) -> None:
    kind = KINDS[name]
    x = data.draw(st.sampled_from([(8, 9, 9), (12,)]))
    if kind.many or kind in kinds_for(x):
        one = kind() if kind.many else data.draw(layers(kind, x))
        assert 2 < len(one.label((x,))) < 60
        assert 1 < len(one.tag()) < 60
        assert one.role in PAPERS.keys() & LEGEND.keys()


def test_expressions_stand_in_the_place_of_values() -> None:
    conv = KINDS["conv2d"](out_channels=64, kernel_size=(1, 7), stride=2, groups=8)
    written = {"out_channels": Written(64, "width"), "kernel_size": Written((1, 7), "size"), "stride": Written(2, "s")}
    assert conv.model_copy(update=written).label((X,)) == "size[0]×size[1] depthwise conv, width, /s"
    split = KINDS["split"](sections=(2, 6))
    assert split.model_copy(update={"sections": (Written(2, "c"), 6)}).label((X,)) == "split c + 6"
