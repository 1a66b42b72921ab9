"""`archc build`."""

from __future__ import annotations

from typing import Any

from archc.cli.options import configured
from archc.presentation import figures
from archc.problems import Problem, SpecError
from archc.terminal import say
from archc.text import first_line


def run(given: Any) -> int:
    """Build the module, load weights if given, run it once, and compare its shapes with the inferred ones."""
    architecture = configured(given.spec, given)
    from archc.build import load_weights, save_weights, shape_problems

    try:
        model = architecture.build()
        if given.weights:
            load_weights(model, given.weights, renames=architecture.network.spec.checkpoint_keys)
        count, problems = shape_problems(architecture.network, model)
    except (MemoryError, RuntimeError) as error:
        what = f"the network cannot be built and run here: {first_line(error)}"
        help = "`archc check` and `archc summary` work without building it"
        raise SpecError([Problem("E0504", what, file=given.spec, help=help)]) from None
    if problems:
        raise SpecError(problems)
    say(f"{architecture.name}: {figures(architecture.network)}")
    if given.weights:
        say(f"weights: {given.weights}")
    say(f"forward pass: {count} layers, every shape as inferred")
    if given.save:
        save_weights(model, given.save)
        say(f"saved: {given.save}")
    return 0
