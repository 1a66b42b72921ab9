"""Records a module: its real forward pass on torch's meta device, layer by layer, with the modules around each.

A TorchFunctionMode sees every call of a torch function; `nn.Module.__call__` is wrapped to see which module calls it.
A module that is a layer type of archc is one operation; any other module is a scope, whose own calls are recorded.
The forward pass runs in evaluation mode, and again in training mode to find the parts that only training uses.
"""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from archc.build.builder import make_layer
from archc.build.inputs import zeros
from archc.build.recognize import kind_of
from archc.importing.functions import Alias, Said, Steps, translate
from archc.importing.graph import Call, Operation, Scope, SourceGraph, Unsupported, Value
from archc.importing.reshaping import shuffled
from archc.kinds import KINDS, Kind, Shape
from archc.problems import Problem, SpecError
from archc.text import first_line

IMAGES = 2
"""Images of the recorded batch: batch normalization in training refuses one alone."""

_TORCH = str(Path(torch.__file__).parent)


def record(
    model: nn.Module,
    input: Shape,
    name: str,
    arguments: Mapping[str, Mapping[str, Any]],
    images: int = IMAGES,
    parts: Mapping[str, Mapping[str, Any]] | None = None,
    failed: set[str] | None = None,
) -> SourceGraph:
    """The graph of a module for inputs of a shape, without the batch. The module itself is not changed or run.

    `images` is the batch that it runs with. `parts` become layers of the type `module`, by their paths; those that
    don't take and return one tensor are added to `failed`. Raises SpecError (E0802) if the module can't be run on
    torch's meta device.
    """
    twin = _twin(model)
    parts, failed = parts or {}, set() if failed is None else failed
    evaluated = _run(twin.eval(), input, name, images, parts, failed)
    operations, notes = evaluated.operations, list(evaluated.notes)
    unsupported = list(evaluated.unsupported)
    try:
        trained = _run(twin.train(), input, name, images, parts, failed)
    except SpecError:
        notes.append("It does not run in training mode, so archc did not look for auxiliary heads.")
    else:
        heads, unknown = _heads(evaluated, trained)
        operations = [*operations, *heads]
        unsupported += unknown
    used = {key for operation in operations for key in operation.tensors.values()}
    tensors = model.state_dict(keep_vars=True)
    known = {id(tensors[key]) for key in used}  # a module that has two names has two keys for each tensor
    unused = [key for key, tensor in tensors.items() if id(tensor) not in known]
    if unused:
        owners = sorted({key.rpartition(".")[0] or key for key in unused})
        notes.append(f"The forward pass never uses {', '.join(owners)}.")
    return SourceGraph(
        name=name,
        inputs={"input": input},
        operations=tuple(operations),
        results=evaluated.results,
        arguments=arguments,
        given=evaluated.given,
        returned=evaluated.returned,
        unsupported=tuple(unsupported),
        notes=tuple(notes),
    )


def title_of(module: nn.Module) -> str:
    """What a module calls itself when it is printed: its class, or the block that archc built it from."""
    return str(module._get_name())  # type: ignore[no-untyped-call]


def _twin(model: nn.Module) -> nn.Module:
    """A copy without values, for a run that leaves the module alone."""
    memo: dict[int, Any] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        empty = torch.empty_like(tensor, device="meta")
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(model, memo)


