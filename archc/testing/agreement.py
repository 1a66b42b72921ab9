"""Whether archc, the built module, the emitted source and PyTorch agree on one architecture.

Each check raises AssertionError with what differs. The checks look at the modules themselves: nothing is
taken from archc's own check of shapes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archc import Architecture
from archc.build.inputs import noise, with_batch, zeros
from archc.build.targets import module_class
from archc.graph import integer_bounds
from archc.kinds import KINDS, Kind, Shape
from archc.language.spec import Callee


def assert_agreement(architecture: Architecture, *, gradients: bool = True) -> None:
    """The built and the emitted module are one network, with the shapes, parameters and cost that archc infers."""
    built, emitted = modules(architecture)
    assert_shapes(architecture, built)
    inputs = images(architecture)
    assert_same_state(built, emitted)
    for training in (False, True):
        assert_same_outputs(run(built, *inputs, training=training), run(emitted, *inputs, training=training))
    assert_same_state(built, emitted)  # running statistics too
    if gradients:
        assert_same_gradients(built, emitted, *inputs)


def modules(architecture: Architecture, **settings: Any) -> tuple[nn.Module, nn.Module]:
    """The built and the emitted module, made under the same seed."""
    set_seed(0)
    built = architecture.build(**settings)
    space = emitted_names(architecture)
    made = space[architecture.name]
    given = architecture.configure(**settings).network.declared if settings else {}
    set_seed(0)
    return built, made(**{name: as_classes(given[name].default, space) for name in settings})


def as_classes(value: Any, space: Mapping[str, Any]) -> Any:
    """An argument of an emitted class: the layers and blocks in a value are classes, some of them of the file."""
    if isinstance(value, tuple):
        return tuple(as_classes(item, space) for item in value)
    if not isinstance(value, Callee):
        return value
    if not isinstance(value.target, type):
        return space[value.target.name]
    name = value.target.torch.rpartition(".")[2]
    if value.target.torch.startswith("archc."):
        for copied in (f"{name}Layer", name):
            if copied in space:
                return space[copied]
    return module_class(value.target.torch)


def set_seed(number: int) -> None:
    """Seed the CPU's generator alone: `torch.manual_seed` visits every kind of device, a quarter of the time."""
    torch.default_generator.manual_seed(number)


def emitted_class(architecture: Architecture) -> Callable[..., nn.Module]:
    """The class of the emitted source, which is run as it stands."""
    made: Callable[..., nn.Module] = emitted_names(architecture)[architecture.name]
    return made


def emitted_names(architecture: Architecture) -> dict[str, Any]:
    """What the emitted source defines, by name."""
    source = architecture.emit()
    space: dict[str, Any] = {"__name__": f"emitted_{architecture.name}"}
    exec(compile(source, f"<{architecture.name}>", "exec", dont_inherit=True), space)
    return space


def images(architecture: Architecture, count: int = 2) -> tuple[Tensor, ...]:
    """A batch of noise for each input, always the same."""
    generator = torch.Generator().manual_seed(1)
    network = architecture.network
    return tuple(noise(integer_bounds(network.graph), with_batch(count, network.inputs.values()), generator))


def run(module: nn.Module, *inputs: Tensor, training: bool = False, seed: int = 2) -> dict[str, Tensor]:
    """The outputs by name under a seed; an only output is called `output`."""
    set_seed(seed)
    with torch.no_grad():
        return _named(module.train(training)(*[x.clone() for x in inputs]))


def _named(result: Any) -> dict[str, Tensor]:
    return dict(result) if isinstance(result, dict) else {"output": result}


