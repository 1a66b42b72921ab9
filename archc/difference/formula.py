"""Counts as polynomials in a width: 49·C² of a 7×7 convolution of C channels.

Nothing is derived a second time: the network is counted at several widths. Parameters and multiply-adds are
polynomials in a width as long as no rounding is in between, and a polynomial of degree 3 through four counts that also
meets two more is the one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, takewhile
from typing import Final

from archc.architecture import Architecture
from archc.inference import Cost, graph_cost
from archc.problems import SpecError

_COUNTS: Final = 6
_MOST_DEGREE: Final = 3
_MOST_TERMS: Final = 2
_MOST_LAYERS: Final = 2000
_LEAST_GROWTH: Final = 1.5
"""A parameter of twice the size makes the network at least this much larger, or the report omits it."""

_SUPERSCRIPTS: Final = {1: "", 2: "²", 3: "³"}


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Coefficients by degree, from the constant on."""

    coefficients: tuple[int, ...]

    @property
    def terms(self) -> int:
        """How many terms are not 0."""
        return sum(map(bool, self.coefficients))

    def text(self, variable: str) -> str:
        """`49·C²`, `1,025·num_classes + 5,599,904`."""
        parts = []
        for degree in range(len(self.coefficients) - 1, -1, -1):
            coefficient = self.coefficients[degree]
            if not coefficient:
                continue
            power = f"{variable}{_SUPERSCRIPTS[degree]}" if degree else ""
            size = "" if power and abs(coefficient) == 1 else f"{abs(coefficient):,}{'·' if power else ''}"
            parts.append(("− " if coefficient < 0 else "+ ") + size + power)
        return " ".join(parts).removeprefix("+ ") or "0"


@dataclass(frozen=True, slots=True)
class Formula:
    """What two networks cost in terms of `variable`, which is `meaning`."""

    variable: str
    meaning: str
    parameters: tuple[Polynomial, Polynomial]
    macs: tuple[Polynomial, Polynomial]


def formula(before: Architecture, after: Architecture) -> Formula | None:
    """The costs of both as short polynomials in a parameter that they share; None where there are none.

    A parameter that is as large as the input's channels in both is changed together with them: a stack of C channels.
    """
    if max(len(each.network.graph.nodes) for each in (before, after)) > _MOST_LAYERS:
        return None
    for name, value in before.arguments.items():
        if type(value) is not int or value < 1 or after.arguments.get(name) != value:
            continue
        tied = before.input[0] == after.input[0] == value
        costs = list(takewhile(bool, (_costs(each, name, value, tied) for each in (before, after))))
        if len(costs) < 2:
            continue
        parameters, macs = _polynomials(costs, "parameters", value), _polynomials(costs, "macs", value)
        if all(0 < each.terms <= _MOST_TERMS for each in parameters):
            meaning = f"{name} and the input's channels" if tied else name
            return Formula("C" if tied else name, meaning, parameters, macs)
    return None


def _polynomials(costs: list[list[Cost]], what: str, step: int) -> tuple[Polynomial, Polynomial]:
    before, after = (_fitted([getattr(cost, what) for cost in each], step) for each in costs)
    return before, after


def _costs(architecture: Architecture, name: str, value: int, tied: bool) -> list[Cost]:
    """The costs at one to six times the parameter's value; empty where it does not take them, or hardly matters."""
    costs: list[Cost] = []
    axes = architecture.input[1:]
    for times in range(1, _COUNTS + 1):
        size = (value * times, *axes) if tied else None
        try:
            costs.append(graph_cost(architecture.configure(size, **{name: value * times}).network.graph))
        except SpecError:
            return []
        if times == 2 and costs[1].parameters < _LEAST_GROWTH * costs[0].parameters:
            return []
    return costs


def _fitted(counts: Sequence[int], step: int) -> Polynomial:
    """The polynomial through counts at `step`, 2 `step`, …; one without terms where there is none of low degree."""
    # Newton's forward differences, then the powers of x from the falling factorials of t - 1, t = x / step.
    leading: list[int] = []
    row = list(counts)
    while row:
        leading.append(row[0])
        row = [b - a for a, b in pairwise(row)]
    if any(leading[_MOST_DEGREE + 1 :]):
        return Polynomial(())
    powers = [Fraction(0)] * (_MOST_DEGREE + 1)
    factorial = [Fraction(1)]  # (t - 1)(t - 2)…(t - k) / k!, by powers of t
    for k in range(_MOST_DEGREE + 1):
        for degree, coefficient in enumerate(factorial):
            powers[degree] += leading[k] * coefficient / step**degree
        shifted = [Fraction(0), *factorial]
        factorial = [
            (shifted[i] - (k + 1) * (factorial[i] if i < len(factorial) else 0)) / (k + 1) for i in range(len(shifted))
        ]
    if any(power.denominator != 1 for power in powers):
        return Polynomial(())
    coefficients = [int(power) for power in powers]
    while coefficients and not coefficients[-1]:
        coefficients.pop()
    return Polynomial(tuple(coefficients))
