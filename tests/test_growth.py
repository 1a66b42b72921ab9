"""Large and deep specs: time and memory grow with the layers, nesting is refused, nothing slow is imported."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import archc
from archc import SpecError
from archc.graph.warnings import warnings

HEAD = "name: Net\ninput: [3, 32, 32]\n"
GIB = 2**30


def chain(layers: int) -> str:
    """A spec of distinct convolutions, each written out."""
    rows = (f"  conv{i}: {{conv2d: {{out_channels: {8 + i % 7}, kernel_size: 3, padding: 1}}}}" for i in range(layers))
    return "\n".join([f"{HEAD}layers:", *rows, ""])


def seconds(action: Callable[[], object]) -> float:
    """Processor time, so that other processes on the machine do not count."""
    start = time.process_time()
    action()
    return time.process_time() - start


def python(code: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that runs some code."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


# Growth


def test_checking_time_is_linear_in_the_layers() -> None:
    """10,000 layers in one spec cost less than twice what they cost in ten (in truth: about the same).

    The best of three rounds counts: both sides take equally long, so what disturbs one may disturb the other.
    """
    small, large = chain(1_000), chain(10_000)
    ratios = []
    for _ in range(3):
        apart = sum(seconds(lambda: archc.loads(small)) for _ in range(10))
        ratios.append(seconds(lambda: archc.loads(large)) / apart)
    assert min(ratios) <= 2.0


def test_10_000_layers_are_checked_within_a_gibibyte(tmp_path: Path) -> None:
    """`archc check` does it in an address space of 1 GiB, so the resident memory is below that too."""
    spec = tmp_path / "large.yaml"
    spec.write_text(chain(10_000), "utf-8")
    limited = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({GIB}, {GIB}))
from archc.cli.main import main
sys.exit(main(["check", sys.argv[1]]))
"""
    done = python(limited, str(spec))
    assert (done.returncode, done.stderr) == (0, "")
    assert ": OK: " in done.stdout


