"""Inference of single calls: the kinds of layers and joins with their arguments, and their output shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from archc.expressions import has_expression
from archc.graph.axes import has_channels_first
from archc.graph.causes import keeping, shortcuts
from archc.graph.diagnose import Path
from archc.graph.frame import Scope
from archc.graph.graph import Outputs, Ref
from archc.graph.unfold import Unfolding
from archc.kinds import Fault, Join, Kind, Shape, form, volume
from archc.kinds.axes import DIMENSIONS
from archc.kinds.base import shown
from archc.kinds.convolution import Conv2d, same_faults, same_padding
from archc.kinds.module import Inspect, Module
from archc.known import key_of, remember
from archc.language.initialization import evaluated
from archc.language.parse import make_kind
from archc.language.spec import UNKNOWN, BlockCall, Callee, ChosenCall, InitRule, LayerCall, Spec, is_known
from archc.problems import Fix, Mark, Problem, Problems, SpecError

_LAYERS: Final[dict[Any, tuple[Kind, Outputs]]] = {}
"""Layers by kind and input, so that equal ones of all specs are inferred once."""


class Inference(Unfolding):
    """Infers and checks the results of single calls."""

    def __init__(self, spec: Spec, known: dict[Any, Any], inspect: Inspect | None = None) -> None:
        super().__init__(spec, known)
        self.inspect = inspect
        self._faults = Problems()

    def layer(
        self, call: LayerCall, refs: Sequence[Ref], shapes: tuple[Shape, ...], scope: Scope
    ) -> tuple[Kind, Outputs] | None:
        """A layer for its inputs; None after an error."""
        if call.operands:
            joining = call.ready or self._kind(call, scope)
            places = [(self.frame.name, operand.mark) for operand in call.operands]
            return None if joining is None else self.join(joining, call.mark, refs, shapes, places)
        if call.kind.opaque:
            scope = {**dict(zip(DIMENSIONS[len(shapes[0])], shapes[0], strict=True)), **scope}
        kind = call.ready or self._kind(call, scope)
        if kind is None:
            return None
        if isinstance(kind, Module):
            kind = kind.seen_by(self.inspect, shapes)
        placed = kind.features_last and len(shapes[0]) > 1 and not any(kind.requirements(shapes))
        if placed and has_channels_first(self.frame, refs[0]):
            help = "put a `flatten` before it, or a `permute` that moves the channels to the last axis"
            message = f"`{kind.kind}` expects a vector, but gets a feature map of {form(shapes[0])}"
            self.layer_fault(Fault("E0301", message, help=help), call, kind)
            return None
        made = _LAYERS.get((id(kind), shapes))
        if made is not None:
            return made
        before = self.reported
        for fault in kind.requirements(shapes):
            self.layer_fault(fault, call, kind)
        return self._made(kind, shapes, call.mark) if self.reported == before else None

    def join(
        self,
        kind: Kind,
        mark: Mark,
        refs: Sequence[Ref],
        shapes: tuple[Shape, ...],
        places: Sequence[tuple[str, Mark]],
        inputs: str = "inputs of `",
    ) -> tuple[Kind, Outputs] | None:
        """The join of values, each with its name and the place for errors; None after an error."""
        nodes = self.frame.nodes
        assert isinstance(kind, Join)
        made = _LAYERS.get((id(kind), shapes))
        if made is not None:
            return made
        before = self.reported
        for position, fault, right in kind.join_faults(shapes, shortcuts(refs, nodes), keeping(refs, nodes)):
            fault = fault._replace(message=fault.message.replace("inputs of `", inputs))
            self.join_fault(fault, *places[position], refs[position], refs[right])
        return self._made(kind, shapes, mark) if self.reported == before else None

    def parameters(self, call: BlockCall, arguments: Sequence[Any], shapes: Sequence[Shape]) -> Scope:
        """The values of a block's arguments, after the channels of its inputs."""
        given = dict(zip(call.arguments, arguments, strict=True))
        values = dict(zip(call.block.channels, map(self.channels, shapes), strict=True))
        for name, parameter in call.block.parameters.items():
            value = given[name] if name in given else self.value(parameter.default, values)
            values[name] = self._same(call, given, values) if name == "padding" and value == "same" else value
        return values

    def chosen(self, call: ChosenCall, scope: Scope) -> LayerCall | BlockCall | None:
        """The layer or block that an expression names, with its arguments; None after an error."""
        which = f"`{call.which.text}`"
        name = self.value(call.which, scope)
        if name is UNKNOWN:
            return None
        if name is None:
            help = f"to omit the layer in that case, give the entry `when: $({call.which.text} != null)`"
            self.report("E0213", f"{which} is empty (`null`)", call.mark, help=help)
            return None
        if not isinstance(name, Callee):
            if not (isinstance(name, str) and self.is_reported_callee(name, call)):
                self.report("E0213", f"{which} must name a layer or a block, got {shown(name)}", call.mark)
            return None
        if name not in call.options and not (
            name.is_elementwise and any(option.is_elementwise for option in call.options)
        ):
            known = ", ".join(f"`{other}`" for other in call.options)
            message = f"{which} is `{name}`, but the spec only gives it {known}"
            help = f"name `{name}` in the spec, as a default or in a call; `extends` can do that for another spec"
            self.report("E0204", message, call.mark, help=help)
            return None
        try:
            return call.call(name)
        except SpecError as error:
            for problem in error.problems:
                self.add(problem, (self.frame.name,))
            return None

    def is_reported_callee(self, name: str, call: ChosenCall) -> bool:
        """Return True if it was already reported, where the name is written, that it doesn't name a layer."""
        return any(problem.code == "E0204" and f"`{name}`" in problem.message for problem in self.spec.problems)

    def init_rule(self, rule: InitRule, scope: Scope) -> InitRule:
        """A rule of initial weights with the values of its arguments; what is wrong with them is reported."""
        found = evaluated(rule, lambda argument: self.value(argument, scope), self._faults)
        self._report_faults()
        return found

    def _kind(self, call: LayerCall, scope: Scope) -> Kind | None:
        before, values = self.reported, self.values(call.arguments.values(), scope)
        if self.reported > before or (self.doubtful and not all(map(is_known, values))):
            return None
        for name, value in zip(call.arguments, values, strict=True):
            if name in call.kind.listed and self._follows(call, name, value):
                return None
        key = (call, key_of(*values))
        kind: Kind | None = self.known.get(key)
        if kind is None:
            kind = self._validated(call, dict(zip(call.arguments, values, strict=True)), (self.frame.name,))
            if kind is not None:
                remember(self.known, key, kind)
        return kind

    def _follows(self, call: LayerCall, name: str, value: Any) -> bool:
        """Report a size of -1 from an expression, because the source must know which size is inferred."""
        written = call.arguments[name]
        sizes = zip(written, value, strict=True) if isinstance(written, tuple | list) else ()
        if not any(size == -1 and has_expression(given) for given, size in sizes):
            return False
        message = f"a size of `{name}` is -1 by an expression"
        self.report("E0203", message, call.marks.get(name, call.mark), help="write -1 as a number")
        return True

    def _validated(self, call: LayerCall, arguments: dict[str, Any], at: Path = ()) -> Kind | None:
        """The kind for its arguments. The parser words the errors, and this adds the path."""
        kind = make_kind(call, arguments, self._faults)
        if kind is None:
            self._report_faults(at)
        return kind

    def _report_faults(self, at: Path = ()) -> None:
        """Report what validation found."""
        for problem in self._faults.sorted():
            self.add(problem, at)
        self._faults = Problems()

    def _same(self, call: BlockCall, given: Scope, values: Scope) -> Any:
        """Resolve `padding: same` given to a block; None after an error.

        It is p = d(k - 1)/2 of the kernel in the same call.
        """
        at = call.marks.get("padding", call.mark)
        window, marks = {"out_channels": 1}, {"out_channels": at}
        for name in ("kernel_size", "stride", "dilation"):
            parameter = call.block.parameters.get(name)
            if parameter is not None:
                window[name] = given[name] if name in given else self.value(parameter.default, values)
                marks[name] = call.marks.get(name, parameter.mark)
        if not all(map(is_known, window.values())):
            return UNKNOWN
        if window.get("kernel_size") is None:
            message = f"`same` needs a kernel, and block `{call.block.name}` has no `kernel_size`"
            help = "give the block an argument `kernel_size`, or write the padding as a number"
            self.report("E0303", message, at, help=help)
            return None
        if self._validated(LayerCall(Conv2d, at, window, marks), window) is None:
            return None
        for fault in same_faults(window["kernel_size"], window.get("stride", 1), window.get("dilation", 1)):
            fix = Fix(at, fault.value) if fault.value else None
            self.report(fault.code, fault.message, at, label=fault.label, help=fault.help, fix=fix)
            return None
        return same_padding(window["kernel_size"], window.get("dilation", 1))

    def _made(self, kind: Kind, shapes: tuple[Shape, ...], mark: Mark) -> tuple[Kind, Outputs]:
        """A layer with its outputs. Raises SpecError if it is too large for any machine."""
        y = kind.output(shapes)
        outputs: Outputs = y if isinstance(y, dict) else {None: y}
        if any(volume(shape) >= 2**63 for shape in outputs.values()):
            problem = Problem("E0315", "the output has more than 2**63 elements", mark)
            raise SpecError([self.placed(problem)])
        made = kind, outputs
        remember(_LAYERS, (id(kind), shapes), made)
        return made