def assert_shapes(architecture: Architecture, module: nn.Module) -> None:
    """Every layer of a module has the inferred output and parameters; heads are run in training."""
    summary = architecture.summary()
    heads = any(row.training for row in summary.layers)
    module = copy.deepcopy(module) if heads else module  # a run in training changes running statistics
    seen: dict[str, list[tuple[int, ...]]] = {}

    def hook(path: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            seen.setdefault(path, []).append(tuple(first.shape[1:]))

        return keep

    rows = [row for row in summary.layers if not KINDS[row.kind].bare]
    modules = dict.fromkeys(row.shares or row.path for row in rows)
    handles = [module.get_submodule(path).register_forward_hook(hook(path)) for path in modules]
    for training in (True, False) if heads else (False,):
        seen.clear()
        outputs = run(module, *images(architecture, 2 if training else 1), training=training)
        expected: dict[str, list[tuple[int, ...]]] = {}
        for row in rows if training else [row for row in rows if not row.training]:
            expected.setdefault(row.shares or row.path, []).append(row.output)
        assert seen == expected
    for handle in handles:
        handle.remove()
    assert {name: tuple(value.shape[1:]) for name, value in outputs.items()} == architecture.outputs
    for row in rows:
        own = () if row.shares else module.get_submodule(row.path).parameters()
        real = sum(parameter.numel() for parameter in own)
        assert real == row.parameters, (row.path, real, row.parameters)
    assert sum(parameter.numel() for parameter in module.parameters()) == summary.training_parameters
    trained_only = sum(row.parameters for row in summary.layers if row.training)
    assert summary.parameters == summary.training_parameters - trained_only


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Return True if two tensors are equal bit for bit, also where they are not numbers."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if not one.ndim:
        return torch.equal(one, other)
    # A copy has the usual strides: an axis of one position can have any, which `view` refuses.
    first, second = (value.clone(memory_format=torch.contiguous_format) for value in (one, other))
    return torch.equal(first.view(torch.uint8), second.view(torch.uint8))


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    """Equal keys in the same order, equal tensors."""
    first, second = one.state_dict(), other.state_dict()
    assert list(first) == list(second), (list(first), list(second))
    different = [key for key, value in first.items() if not same_bits(value, second[key])]
    assert not different, f"initial weights or statistics differ: {different}"


def assert_same_outputs(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Equal names in the same order, equal bits."""
    assert list(one) == list(other), (list(one), list(other))
    different = [name for name, value in one.items() if not same_bits(value, other[name])]
    assert not different, f"outputs differ: {different}"


def assert_same_gradients(one: nn.Module, other: nn.Module, *inputs: Tensor) -> None:
    """One backward pass in training mode gives equal gradients for every parameter and for the inputs.

    In double precision, and up to the order in which a sum is taken: autograd adds the gradients of a value
    that is read several times in the order in which its readers ran.
    """
    first, second = _gradients(one, inputs), _gradients(other, inputs)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-9, atol=1e-9, equal_nan=True, msg=f"gradient of {name}")


def _gradients(module: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    module = copy.deepcopy(module).double().train()
    set_seed(3)
    given = [x.double().requires_grad_() if x.is_floating_point() else x for x in inputs]
    total = sum((value * value).sum() for value in _named(module(*[x * 1 for x in given])).values())
    assert isinstance(total, Tensor)
    total.backward()  # type: ignore[no-untyped-call]
    found = {name: parameter.grad for name, parameter in module.named_parameters()}
    found |= {f"input {at}": x.grad for at, x in enumerate(given)}
    return {name: value for name, value in found.items() if value is not None}


def assert_layer(layer: Kind, x: Shape) -> None:
    """A layer's output shape, parameters and multiply-adds for an input of shape x are those of its torch module.

    x is (channels, height, width) or (features,). Runs on the meta device: nothing is computed.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from archc.build.builder import make_layer

    with torch.device("meta"):
        module = make_layer(layer.call((x,))).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = module(*zeros((layer.integers,), ((1, *x),), "meta"))
    y = layer.output((x,))
    expected = list(y.values()) if isinstance(y, dict) else [y]
    real = [tuple(part.shape[1:]) for part in (result if isinstance(result, tuple) else (result,))]
    assert real == expected, (layer, x, real, expected)
    assert layer.parameters((x,)) == sum(parameter.numel() for parameter in module.parameters()), (layer, x)
    assert 2 * layer.macs((x,), expected[0]) == counter.get_total_flops(), (layer, x)
