"""`archc build`."""

from __future__ import annotations

from typing import Any

from archc.cli.options import configured
from archc.presentation.text import figures
from archc.problems import Problem, SpecError


def run(given: Any) -> int:
    """Build the module, load weights if given, run it once and hold its shapes against the inferred ones."""
    architecture = configured(given.spec, given)
    from archc.build import load_weights, save_weights, shape_problems

    try:
        model = architecture.build()
        if given.weights:
            load_weights(model, given.weights)
        count, problems = shape_problems(architecture.network, model)
    except (MemoryError, RuntimeError) as error:
        what = f"the network cannot be built and run here: {str(error).splitlines()[0]}"
        help = "`archc check` and `archc summary` need no memory for it"
        raise SpecError([Problem("E0504", what, file=given.spec, help=help)]) from None
    if problems:
        raise SpecError(problems)
    print(f"{architecture.name}: {figures(architecture.network)}")
    if given.weights:
        print(f"weights: {given.weights}")
    print(f"forward pass: {count} layers, every shape as inferred")
    if given.save:
        save_weights(model, given.save)
        print(f"saved: {given.save}")
    return 0