def calls(action: Callable[[], object]) -> int:
    """How many functions an action calls: the same number on every machine and every run."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def fails(text: str) -> list[archc.Problem]:
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    problems: list[archc.Problem] = caught.value.problems
    str(caught.value)  # the report is part of the answer
    return problems


def chain_emit(layers: int) -> object:
    return archc.loads(chain(10 * layers)).emit()


def chain_summary(layers: int) -> object:
    return archc.loads(chain(layers)).summary()


def branches_emit(layers: int) -> object:
    rows = "".join(f"  b{i}: {{conv2d: {{out_channels: 8, kernel_size: 1}}}}\n" for i in range(layers))
    return archc.loads(f"{HEAD}branches:\n{rows}join: concat\n").emit()


def blocks_emit(layers: int) -> object:
    """A block each, used once."""
    blocks = "".join(f"  B{i}: {{layers: [{{linear: {i + 1}}}]}}\n" for i in range(layers))
    rows = "".join(f"  c{i}: B{i}\n" for i in range(layers))
    return archc.loads(f"{HEAD}blocks:\n{blocks}layers:\n  flatten: flatten\n{rows}").emit()


def instances_emit(layers: int) -> object:
    """One block, used with an argument that is never the same."""
    rows = "".join(f"  c{i}: {{B: {i + 1}}}\n" for i in range(layers))
    blocks = "blocks:\n  B: {arguments: {width: }, layers: [{conv2d: {out_channels: $width, kernel_size: 1}}]}\n"
    return archc.loads(f"{HEAD}{blocks}layers:\n{rows}").emit()


def in_place_chain(layers: int) -> object:
    rows = "".join(
        f"  c{i}: {{conv2d: {{out_channels: 8, kernel_size: 1}}}}\n  r{i}: {{relu: {{inplace: true}}}}\n"
        for i in range(layers)
    )
    return archc.loads(f"{HEAD}layers:\n{rows}")


def wrong_values(layers: int) -> object:
    rows = "".join(f"  c{i}: {{conv2d: {{out_channels: 0, kernel_size: 1}}}}\n" for i in range(layers))
    return fails(f"{HEAD}layers:\n{rows}")


def wrong_kinds(layers: int) -> object:
    return fails(f"{HEAD}layers:\n" + "".join(f"  c{i}: conv2e\n" for i in range(layers)))


def wrong_blocks(layers: int) -> object:
    """A fault in each of many blocks."""
    body = "{layers: [{conv2d: {out_channels: 8, kernel_size: 99}}]}"
    blocks = "".join(f"  B{i}: {body}\n" for i in range(layers))
    rows = "".join(f"  c{i}: {{B{i}: , from: input}}\n" for i in range(layers))
    return fails(f"{HEAD}blocks:\n{blocks}layers:\n{rows}")


def wrong_references(layers: int) -> object:
    return fails(f"{HEAD}layers:\n" + "".join(f"  c{i}: {{relu: , from: d{i}}}\n" for i in range(layers)))


def wrong_init_paths(layers: int) -> object:
    rows = "".join(f"  c{i}: {{conv2d: {{out_channels: 8, kernel_size: 1}}}}\n" for i in range(layers))
    init = "".join(f"  - {{match: d{i}, weight: 1}}\n" for i in range(layers))
    return fails(f"{HEAD}layers:\n{rows}init:\n{init}")


def unread_entries(layers: int) -> object:
    text = f"{HEAD}layers:\n" + "".join(f"  c{i}: {{relu: , from: input}}\n" for i in range(layers))
    found = list(warnings(archc.loads(text).network))
    assert found
    return found


def unequal_branches(layers: int) -> object:
    rows = "".join(f"  b{i}: {{max_pool2d: {1 + i % 3}}}\n" for i in range(layers))
    return fails(f"{HEAD}branches:\n{rows}join: concat\n")


def vanished_maps(layers: int) -> object:
    """Many windows that do not fit behind a long chain of those that do."""
    chain = "".join(f"  c{i}: {{conv2d: {{out_channels: 8, kernel_size: 3, padding: 1}}}}\n" for i in range(layers))
    rows = "".join(f"  d{i}: {{max_pool2d: 99, from: c{layers - 1}}}\n" for i in range(layers))
    return fails(f"{HEAD}layers:\n{chain}{rows}")


@pytest.mark.parametrize(
    "work",
    [
        chain_summary,
        chain_emit,
        branches_emit,
        blocks_emit,
        instances_emit,
        in_place_chain,
        wrong_values,
        wrong_kinds,
        wrong_blocks,
        wrong_references,
        wrong_init_paths,
        unread_entries,
        unequal_branches,
        vanished_maps,
    ],
)
def test_work_is_linear_in_the_layers(work: Callable[[int], object]) -> None:
    """Four times the layers, or the faults, cost at most five times the function calls."""
    work(4)  # imports and caches
    assert calls(lambda: work(240)) <= 5 * calls(lambda: work(60))


@pytest.mark.parametrize("depth", [18, 40])
def test_blocks_that_double_are_counted_in_full(depth: int) -> None:
    """A block used twice by a block used twice …: 2**depth layers are refused, though equal instances are shared."""
    blocks = "".join(f"  B{i}: {{layers: [B{i + 1}, B{i + 1}]}}\n" for i in range(depth))
    text = f"{HEAD}blocks:\n{blocks}  B{depth}: {{layers: [relu]}}\nlayers: [B0]\n"
    limited = """
import archc, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
try:
    archc.loads(sys.argv[1])
except archc.SpecError as error:
    print(*(problem.code for problem in error.problems))
