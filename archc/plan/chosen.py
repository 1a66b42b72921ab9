"""Layers and classes that an argument names: options with the same arguments share one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from archc.expressions import Compare, Const, Expr, Items, lift
from archc.kinds import Kind
from archc.language.spec import Callee
from archc.plan.plan import Case, Chosen, Layer, Shape, Use
from archc.plan.shapes import Inexpressible, merged

Arguments = tuple[tuple[str, Any], ...]


class Option(NamedTuple):
    """A possible value of an argument: a layer or class with its arguments, and the shapes of its results."""

    name: Callee
    what: Layer | Use
    positional: tuple[Any, ...]
    keywords: Arguments
    results: dict[str | None, Shape]


def arguments_of(kind: Kind, shape: Shape, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], Arguments]:
    """The arguments of a layer's constructor: all given ones, even if they equal the default.

    They have names, because another layer may have another order; inferred ones come first.
    """
    call, derived = kind.call((shape,)), kind.derived((shape,))
    first = dict(zip(kind.positional, call.positional, strict=False))
    inferred = 0
    while inferred < len(call.positional) and kind.positional[inferred] in derived:
        inferred += 1
    named = dict(list(first.items())[inferred:]) | dict(call.keywords)
    named |= {name: kind.__dict__[name] for name in given if name not in named and name not in first}
    return call.positional[:inferred], tuple(named.items())


def cases(which: Expr, options: Sequence[Option]) -> tuple[Chosen, dict[str | None, Shape]]:
    """The calls for the options of `which`, and the shapes of its results."""
    groups: dict[Any, list[Option]] = {}
    for option in options:
        groups.setdefault(_key(option), []).append(option)
    # Elementwise layers come last, because callers may also pass other layers with the same signature.
    ordered = sorted(
        groups.values(), key=lambda group: (any(option.name.is_elementwise for option in group), len(group))
    )
    if not ordered or len({frozenset(option.results) for option in options}) > 1:
        raise Inexpressible("what an argument names has several sets of outputs, or nothing is valid")
    found: list[Case] = []
    results = dict(ordered[-1][-1].results)
    for group in reversed(ordered):
        for option in reversed(group):
            test = Compare((which, Const(option.name)), ("==",))
            results = {name: merged(test, option.results[name], shape) for name, shape in results.items()}
        names = tuple(Const(option.name) for option in group)
        alone = len(group) == 1 and len(ordered) > 1 and not group[0].name.is_elementwise
        several = Compare((which, Items(names)), ("in",)) if len(names) > 1 else Compare((which, *names), ("==",))
        targets = tuple(option.what.target for option in group if isinstance(option.what, Use))
        first = group[0]
        callee = names[0] if alone else which
        found.insert(0, Case(several if found else None, callee, first.positional, first.keywords, targets))
    return Chosen(tuple(option.what for option in options), tuple(found)), results


def _key(option: Option) -> Any:
    """The key that options with the same arguments share."""
    given = tuple((name, lift(value)) for name, value in option.keywords)
    return isinstance(option.what, Use), tuple(map(lift, option.positional)), given