@dataclass(slots=True)
class _Recording:
    operations: list[Operation] = field(default_factory=list)
    unsupported: list[Unsupported] = field(default_factory=list)
    results: dict[str | None, Value] = field(default_factory=dict)
    given: dict[Call, dict[Value, str]] = field(default_factory=dict)
    returned: dict[Call, dict[Value, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _run(
    model: nn.Module, input: Shape, name: str, images: int, parts: Mapping[str, Mapping[str, Any]], failed: set[str]
) -> _Recording:
    # A module doesn't say what it reads: with an embedding, it is integers, unless it doesn't run on them.
    embeds = any(isinstance(module, nn.Embedding) for module in model.modules())
    for bound in (1, None) if embeds else (None,):
        (x,) = zeros((bound,), ((images, *input),), "meta")
        recorder = _Recorder(model, input, parts, failed)
        recorder.know(x, Value(-1))
        try:
            with warnings.catch_warnings(), torch.no_grad(), recorder.calls(), recorder:
                warnings.simplefilter("ignore")
                result = model(x)
        except SpecError:
            raise
        except Exception as error:  # the module is a program of its author's
            if bound is not None:
                continue
            size = "×".join(map(str, input))
            what = f"{name} does not run on an input of {size}: {type(error).__name__}: {first_line(error)}"
            help = "give the size of its input with --input"
            raise SpecError([Problem("E0802", what, file=name, help=help)]) from None
        break
    recording = recorder.recording
    recording.results = recorder.results(result)
    if not recording.results:
        what = f"{name} returns {type(result).__name__}, not tensors that its layers compute"
        raise SpecError([Problem("E0802", what, file=name)])
    return recording


class _Recorder(TorchFunctionMode):
    """Records what happens while it is active, within `calls()`."""

    def __init__(
        self, model: nn.Module, input: Shape, parts: Mapping[str, Mapping[str, Any]], failed: set[str]
    ) -> None:
        super().__init__()
        self.input = input
        self.parts = parts
        self.failed = failed
        self.recording = _Recording()
        self.model = model
        self.paths = {id(module): path for path, module in model.named_modules()}
        self.keys = {id(tensor): key for key, tensor in model.state_dict(keep_vars=True).items()}
        self.known: dict[int, tuple[Tensor, Value]] = {}
        self.expanded: dict[int, Tensor] = {}  # parameters that are one for each image
        self.learned: dict[tuple[str, tuple[Scope, ...]], Value] = {}  # by their keys and the calls of their modules
        self.kept: list[Tensor] = []  # what is found by its id has to stay
        self.scopes: list[Scope] = []
        self.counts: dict[str, int] = {}
        self.quiet = False

    # Values

    def know(self, tensor: Tensor, value: Value) -> None:
        """From now on, this tensor is the value."""
        self.known[id(tensor)] = tensor, value

    def value(self, tensor: Any) -> Value | None:
        """The value of a tensor; None if it doesn't come from the input."""
        found = self.known.get(id(tensor))
        return None if found is None else found[1]

    def results(self, result: Any) -> dict[str | None, Value]:
        """The outputs of the network by name."""
        if isinstance(result, Tensor):
            value = self.value(result)
            return {} if value is None else {None: value}
        if hasattr(result, "_asdict"):
            result = result._asdict()
        if isinstance(result, tuple | list):
            result = {f"output{i}": part for i, part in enumerate(result)}
        named = result.items() if isinstance(result, dict) else ()
        return {str(key): value for key, part in named if (value := self.value(part)) is not None}

    # Modules

    @contextmanager
    def calls(self) -> Iterator[None]:
        """See the calls of modules."""
        call = nn.Module.__call__

        def seen(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if self.quiet or id(module) not in self.paths:
                return call(module, *args, **kwargs)
            return self.module(module, args, kwargs, call)

        nn.Module.__call__ = seen  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = call  # type: ignore[method-assign]

    def module(self, module: nn.Module, args: Any, kwargs: Any, call: Any) -> Any:
        """Record a module's call, as a layer or as a scope."""
        path = self.paths[id(module)]
        if not path:
            return call(module, *args, **kwargs)
        count = self.counts.get(path, 0)
        self.counts[path] = count + 1
        alone = _attends_to_itself(module, args, kwargs) or _reads_a_batch(module, args, kwargs)
        taken = args[:1] if alone else args
        inputs = tuple(value for tensor in taken if (value := self.value(tensor)) is not None)
        shapes = tuple(tuple(tensor.shape[1:]) for tensor in taken if isinstance(tensor, Tensor))
        fits = alone or not (kwargs or type(module) in _SEVERAL)
        kind = kind_of(module) if inputs and fits else None
        if kind is not None and kind.many:  # it may join a learned tensor
            inputs = self.inputs(taken, inputs[0]) or inputs
        kind = kind if len(inputs) == len(taken) else None
        if path in self.parts and path not in self.failed:
            if len(args) == len(inputs) == 1 and not kwargs and self.gives_one(module, args, call):
                kind = KINDS["module"](**self.parts[path])
            else:
                self.failed.add(path)
        opaque = kind is not None and kind.opaque
        if kind is None or not (kind.many or len(inputs) == 1) or not (opaque or _said(kind, module, shapes)):
            self.scopes.append(Scope(path, title_of(module), count))
            self.recording.given[path, count] = self.given(module, args, kwargs)
            try:
                result = call(module, *args, **kwargs)
            finally:
                self.scopes.pop()
            if isinstance(result, dict):
                self.recording.returned[path, count] = {
                    value: name for name, value in self.results(result).items() if name
                }
            return result
        before = [tensor._version if isinstance(tensor, Tensor) else 0 for tensor in args]
        self.quiet = True
        try:
            result = call(module, *args, **kwargs)
        finally:
            self.quiet = False
        own = module.state_dict().keys() if opaque else kind.tensors(shapes).keys()
        tensors = {key: f"{path}.{key}" for key in module.state_dict() if key in own}
        prefix = f"{self.scopes[-1].path}." if self.scopes else ""
        name = path.removeprefix(prefix) if path.startswith(prefix) else ""
        operation = Operation(
            kind.kind,
            dict(kind),
            inputs,
            name=name,
            scopes=tuple(self.scopes),
            tensors=tensors,
            place=path,
            again=bool(count and tensors),
        )
        written = any(isinstance(x, Tensor) and x._version != version for x, version in zip(args, before, strict=True))
        result = result if written else _own(result, args)
        made = self.add(operation, result[0] if alone and not isinstance(result, Tensor) else result)
        for tensor, version in zip(args, before, strict=True):
            if isinstance(tensor, Tensor) and tensor._version != version:
                self.know(tensor, made)  # it works in place
        return result

    def given(self, module: nn.Module, args: Any, kwargs: Any) -> dict[Value, str]:
        """The values that a module is called with, in the order of its `forward`, and its names for them."""
        try:
            bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
        except (TypeError, ValueError):
            bound = {}
        named = [(name, value) for name, value in bound.items() if isinstance(value, Tensor)]
        named += [("", value) for value in _tensors(each for each in bound.values() if isinstance(each, tuple))]
        found: dict[Value, str] = {}
        for name, tensor in named:
            if (value := self.value(tensor)) is not None:
                found.setdefault(value, name)
        return found

    def gives_one(self, module: nn.Module, args: Any, call: Any) -> bool:
        """Return True if a module returns one tensor."""
        self.quiet = True
        try:
            return isinstance(call(module, *args), Tensor)
        finally:
            self.quiet = False

    def add(self, operation: Operation, result: Any) -> Value:
        """Append an operation whose result is a tensor or several."""
        parts = result if isinstance(result, tuple | list) else (result,)
        shapes = tuple(tuple(part.shape[1:]) for part in parts if isinstance(part, Tensor))
        self.recording.operations.append(replace(operation, shapes=shapes))
        at = len(self.recording.operations) - 1
        if isinstance(result, Tensor):
            self.know(result, Value(at))
        else:
            for number, part in enumerate(parts):
                if isinstance(part, Tensor):
                    self.know(part, Value(at, number))
        return Value(at)

    # Functions

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record a call of a function if a value of the network goes in and a tensor comes out."""
        kwargs = kwargs or {}
        if self.quiet:
            return func(*args, **kwargs)
        given = [*_tensors(args), *_tensors(list(kwargs.values()))]
        result = func(*args, **kwargs)
        values = [value for tensor in given if (value := self.value(tensor)) is not None]
        if not values and func is Tensor.expand and _for_each_image(given[0], result):
            self.expanded[id(result)] = given[0]
            self.kept.append(result)
        if not values or not next(_tensors([result]), None) is not None:
            return result
        said = translate(func, args, kwargs, result)
        if isinstance(said, Alias):
            value = self.value(said.of)
            if value is not None:
                self.know(result, value)
                return result
        elif isinstance(said, Steps):
            value = self.value(said.of)
            if value is not None:
                self.steps(said, value, result)
                return result
        elif said is not None:
            inputs = self.inputs(said.inputs, values[0])
            if inputs is not None and self.fits(said, inputs, result):
                operation = Operation(said.kind, said.arguments, inputs, scopes=tuple(self.scopes), place=_place())
                result = result if _writes(func) else _own(result, given)
                made = self.add(operation, result)
                if _writes(func) and args:
                    self.know(args[0], made)
                return result
        self.unknown(func, values, result, given)
        return result

    def unknown(self, func: Any, values: list[Value], result: Any, given: list[Tensor]) -> None:
        """Record a call that archc has no word for, and continue."""
        title = (resolve_name(func) or getattr(func, "__name__", str(func))).removeprefix("torch.nn.functional.")
        own = next((self.keys[id(tensor)] for tensor in given if id(tensor) in self.keys), None)
        place = _place()
        reason = {"reason": f"it uses `{own}` directly"} if own is not None else {}
        self.add(Operation(f"({title})", reason, tuple(values), scopes=tuple(self.scopes), place=place), result)

    def inputs(self, tensors: Sequence[Tensor], beside: Value) -> tuple[Value, ...] | None:
        """The values that a layer takes, learned tensors among them; None if one comes from elsewhere."""
        found = [value or self.parameter(tensor, beside) for tensor in tensors for value in (self.value(tensor),)]
        inputs = tuple(value for value in found if value is not None)
        return inputs if len(inputs) == len(found) else None

    def parameter(self, tensor: Tensor, beside: Value) -> Value | None:
        """The entry of a parameter or buffer that a module uses directly, or gives to a module inside it.

        It is made beside a value of the network.
        """
        own = self.expanded.get(id(tensor), tensor)
        key = self.keys.get(id(own))
        path, _, name = (key or "").rpartition(".")
        owners = {"": 0} | {scope.path: depth for depth, scope in enumerate(self.scopes, 1)}
        if key is None or path not in owners:
            return None
        scopes = tuple(self.scopes[: owners[path]])
        if (key, scopes) not in self.learned:
            leading = own.dim() == 1 + len(self.shape(beside)) and own.shape[0] == 1
            shape = tuple(own.shape[1:] if leading else own.shape)
            if not shape:
                return None
            operation = Operation(
                "parameter" if isinstance(own, nn.Parameter) else "buffer",
                {"shape": shape, **({"leading": True} if leading else {})},
                (beside,),
                shapes=(shape,),
                name=name,
                scopes=scopes,
                tensors={"": key},
                place=key,
                again=any(known == key for known, _ in self.learned),
            )
            self.recording.operations.append(operation)
            self.learned[key, scopes] = Value(len(self.recording.operations) - 1)
        return self.learned[key, scopes]

    def shape(self, value: Value) -> Shape:
        """The shape of a value, without the batch."""
        if value.operation < 0:
            return self.input
        return self.recording.operations[value.operation].shapes[value.part or 0]

    def fits(self, said: Said, inputs: tuple[Value, ...], result: Any) -> bool:
        """Return True if archc's layer takes these inputs, and gives the shapes that the source has."""
        kind = KINDS[said.kind](**said.arguments)
        shapes = tuple(map(self.shape, inputs))
        if not all(shapes) or any(kind.requirements(shapes)):  # a number for each image is no tensor to archc
            return False
        made = kind.output(shapes)
        parts = result if isinstance(result, tuple | list) else (result,)
        found = list(made.values()) if isinstance(made, dict) else [made]
        return found == [tuple(part.shape[1:]) for part in parts]

    def steps(self, said: Steps, value: Value, result: Tensor) -> None:
        """Record a chain of layers that gives a tensor another shape, or a channel shuffle if this ends one."""
        for layer in said.layers:
            (kind, given), taken = shuffled(layer, value, self.recording.operations)
            shape = KINDS[kind](**given).output((self.shape(taken),))
            self.recording.operations.append(
                Operation(kind, given, (taken,), shapes=(shape,), scopes=tuple(self.scopes), place=_place())
            )
            value = Value(len(self.recording.operations) - 1)
        self.know(result, value)


def _attends_to_itself(module: nn.Module, args: Any, kwargs: Any) -> bool:
    """Whether this is a call of PyTorch's attention that `multihead_attention` is: of one tensor, without weights."""
    return (
        isinstance(module, nn.MultiheadAttention)
        and len(args) == 3
        and args[0] is args[1] is args[2]
        and kwargs == {"need_weights": False}
        and bool(module.batch_first)
    )


def _reads_a_batch(module: nn.Module, args: Any, kwargs: Any) -> bool:
    """Return True for a call of PyTorch's LSTM or GRU that `lstm` and `gru` are, if only its sequence is used."""
    return (
        isinstance(module, nn.LSTM | nn.GRU)
        and len(args) == 1
        and not kwargs
        and module.batch_first
        and not module.proj_size
    )


_SEVERAL: Final = (nn.MultiheadAttention, nn.LSTM, nn.GRU)
"""Modules of PyTorch with several results; archc's layers have the first."""


def _for_each_image(tensor: Tensor, result: Tensor) -> bool:
    """Return True if the result is the tensor, once for each image of the batch."""
    one = tensor[0] if tensor.dim() == result.dim() and tensor.shape[0] == 1 else tensor
    return tuple(result.shape[1:]) == tuple(one.shape)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


def _own(result: Any, given: Sequence[Any]) -> Any:
    """The result as a tensor of its own, if a layer returned its input: its other readers don't read the layer."""
    return result.detach() if any(result is tensor for tensor in given) else result


def _writes(function: Any) -> bool:
    """Return True if a function writes its result into its first argument."""
    name = getattr(function, "__name__", "").partition(".")[0]  # of an operator, `relu_.default`
    return name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))


def _said(kind: Kind, module: nn.Module, shapes: tuple[Shape, ...]) -> bool:
    """Return True if archc's layer of this kind is the module: they print the same arguments."""
    if any(kind.requirements(shapes)) if len(shapes) == 1 else not shapes:
        return False
    with torch.device("meta"):
        made = make_layer(kind.call(shapes))
    return type(made) is not type(module) or made.extra_repr() == module.extra_repr()


def _place() -> str:
    """The line of the caller's source that called a torch function."""
    frame = inspect.currentframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith(_TORCH) and "contextlib" not in file:
            path, here = Path(file), Path.cwd()
            shown = path.relative_to(here) if path.is_relative_to(here) else Path(*path.parts[-2:])
            return f"{shown}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _heads(evaluated: _Recording, trained: _Recording) -> tuple[list[Operation], list[Unsupported]]:
    """The operations that only training runs, in modules that evaluation never enters, as auxiliary ones."""
    entered = {_first(operation) for operation in evaluated.operations}
    position: dict[int, int] = {}  # from the training run's operations to the final ones
    extra: list[Operation] = []
    common = [at for at, operation in enumerate(trained.operations) if _first(operation) in entered]
    if len(common) != len(evaluated.operations):
        return [], []
    position.update({at: number for number, at in enumerate(common)})
    for at, operation in enumerate(trained.operations):
        if at in position:
            continue
        position[at] = len(evaluated.operations) + len(extra)
        extra.append(operation)
    moved = [
        replace(
            operation,
            auxiliary=True,
            inputs=tuple(Value(position.get(at, at), part) for at, part in operation.inputs),
        )
        for operation in extra
    ]
    known = {(one.operation, one.place) for one in evaluated.unsupported}
    return moved, [one for one in trained.unsupported if (one.operation, one.place) not in known]


def _first(operation: Operation) -> str:
    """The child of the network that an operation belongs to; empty for calls of functions in its own forward."""
    path = operation.scopes[0].path if operation.scopes else operation.name
    return path.partition(".")[0]


class Constructed:
    """Remembers the arguments of the constructors of modules while it is active, by module."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[nn.Module, dict[str, Any]]] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch the constructors that run in this context."""
        begin = nn.Module.__init__

        def seen(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            frame = sys._getframe(1)
            while frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is module:
                code = frame.f_code
                names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
                self._found[id(module)] = module, {name: frame.f_locals.get(name) for name in names}
                if frame.f_back is None:
                    break
                frame = frame.f_back
            begin(module, *args, **kwargs)

        nn.Module.__init__ = seen  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            nn.Module.__init__ = begin  # type: ignore[method-assign]

    def of(self, model: nn.Module) -> dict[str, dict[str, Any]]:
        """The arguments by the paths of the modules; for one that was not watched, attributes of the same names."""
        found: dict[str, dict[str, Any]] = {}
        for path, module in model.named_modules():
            if id(module) in self._found:
                found[path] = self._found[id(module)][1]
            else:
                names: Sequence[str] = list(inspect.signature(type(module).__init__).parameters)[1:]
                found[path] = {name: vars(module)[name] for name in names if name in vars(module)}
        return found


__all__ = ["KINDS", "Constructed", "record"]