"""
    done = python(limited, text)
    assert (done.returncode, done.stdout.split()) == (0, ["E0220"]), done.stderr


# Depth


def nested_lists(depth: int) -> str:
    return f"{HEAD}layers: {'[' * depth}relu{']' * depth}\n"


def nested_mappings(depth: int) -> str:
    return f"{HEAD}layers: {'{a: ' * depth}relu{'}' * depth}\n"


def nested_block_style(depth: int) -> str:
    return HEAD + "".join(f"{' ' * level}layers:\n" for level in range(depth)) + " " * depth + "relu\n"


def nested_blocks(depth: int) -> str:
    """Blocks that call blocks, the first by the network."""
    blocks = "".join(f"  B{i}: {{layers: {{inner: B{i + 1}}}}}\n" for i in range(depth - 1))
    return f"{HEAD}blocks:\n{blocks}  B{depth - 1}: {{layers: [relu]}}\nlayers: {{inner: B0}}\n"


def nested_blocks_declared_backwards(depth: int) -> str:
    blocks = "".join(f"  B{i}: {{layers: {{inner: B{i - 1}}}}}\n" for i in range(1, depth))
    return f"{HEAD}blocks:\n  B0: {{layers: [relu]}}\n{blocks}layers: {{inner: B{depth - 1}}}\n"


NESTS = [nested_lists, nested_mappings, nested_block_style, nested_blocks, nested_blocks_declared_backwards]


def frames() -> int:
    """How deep the stack of the caller is."""
    frame, count = sys._getframe(1), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


@pytest.fixture(params=[1000, 400])
def recursion_limit(request: pytest.FixtureRequest) -> Iterator[int]:
    """Python's default limit and a lower one; pytest's own frames apart."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(frames() + request.param)
    yield request.param
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("recursion_limit")
@pytest.mark.parametrize(
    ("nest", "depth"),
    [*((nest, 1_000) for nest in NESTS), (nested_lists, 100_000), (nested_mappings, 100_000)],
)
def test_deep_nesting_is_one_clear_problem(nest: Callable[[int], str], depth: int) -> None:
    """A nest of any depth is E0107, at its place and with a way out; never a RecursionError."""
    (problem,) = fails(nest(depth))
    assert problem.code == "E0107"
    assert problem.mark is not None
    assert problem.help
    assert len(str(SpecError([problem]))) < 2_000


@pytest.mark.usefixtures("recursion_limit")
@pytest.mark.parametrize("nest", [nested_lists, nested_blocks, nested_blocks_declared_backwards])
def test_the_deepest_legal_nest_goes_all_the_way(nest: Callable[[int], str]) -> None:
    """What `check` accepts, every later step accepts too."""
    depth = max(depth for depth in range(30, 70) if is_sound(nest(depth)))
    assert depth >= 40
    architecture = archc.loads(nest(depth))
    assert architecture.outputs == {"output": (3, 32, 32)}
    assert len(architecture.summary().layers) == 1
    compile(architecture.emit(), "emitted.py", "exec")
    assert "ReLU" in repr(architecture.build())


def is_sound(text: str) -> bool:
    try:
        archc.loads(text)
    except SpecError:
        return False
    return True


def test_the_command_answers_deep_files_without_a_traceback(tmp_path: Path) -> None:
    """`archc check` reports each of the files and exits 1."""
    paths = [tmp_path / f"{nest.__name__}.yaml" for nest in NESTS]
    for path, nest in zip(paths, NESTS, strict=True):
        path.write_text(nest(1_000), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "archc", "check", *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("error[") == done.stderr.count("error[E0107]") == len(NESTS)
    assert "Traceback" not in done.stderr


# Imports

LOADED = """
import sys
from archc.cli.main import main
code = main(sys.argv[1:])
for name in ("torch", "numpy", "jinja2"):
    if name in sys.modules:
        print("imported:", name, file=sys.stderr)
sys.exit(code)
"""


HELPED = str(Path(__file__).parent / "networks/convnext.yaml")
"""Its source holds modules of archc's own."""


@pytest.mark.parametrize(
    ("arguments", "also"),
    [
        (["check", "googlenet"], ()),
        (["check", "googlenet", "--format", "json"], ()),
        (["summary", "googlenet"], ()),
        (["summary", "googlenet", "--set", "num_classes=10", "--format", "json"], ()),
        (["list"], ()),
        (["list", "--kinds"], ()),
        (["schema"], ()),
        (["explain", "E0312"], ()),
        (["new", "MyNet"], ("jinja2",)),
        (["emit", "googlenet", "--out", "made"], ("jinja2",)),
        (["emit", HELPED, "--out", "made"], ("jinja2",)),
        (["fmt", "--check", HELPED], ()),
    ],
    ids=lambda value: " ".join(Path(word).name for word in value),
)
def test_commands_import_nothing_slow(arguments: list[str], also: tuple[str, ...], tmp_path: Path) -> None:
    """No torch and no numpy before `build`; no template engine where nothing is written."""
    done = python(LOADED, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    imported = [line.removeprefix("imported: ") for line in done.stderr.splitlines() if line.startswith("imported:")]
    assert imported == list(also)


def test_importing_archc_imports_the_standard_library_alone() -> None:
    """Not even the YAML and validation libraries: they wait for the first spec."""
    code = """
import sys
before = set(sys.modules)
import archc
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""
    done = python(code)
    assert (done.stdout.split(), done.stderr) == (["archc"], "")
