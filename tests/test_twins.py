"""The bundled specs against torchvision: keys, weights, outputs and published figures."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models as tv
from parity import emitted_class, seeded
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import archc
from archc.testing.agreement import run


@dataclass(frozen=True)
class Twin:
    """A bundled spec and torchvision's model of the same network."""

    spec: str
    make: Callable[..., nn.Module]
    options: tuple[tuple[str, Any], ...] = ()
    heads: tuple[tuple[str, str], ...] = ()  # ours, torchvision's

    def torchvision(self, **changes: Any) -> nn.Module:
        options = {**dict(self.options), **changes}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.make(weights=None, **options)


VGGS = [Twin(name, getattr(tv, name)) for d in (11, 13, 16, 19) for name in (f"vgg{d}", f"vgg{d}_bn")]
GOOGLENET = Twin(
    "googlenet", tv.googlenet, (("init_weights", True),), (("aux1", "aux_logits1"), ("aux2", "aux_logits2"))
)
INCEPTION = Twin("inception_v3", tv.inception_v3, (("init_weights", True),), (("AuxLogits", "aux_logits"),))
SMALL = [
    Twin("alexnet", tv.alexnet),
    GOOGLENET,
    INCEPTION,
    Twin("resnet18", tv.resnet18),
    Twin("resnet50", tv.resnet50),
    Twin("squeezenet1_1", tv.squeezenet1_1),
]
TWINS = [*SMALL, *VGGS]

PUBLISHED = {  # parameters, G multiply-adds, smallest side: torchvision's weights' metadata
    "alexnet": (61_100_840, 0.714, 63),
    "vgg11": (132_863_336, 7.609, 32),
    "vgg13": (133_047_848, 11.308, 32),
    "vgg16": (138_357_544, 15.470, 32),
    "vgg19": (143_667_240, 19.632, 32),
    "vgg11_bn": (132_868_840, 7.609, 32),
    "vgg13_bn": (133_053_736, 11.308, 32),
    "vgg16_bn": (138_365_992, 15.470, 32),
    "vgg19_bn": (143_678_248, 19.632, 32),
    "googlenet": (6_624_904, 1.498, 15),
    "inception_v3": (27_161_264, 5.713, 75),
    "resnet18": (11_689_512, 1.814, 1),
    "resnet50": (25_557_032, 4.089, 1),
    "squeezenet1_1": (1_235_496, 0.349, 17),
}


def by_name(twin: Twin) -> str:
    return twin.spec


@cache
def architecture(name: str) -> archc.Architecture:
    return archc.load(name)


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """A module without memory for its weights: to be given another's."""
    with torch.device("meta"):
        return make()


def with_state(make: Callable[[], nn.Module], state: dict[str, Tensor]) -> nn.Module:
    """A module with its own copy of a state dict, which must fit exactly."""
    model = on_meta(make)
    model.load_state_dict({key: value.clone() for key, value in state.items()}, strict=True, assign=True)
    return model


@pytest.mark.parametrize("twin", TWINS, ids=by_name)
def test_torchvisions_weights_load_and_give_its_outputs_exactly(twin: Twin) -> None:
    """Keys and shapes are torchvision's; with its weights, built and emitted give its outputs: difference 0.0."""
    ours = architecture(twin.spec)
    theirs = twin.torchvision()
    state = theirs.state_dict()
    x = torch.rand(1, *ours.input, generator=torch.Generator().manual_seed(5))
    expected = run(theirs, x, training=False)["output"]
    for make in (ours.build, emitted_class(ours)):
        model = on_meta(make)
        assert {key: value.shape for key, value in model.state_dict().items()} == {
            key: value.shape for key, value in state.items()
        }
        assert sorted(model.state_dict()) == sorted(state)
        model.load_state_dict(state, strict=True, assign=True)
        assert (run(model, x, training=False)["output"] - expected).abs().max().item() == 0.0


@pytest.mark.parametrize("twin", [GOOGLENET, INCEPTION], ids=by_name)
def test_auxiliary_outputs_in_training_are_torchvisions(twin: Twin) -> None:
    """In training mode and under one seed, the main and the auxiliary outputs differ by 0.0."""
    ours = architecture(twin.spec)
    theirs = seeded(twin.torchvision)
    x = torch.rand(2, *ours.input, generator=torch.Generator().manual_seed(5))
    state = {key: value.clone() for key, value in theirs.state_dict().items()}
    torch.manual_seed(1)
    with torch.no_grad():
        outputs: Any = theirs.train()(x)
    for make in (ours.build, emitted_class(ours)):
        model = with_state(make, state)
        found = run(model, x, training=True, seed=1)
        assert torch.equal(found["output"], outputs.logits)
        assert len(found) == 1 + len(twin.heads)
        for own, other in twin.heads:
            assert torch.equal(found[own], getattr(outputs, other)), own


@pytest.mark.parametrize("twin", [GOOGLENET, INCEPTION], ids=by_name)
def test_networks_without_their_heads(twin: Twin) -> None:
    """With `aux_logits` off, keys and outputs are those of torchvision's network without heads, also in training."""
    ours = architecture(twin.spec)
    theirs = twin.torchvision(aux_logits=False)
    state = {key: value.clone() for key, value in theirs.state_dict().items()}
    x = torch.rand(2, *ours.input, generator=torch.Generator().manual_seed(5))
    whole = emitted_class(ours)
    makers: list[Callable[[], nn.Module]] = [
        lambda: ours.build(aux_logits=False),
        emitted_class(ours, aux_logits=False),
        lambda: whole(aux_logits=False),
    ]
    for training in (False, True):
        theirs.load_state_dict(state)
        expected = run(theirs, x, training=training)["output"]
        for make in makers:
            model = with_state(make, state)
            outputs = run(model, x, training=training)
            assert list(outputs) == ["output"]
            assert torch.equal(outputs["output"], expected)


