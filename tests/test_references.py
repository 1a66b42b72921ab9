"""Bundled specs that torchvision has no classifier for, against its other networks and against plain PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from parity import assert_is_its_reference, images
from references import InceptionResNetV2, LeNet5, NiN, PointNet, ResNet20, UNet, UNet1d, Xception
from torch import Tensor, nn
from torchvision.models import video
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

import archc
from archc.library import bundled
from archc.testing.agreement import run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("spec", "reference", "shapes"),
    [
        ("lenet5", LeNet5, [(1, 32, 32)]),
        ("nin", NiN, [(3, 32, 32), (3, 24, 40)]),
        ("pointnet", PointNet, [(3, 256), (3, 100)]),
        ("unet", lambda: UNet(padding=1), [(1, 32, 48), (1, 32, 32)]),
        ("resnet20", ResNet20, [(3, 32, 32), (3, 24, 40)]),
        pytest.param("unet_paper", lambda: UNet(padding=0), [(1, 188, 204), (1, 188, 188)], marks=pytest.mark.slow),
        ("unet1d", UNet1d, [(1, 256), (1, 96)]),
        pytest.param("xception", Xception, [(3, 75, 107), (3, 96, 96)], marks=pytest.mark.slow),
        pytest.param("inception_resnet_v2", InceptionResNetV2, [(3, 75, 107), (3, 96, 96)], marks=pytest.mark.slow),
        ("r3d_18", video.r3d_18, [(3, 4, 32, 48), (3, 8, 32, 32)]),
        pytest.param("r2plus1d_18", video.r2plus1d_18, [(3, 4, 32, 48), (3, 8, 32, 32)], marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_spec_is_its_reference(spec: str, reference: Callable[[], nn.Module], shapes: list[tuple[int, ...]]) -> None:
    batch, *others = (images(2, *shape) for shape in shapes)
    assert_is_its_reference(archc.load(spec), reference, batch, *others)


def own_name(key: str) -> str:
    """A key of torchvision's pyramid in the spec: the order of construction is the spec's, from the top down."""
    key = re.sub(r"^body\.(conv1|bn1)\.", lambda found: f"stem.{int(found[1] == 'bn1')}.", key)
    key = re.sub(r"^body\.", "", key)
    key = re.sub(r"^fpn\.inner_blocks\.3\.0", "lateral4", key)
    key = re.sub(r"^fpn\.inner_blocks\.(\d)\.0", lambda found: f"side{int(found[1]) + 1}", key)
    return re.sub(r"^fpn\.layer_blocks\.(\d)\.0", lambda found: f"p{int(found[1]) + 2}", key)


def pyramid() -> nn.Module:
    return resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5)


@pytest.mark.slow
def test_the_pyramid_is_torchvisions() -> None:
    """Under other names, as `torchvision.models.detection` has no mapping with numbers for names."""
    architecture = archc.load("fpn_resnet50")
    theirs, ours = pyramid(), architecture.build()
    state = {own_name(key): value for key, value in theirs.state_dict().items()}
    ours.load_state_dict(state, strict=True)
    for shape in ((3, 64, 96), (3, 96, 96)):
        x = images(2, *shape)
        for training in (False, True):
            expected: dict[str, Tensor] = dict(
                zip(architecture.outputs, run(theirs, x, training=training).values(), strict=True)
            )
            found = run(ours, x, training=training)
            assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("spec", ["r3d_18", "r2plus1d_18"])
def test_video_networks_have_the_published_figures(spec: str) -> None:
    """Of clips of 16 images: keys, shapes, parameters and multiply-adds."""
    meta: dict[str, Any] = torchvision.models.get_model_weights(spec).DEFAULT.meta
    summary = archc.load(spec).summary()
    assert summary.parameters == meta["num_params"]
    assert round(summary.macs / 1e9, 3) == round(meta["_ops"], 3)
    with torch.device("meta"):
        theirs, ours = torchvision.models.get_model(spec, weights=None), archc.load(spec).build()
    shapes = [[(key, value.shape) for key, value in model.state_dict().items()] for model in (theirs, ours)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("spec", "published"),
    [
        ("pointnet", "0.8"),  # million: the paper's Table 6, PointNet (vanilla)
        ("resnet20", "0.27"),  # the paper's Table 6
        ("xception", "22.855952"),  # the paper's Table 3
        ("inception_resnet_v2", "55.843464"),  # the authors' code, as timm counts it
    ],
)
def test_published_parameters(spec: str, published: str) -> None:
    digits = len(published.partition(".")[2])
    assert f"{archc.load(spec).summary().parameters / 1e6:.{digits}f}" == published


OTHERS = {  # for teaching, and of papers and libraries whose networks are not torchvision's
    "alexnet_paper",
    "conv_7x7",
    "googlenet_paper",
    "inception_module",
    "inception_resnet_v2",
    "small_convnet",
    "stack_3x3",
    "yolov8n_cls",
}


SEGMENTING = {"fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large"}
"""torchvision's networks for segmentation, which came later: each has a bound of its own."""


def lines_of(*names: str) -> int:
    """Lines of YAML that say something: neither comments nor empty."""
    lines = [line for name in names for line in bundled()[name].read_text("utf-8").splitlines()]
    return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))


def test_the_whole_zoo_is_short() -> None:
    assert lines_of(*(bundled().keys() - OTHERS - SEGMENTING)) <= 1800
    assert {name: lines_of(name) for name in SEGMENTING if lines_of(name) > 60} == {}
