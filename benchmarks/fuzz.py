"""Mutated specs by the hundred thousand: each is accepted, or refused with problems that have a line.

    python benchmarks/fuzz.py [--count N] [--seconds S] [--seed N] [--out DIR]

Every bundled spec and every network of the tests is mutated in structure (keys and values dropped, swapped, retyped,
duplicated, renamed, renumbered, moved from elsewhere) or in text (pieces deleted, repeated, inserted). What raises
anything but SpecError, takes more than a second (and half a millisecond for each layer of an accepted network), or is
accepted and cannot be emitted harmlessly, is written to DIR.
Exit status: 0 if nothing was found, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import archc
from archc.graph import walk
from archc.kinds import KINDS
from archc.reading import read_text

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from harmless import assert_harmless  # noqa: E402

SECONDS = 1.0
A_LAYER = 0.0005
"""Seconds that each layer of an accepted network may take beyond that."""

NUMBERS = [0, 1, -1, 2, 3, 7, 10**6, 2**31 - 1, 2**31, 2**63, -(2**63), 0.5, -0.5, 1e-3, 1e300]
WORDS = [
    "", "relu", "same", "input", "concat", "$x", "$(1)", "$(in_channels)", "$(in_channels * 2)", "$(1 // 0)", "$(",
    "${x}", "a.0", "x" * 200, "é", "\u2028", "class", "forward", "..", "../x.yaml", "true", "null", "~", "- a",
    "{", "# x",
]  # fmt: skip
KEYS = [
    *KINDS, "layers", "branches", "join", "from", "when", "repeat", "for", "in", "index", "outputs", "auxiliary",
    "parameters", "blocks", "input", "name", "init", "expect", "extends", "import", "description",
]  # fmt: skip
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ", ",
    "- ",
    "\n",
    "  ",
    "#",
    "'",
    '"',
    "$",
    "$(",
    ")",
    "&a",
    "*a",
    "!!x ",
    "|",
    ">",
    "\t",
    "%",
    "?",
]


def mutate_tree(tree: Any, rng: random.Random) -> Any:
    """One change somewhere in a tree of dicts and lists, which is changed in place."""
    places: list[tuple[Any, Any]] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        items = list(node.items() if isinstance(node, dict) else enumerate(node))
        places += [(node, key) for key, _ in items]
        stack += [value for _, value in items if isinstance(value, dict | list)]
    if not places:
        return tree
    node, key = rng.choice(places)
    value = node[key]
    match rng.randrange(9):
        case 0:
            del node[key]
        case 1:
            other, at = rng.choice(places)
            node[key] = json.loads(json.dumps(other[at]))
        case 2:
            node[key] = rng.choice(
                [rng.choice(NUMBERS), rng.choice(WORDS), None, True, [], {}, [value], {rng.choice(KEYS): value}]
            )
        case 3 if isinstance(node, list):
            node.insert(rng.randrange(len(node) + 1), json.loads(json.dumps(value)))
        case 3:
            node[rng.choice(KEYS)] = json.loads(json.dumps(value))
        case 4 if isinstance(node, dict):
            renamed = rng.choice([rng.choice(KEYS), f"{key}x", str(key)[:-1] or "a", rng.choice(WORDS)])
            items = [(renamed if name == key else name, v) for name, v in node.items()]
            node.clear()
            node.update(items)
        case 5 if isinstance(node, list):
            rng.shuffle(node)
        case 5:
            items = list(node.items())
            rng.shuffle(items)
            node.clear()
            node.update(items)
        case 6 if isinstance(value, int) and not isinstance(value, bool):
            node[key] = value + rng.choice([-2, -1, 1, 2]) if rng.random() < 0.7 else value * rng.choice([-1, 2, 1000])
        case 7 if isinstance(value, str) and "$" in value:
            at = rng.randrange(len(value))
            node[key] = (
                value[:at]
                + rng.choice(["*", "+", "-", "//", "(", ")", "0", "x", " if ", " and ", "**", "[0]"])
                + value[at:]
            )
        case _:
            node[key] = rng.choice(NUMBERS) if isinstance(value, int | float) else rng.choice(WORDS)
    return tree


def mutate_text(text: str, rng: random.Random) -> str:
    """One change of the characters."""
    start = rng.randrange(len(text) + 1)
    end = min(len(text), start + rng.choice([0, 1, 1, 2, 5, 20, 200]))
    match rng.randrange(4):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:end] + text[start:end] * rng.choice([1, 2, 10]) + text[end:]
        case 2:
            return text[:start] + rng.choice(PIECES) + text[end:]
    return (
        text[:start]
        + chr(rng.choice([0, 7, 9, 13, 0x85, 0xA0, 0xD7, 0x2028, 0xFEFF, 0x1F600, rng.randrange(32, 127)]))
        + text[end:]
    )


def inputs(rng: random.Random) -> Any:
    """An endless stream of mutated texts."""
    paths = [*(ROOT / "specs").glob("*.yaml"), *(ROOT / "tests/networks").glob("*.yaml")]
    texts = [text for text in (path.read_text("utf-8") for path in sorted(paths)) if "extends:" not in text]
    trees = [json.dumps(read_text(text, "seed")) for text in texts]
    while True:
        changes = rng.choice([1, 1, 1, 2, 3, 6])
        if rng.random() < 0.75:
            tree = json.loads(rng.choice(trees))
            for _ in range(changes):
                tree = mutate_tree(tree, rng)
            yield json.dumps(tree, indent=0, ensure_ascii=False)
        else:
            text = rng.choice(texts)
            for _ in range(changes):
                text = mutate_text(text, rng)
            yield text


def verdict(spec: str | Path, *, emit: bool) -> tuple[str, int]:
    """`accepted`, or `refused`, and the layers of the network; of a text or a file. Raises what should not happen."""
    try:
        architecture = archc.loads(spec, "fuzz.yaml") if isinstance(spec, str) else archc.load(spec)
    except archc.SpecError as error:
        return _refused(error), 0
    layers = sum(1 for _ in walk(architecture.network.graph))
    if emit:
        try:
            assert_harmless(architecture.emit())
        except archc.SpecError as error:
            return f"{_refused(error)} when emitted", layers
        return "accepted and emitted", layers
    return "accepted", layers


def _refused(error: archc.SpecError) -> str:
    assert error.problems
    assert all(problem.mark is not None for problem in error.problems), [problem.message for problem in error.problems]
    str(error)
    return "refused"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("fuzz"))
    parser.add_argument("--emit", type=int, default=1, help="emit one in so many of the accepted")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    seen: Counter[str] = Counter()
    slowest, begun = 0.0, time.monotonic()
    for number, text in enumerate(inputs(rng)):
        if number >= given.count or time.monotonic() - begun > given.seconds:
            break
        start = time.process_time()
        fault, layers = "", 0
        try:
            what, layers = verdict(text, emit=number % given.emit == 0)
            seen[what] += 1
        except Exception:
            fault = traceback.format_exc()
        took = time.process_time() - start
        slowest = max(slowest, took - A_LAYER * layers)
        if took > SECONDS + A_LAYER * layers:
            fault = fault or f"took {took:.1f} s"
        if fault:
            seen["found"] += 1
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / f"{given.seed}-{number}.yaml").write_text(text, "utf-8", errors="surrogatepass")
            (given.out / f"{given.seed}-{number}.txt").write_text(fault, "utf-8")
            print(f"{given.out}/{given.seed}-{number}.yaml: {fault.strip().splitlines()[-1]}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total = ", ".join(f"{count:,} {what}" for what, count in sorted(seen.items()))
    print(f"{number:,} inputs: {total}; slowest {slowest * 1e3:.0f} ms, {memory:.0f} MiB at the most")
    return 1 if seen["found"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
