# ruff: noqa: E501 - a fault is a row of the table
"""Does the property suite notice faults? Each mutant is the package with one line made wrong.

    python benchmarks/mutants.py [NUMBER…]      # all of them, or some

For each, a copy of the package is changed, and the properties are run against it in a process of their own
until one fails. What is printed: which property killed the mutant, and how many lines the shrunk spec has.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parent.parent

MUTANTS = [
    # (file, what stands there, what is put there instead, the fault in words)
    ("kinds/pooling.py", "choose(dropped, up - 1, up)", "up", "ceil_mode keeps a last window that starts in the padding"),
    ("kinds/pooling.py", "up = -(-span // stride) + 1", "up = span // stride + 1", "ceil_mode ignored"),
    ("kinds/pooling.py", "down = span // stride + 1", "down = -(-span // stride) + 1", "floor taken for ceil"),
    ("kinds/pooling.py", "span = size + 2 * padding - dilation * (kernel - 1) - 1", "span = size + 2 * padding - (kernel - 1) - 1", "dilation of a pooling ignored"),
    ("kinds/pooling.py", "stride = unless(stride, None, kernel)", "stride = unless(stride, None, 1)", "a wrong default: stride 1 instead of the kernel"),
    ("kinds/pooling.py", "if padding > kernel // 2:", "if padding > kernel:", "padding of a pooling up to the whole kernel"),
    ("kinds/convolution.py", "reach = 2 * p - d * (k - 1) - 1", "reach = 2 * p - (k - 1) - 1", "dilation of a convolution ignored"),
    ("kinds/convolution.py", "_shapes(self, (self.out_channels, inputs[0][0] // self.groups))", "_shapes(self, (self.out_channels, inputs[0][0]))", "groups ignored in the parameter count"),
    ("kinds/convolution.py", 'State(flags=("bias",), nullable=True)', 'State(nullable=True)', "a bias counted that is not there"),
    ("kinds/convolution.py", "channels: int = inputs[0][0] // self.groups", "channels: int = inputs[0][0]", "groups ignored in the multiply-adds"),
    ("kinds/convolution.py", "return dilation * (kernel_size - 1) // 2", "return dilation * kernel_size // 2", "`same` by k/2"),
    ("kinds/convolution.py", "            + axis(self.output_padding, i)\n", "", "output_padding ignored"),
    ("kinds/convolution.py", "if extra[i] >= max(stride[i], dilation[i]):", "if extra[i] >= stride[i]:", "output_padding refused below the dilation"),
    ("kinds/convolution.py", "if channels % groups:", "if channels % groups and which == 'input':", "groups checked on the input alone"),
    ("kinds/convolution.py", "if extent > size:", "if extent > size + 1:", "a window one larger than the map accepted"),
    ("kinds/convolution.py", "least = padding[i] + (self.padding_mode == \"reflect\")", "least = padding[i]", "reflect padding as large as the map"),
    ("kinds/normalization.py", '"bias": State(flags=("affine", "bias"))', '"bias": State()', "a shift counted that batch norm without affine does not have"),
    ("kinds/normalization.py", '"bias": State(flags=("elementwise_affine", "bias"))', '"bias": State(flags=("elementwise_affine",))', "layer norm's missing bias counted"),
    ("kinds/linear.py", '"bias": State(flags=("bias",))', '"bias": State()', "a bias of a linear layer counted that is not there"),
    ("kinds/spatial.py", "zip(lengths, (top + bottom, left + right), strict=False)", "zip(lengths, (left + right, top + bottom), strict=False)", "pad's height and width exchanged"),
    ("kinds/spatial.py", "return int(size * factor)", "return round(size * factor)", "upsample rounds"),
    ("kinds/join.py", "for odd in unequal:", "for odd in unequal[1:]:", "unequal maps joined"),
    ("inference/receptive.py", "return View(self.jump * window.step, first, last, firsts, lasts, early)", "return View(self.jump, first, last, firsts, lasts, early)", "the stride lost for receptive fields"),
    ("inference/receptive.py", "first=min(view.first, known.first), last=max(view.last, known.last)", "first=known.first, last=known.last", "the receptive field of the first branch alone"),
    ("inference/receptive.py", "first = self.first - spread - window.before * self.jump", "first = self.first - spread - window.before", "padding not scaled by the stride before"),
    ("inference/receptive.py", "view._replace(jump=0.0)", "view", "a 1×1 gate's view taken to move along the map"),
    ("inference/sizes.py", "if built == now:", "if True:", "a linear layer that takes any size"),
    ("inference/sizes.py", "if not declared or self.legal(*found):", "if True:", "smallest height and width not tried together"),
    ("inference/cost.py", "training += more", "training += own", "heads within the totals lost"),
    ("build/body.py", "for ref in node.inputs) if last[value] == position]", "for ref in node.inputs) if last[value] <= position + 1]", "a value freed while it is still read"),
    ("build/body.py", "return results | {name: values[slot] for name, slot in self._heads}", "return results", "heads missing from the built module's outputs"),
    ("build/modules.py", "return torch.cat(inputs, dim=self.dim)", "return torch.cat(inputs[::-1], dim=self.dim)", "branches joined in the wrong order"),
    ("build/builder.py", "initialize(model, graph.init, _opaque(graph) if graph.init else ())", "pass", "init ignored in the build"),
    ("build/initialize.py", "            break\n", "            continue\n", "every rule of init applied, not the first"),
    ("graph/unfold.py", "for i in range(count))", "for i in range(max(count - 1, 0)))", "a repeat one short"),
    ("graph/unfold.py", "{**turn, loop.index: i}", "{**turn, loop.index: i + 1}", "the index of a for-each counts from 1"),
    ("graph/evaluate.py", "OWN if frame.body.form == \"branches\" else frame.last", "frame.last", "branches run one after another"),
    ("graph/evaluate.py", "frame.last, frame.previous = ref, name", "frame.last, frame.previous = OWN if entry.source else ref, name", "an entry with `from` forgotten by the next"),
    ("graph/frame.py", "return self.inputs[INPUT - ref.node]", "return self.inputs[0]", "a captured value taken for the input"),
    ("emit/constructor.py", 'f"for _ in range({len(found)})"', 'f"for _ in range({len(found) - 1})"', "folded rows one short in the source"),
    ("emit/constructor.py", 'before="if ", after=":")\n                inner', 'before="if not ", after=":")\n                inner', "an `if` of the constructor the other way round"),
    ("emit/forward.py", 'return f"{text}[{value.output}]" if layer', 'return f"{text}[0]" if layer', "always the first part in the source"),
    ("emit/forward.py", 'first = Group("[", inputs, "]", packed=False)', 'first = Group("[", inputs[::-1], "]", packed=False)', "concat's inputs reversed in the source"),
    ("plan/loops.py", "{at: loop.index - 1}", "{at: loop.index}", "a loop's channels taken from the turn itself, not from the one before"),
    ("plan/loops.py", "return start + loop.index * step", "return start + (loop.index + 1) * step", "channels that grow from turn to turn one step ahead"),
    ("expressions/algebra.py", "if equal_where(yes, no, condition, False):", "if equal_where(yes, no, condition, True):", "a conditional size replaced by the wrong one of two"),
    ("kinds/arithmetic.py", "return value.form != \"integer\"", "return False", "a kernel that may be a pair taken for a number in the source"),
    ("emit/initialization.py", "if kind.may_lack(tensor, given)}", "if False}", "biases that are not there initialised in the source"),
    ("emit/initialization.py", 'word = "elif " if position else "if "', 'word = "if "', "every rule of init applied in the source, not the first"),
]  # fmt: skip
"""Faults of inference, build and emission."""

MOST_SECONDS = 12
"""Of the processor, for shrinking: mostly enough for a spec of a few lines."""


def worker(file: str) -> int:
    """Run the properties, the likeliest first, until one fails; print which, and the shrunk spec, as JSON."""
    import warnings

    import torch
    from hypothesis import HealthCheck, given, settings
    from hypothesis.internal.conjecture import engine

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    engine.MAX_SHRINKING_SECONDS = MOST_SECONDS
    clock: Any = SimpleNamespace(perf_counter=time.process_time, monotonic=time.process_time)
    engine.time = clock  # whatever else runs on the machine
    settings.register_profile(
        "mutants",
        max_examples=100,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    settings.load_profile("mutants")
    sys.path.insert(0, str(ROOT / "tests"))
    import test_kinds
    import test_layers
    import test_sizes
    import test_wrong_specs
    from kind_cases import CASES

    from archc.testing import assert_agreement, dump, specs

    last = ""
    module = file.removesuffix(".py").replace("/", ".")

    @settings(max_examples=600)
    @given(specs(most=24))
    def networks(draft: Any) -> None:
        nonlocal last
        last = draft.text
        assert_agreement(draft.load(), gradients=False)

    cases = sorted(CASES.values(), key=lambda case: not case.kind.__module__.endswith(module))

    def layers() -> None:
        for case in cases:
            one_kind(case)

    def contract() -> None:
        for case in cases:
            test_kinds.test_a_layer_is_legal_where_torch_runs_it(case.name)

    def one_kind(case: Any) -> None:
        @given(test_layers.arguments_and_inputs(case))
        def check(drawn: tuple[dict[str, Any], list[tuple[int, ...]]]) -> None:
            nonlocal last
            arguments, inputs = drawn
            for x in inputs:
                last = dump({"input": list(x), "layers": [{case.name: arguments}]})
                test_layers.assert_judged(case, arguments, [x])

        check()

    suite = {
        "networks": networks,
        "layers": layers,
        "contract": contract,
        "same": test_layers.test_same_keeps_height_and_width,
        "sizes": test_sizes.test_archc_says_where_the_real_network_runs,
        "smallest input": test_sizes.test_min_input_is_the_smallest_size_at_which_the_real_network_runs,
        "receptive fields": test_sizes.test_receptive_fields_are_what_gradients_show,
        "wrong specs": test_wrong_specs.test_exactly_the_planted_fault_is_reported_at_its_line,
    }
    likely = {
        "inference/receptive.py": "receptive fields",
        "inference/sizes.py": "smallest input",
        "kinds/arithmetic.py": "networks",
        "kinds/join.py": "wrong specs",
    }.get(file, "layers" if file.startswith("kinds/") else "networks")
    for name in sorted(suite, key=lambda name: name != likely):
        check = suite[name]
        last = ""
        try:
            check()
        except BaseException as error:
            spec = last or _spec_in(error)
            print(json.dumps({"killed by": name, "spec": spec, "error": f"{type(error).__name__}: {error}"[:200]}))
            return 0
    print(json.dumps({"killed by": "", "spec": "", "error": ""}))
    return 0


def _spec_in(error: BaseException) -> str:
    """The spec of a failing example, as Hypothesis notes it."""
    lines = "\n".join(getattr(error, "__notes__", [])).splitlines()
    begin = next((number for number, line in enumerate(lines) if line.startswith("name: ")), None)
    if begin is None:
        return ""
    end = next((number for number in range(begin, len(lines)) if lines[number].strip() in (",", ")")), len(lines))
    return "\n".join(lines[begin:end])


def killed(number: int) -> dict[str, object]:
    """Run the suite against one mutant."""
    file, old, new, _ = MUTANTS[number]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "archc"
        shutil.copytree(ROOT / "archc", copy, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("specs", "templates"):
            shutil.copytree(ROOT / name, copy / name)
        path = copy / file
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise SystemExit(f"mutant {number}: {text.count(old)} places in {file} read {old!r}")
        path.write_text(text.replace(old, new), "utf-8")
        done = subprocess.run(
            [sys.executable, __file__, "--worker", file],
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        found = {"killed by": "does not even start", "spec": "", "error": done.stderr[-200:]}
    return found


def main() -> int:
    """Every mutant, or those given by number; 1 if one survives."""
    if sys.argv[1:2] == ["--worker"]:
        return worker(sys.argv[2])
    survivors, sizes = 0, []
    print("| # | file | fault | killed by | lines of the shrunk spec |\n| ---: | --- | --- | --- | ---: |")
    for number in map(int, sys.argv[1:]) if sys.argv[1:] else range(len(MUTANTS)):
        start = time.perf_counter()
        found = killed(number)
        by, lines = found["killed by"], len(str(found["spec"]).splitlines())
        survivors += not by
        sizes += [lines] if lines else []
        file, _, _, fault = MUTANTS[number]
        print(f"| {number} | `{file}` | {fault} | {by or '**survived**'} | {lines or ''} |", flush=True)
        print(f"{time.perf_counter() - start:.0f} s {found['error']}\n{found['spec']}", file=sys.stderr, flush=True)
    if sizes:
        print(f"\n{survivors} survived; median of the shrunk specs: {statistics.median(sizes):.0f} lines")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