@pytest.mark.parametrize("twin", [*SMALL, VGGS[0], VGGS[1]], ids=by_name)
def test_initial_weights_are_torchvisions_under_one_seed(twin: Twin) -> None:
    """Under torch.manual_seed(0) the built network starts with torchvision's own weights, bit for bit."""
    theirs = seeded(twin.torchvision).state_dict()
    ours = seeded(architecture(twin.spec).build).state_dict()
    for key, value in theirs.items():
        assert torch.equal(ours[key], value), key


@pytest.mark.parametrize("twin", TWINS, ids=by_name)
def test_published_figures(twin: Twin) -> None:
    """Parameters, multiply-adds and smallest input are the published ones."""
    summary = architecture(twin.spec).summary()
    parameters, giga, side = PUBLISHED[twin.spec]
    counted = summary.training_parameters if twin.spec == "inception_v3" else summary.parameters
    assert counted == parameters
    assert round(summary.macs / 1e9, 3) == giga
    assert summary.min_input == (side, side)


@pytest.mark.parametrize("twin", TWINS, ids=by_name)
def test_published_figures_are_torchvisions(twin: Twin) -> None:
    """The table above is what torchvision's metadata says today."""
    meta = tv.get_model_weights(twin.spec).DEFAULT.meta
    parameters, giga, side = PUBLISHED[twin.spec]
    assert meta["num_params"] == parameters
    # ResNet-50's default weights are a second training of the same network: the same figures.
    assert round(meta["_ops"], 3) == giga
    if twin.spec not in ("squeezenet1_1",):
        assert meta["min_size"] == (side, side)


@pytest.mark.parametrize(
    "name", [twin.spec for twin in TWINS] + ["googlenet_paper", "alexnet_paper", "inception_module"]
)
def test_multiply_adds_are_half_of_torchs_flop_count(name: str) -> None:
    """Multiply-adds equal half of what torch.utils.flop_counter counts for one image."""
    ours = architecture(name)
    model = on_meta(ours.build).eval()
    x = torch.empty(1, *ours.input, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    assert 2 * ours.summary().macs == counter.get_total_flops()


def test_smallest_input_is_where_torch_stops() -> None:
    """One pixel below the smallest height or width, the real network raises; at it, it runs."""
    for twin in (SMALL[0], GOOGLENET, SMALL[5]):
        ours = architecture(twin.spec)
        height, width = ours.min_input
        model = ours.build().eval()
        with torch.no_grad():
            result = model(torch.zeros(1, 3, height, width))
            assert isinstance(result, Tensor)
            with pytest.raises(RuntimeError):
                model(torch.zeros(1, 3, height - 1, ours.input[2]))
            with pytest.raises(RuntimeError):
                model(torch.zeros(1, 3, ours.input[1], width - 1))


def test_published_figures_of_the_papers() -> None:
    """AlexNet of 2012 with two groups, and GoogLeNet's Table 1 with and without its heads."""
    assert architecture("alexnet_paper").summary().parameters == 60_965_224
    paper = architecture("googlenet_paper").summary()
    assert (paper.parameters, paper.training_parameters) == (6_998_552, 13_378_280)
    googlenet = architecture("googlenet").summary()
    assert (googlenet.parameters, googlenet.training_parameters) == (6_624_904, 13_004_888)


def test_three_3x3_against_one_7x7() -> None:
    """The notebook's argument: 27C² weights against 49C², and the same receptive field of 7."""
    stack, single = architecture("stack_3x3").summary(), architecture("conv_7x7").summary()
    channels = 64
    assert (stack.parameters, single.parameters) == (27 * channels**2, 49 * channels**2)
    assert stack.layers[-1].receptive_field == single.layers[-1].receptive_field == (7, 7)


def test_the_notebooks_own_cases() -> None:
    """AlexNet with 10 classes on 1×3×128×128 gives [1, 10]; the inception module gives [1, 128, 128, 128]."""
    alexnet = architecture("alexnet").build(num_classes=10, input=(3, 128, 128)).eval()
    assert alexnet(torch.rand(1, 3, 128, 128)).shape == (1, 10)
    module = architecture("inception_module").build()
    assert module(torch.rand(1, 3, 128, 128)).shape == (1, 128, 128, 128)


def test_densenet121_as_a_user_writes_it() -> None:
    """A spec written from docs/language.md alone: torchvision's keys, parameters, outputs and published figures."""
    spec = archc.load(Path(__file__).parent / "densenet121.yaml")  # checks what it `expect`s of itself
    twin = tv.densenet121(weights=None).eval()
    small = spec.build(input=(3, 64, 64)).eval()
    assert list(small.state_dict()) == list(twin.state_dict())
    small.load_state_dict(twin.state_dict())
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(small(x), twin(x))
    published = tv.get_model_weights("densenet121")["IMAGENET1K_V1"].meta
    assert published["num_params"] == spec.summary().parameters
    assert published["_ops"] == round(spec.summary().macs / 1e9, 3)
    assert tuple(published["min_size"]) == spec.min_input
