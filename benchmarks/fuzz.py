"""Mutated specs by the hundred thousand: each is accepted, or refused with problems that have a line.

    python benchmarks/fuzz.py [--count N] [--seconds S] [--seed N] [--disguised SHARE] [--out DIR] [--log FILE]
    python benchmarks/fuzz.py --what INPUTS [--count N] [--seconds S] [--seed N] [--out DIR]

The second form is for other inputs than specs: `texts` to be formatted, `images`, `folders`, `weights` and `runs`
(benchmarks/foreign.py), `sources` to be imported (benchmarks/sources.py) and `commands` (benchmarks/command_lines.py).
The first is for specs.

Every bundled spec, every network of the tests, every example of the documents and every wrong spec of the catalogue is

- mutated in structure: keys and values dropped, swapped, retyped, duplicated, renamed, renumbered, moved;
- mutated in text: pieces deleted, repeated, inserted, bytes that are no UTF-8;
- disguised, if it is sound, so that most stay sound: hostile texts as descriptions, names that the emitted source uses
  itself, numbers at the edges, a file name that is code;
- extended, if it is bundled: parts of it changed, and blocks of another one imported.

Each is a file in a folder with the specs that it extends or imports. What raises anything but SpecError, takes more
than a second, or is accepted and cannot be emitted harmlessly, is written to DIR. More than 512 MiB of memory are a
finding, too. Exit status: 0 if nothing was found, 1 otherwise.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import re
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
SECONDS = 1.0
"""Of the processor that a check may take, and an emission."""
A_LAYER = 0.0005
"""Seconds that the emission may take beyond that for each layer: it writes a file of as many lines."""
MEBIBYTES = 512
EXTENDED = 0.1
"""Share of the inputs that extend or import bundled specs, beside those that are disguised."""
MAX_LAYERS = 10_000
"""The bound of this run: mutations multiply counts by a thousand, and most time would go to a few large networks."""
os.environ.setdefault("ARCHC_MAX_LAYERS", str(MAX_LAYERS))  # read when archc is imported
os.environ.setdefault("ARCHC_MAX_IMPORTED_PARAMETERS", str(10**6))
os.environ.setdefault("ARCHC_MAX_IMPORTED_MACS", str(10**8))
os.environ.setdefault("ARCHC_MAX_IMPORTED_VALUES", str(10**6))

import archc  # noqa: E402
from archc.graph import walk  # noqa: E402
from archc.kinds import KINDS  # noqa: E402
from archc.library import bundled  # noqa: E402
from archc.reading import read_text  # noqa: E402

sys.path.insert(0, str(ROOT / "tests"))
from harmless import assert_harmless  # noqa: E402
from memory import peak_memory  # noqa: E402

NUMBERS = [0, 1, -1, 2, 3, 7, 10**6, 2**31 - 1, 2**31, 2**63, -(2**63), 0.5, -0.5, 1e-3, 1e300]
WORDS = [
    "", "relu", "same", "input", "concat", "$x", "$(1)", "$(in_channels)", "$(in_channels * 2)", "$(1 // 0)", "$(",
    "${x}", "a.0", "x" * 200, "é", "\u2028", "class", "forward", "..", "../x.yaml", "true", "null", "~", "- a",
    "{", "# x",
]  # fmt: skip
KEYS = [
    *KINDS, "layers", "branches", "join", "from", "when", "repeat", "for", "in", "index", "outputs", "auxiliary",
    "arguments", "blocks", "input", "name", "init", "expect", "extends", "import", "description",
]  # fmt: skip
PIECES = [*"{}[]#'$|>%?\t\"", ": ", ", ", "- ", "\n", "  ", "$(", ")", "&a", "*a", "!!x ", "<<: "]
NAMES = [
    "torch", "nn", "F", "Tensor", "self", "x", "super", "range", "OrderedDict", "int", "float", "print", "module",
    "name", "init", "archc", "object", "Module", "Sequential", "Conv2d", "cat", "inputs", "output", "weight", "i",
    "x1", "layer", "exec", "eval_", "os", "sys", "open", "globals", "conv2d", "concat", "add", "relu", "Mean", "A",
    "Chunk", "n" * 100,
]  # fmt: skip
"""Names that a spec may have, and what the emitted source, Python or archc call something of their own."""
TEXTS = [
    '"""', "'''", "\\", '\\\\"""', "\n", "\r", "\n    import os\n", "\x0c", "\x85import os", "\u2028import os",
    "\u2029", "{{ 7 * 7 }}", "{% raw %}", "${jndi}", "# noqa", "# -*- coding: utf-7 -*-", "+AAo-", "\x1b[31m",
    "𝓉", "ﬁ", "é", " ", ".", "{", "}", "%s", "\\N{DASH}", "\\u000a", '""', '"', "\\x", "word", "\ufeff", "\u202e",
    "\t", "eval('1')", "<script>",
]  # fmt: skip
"""Pieces of descriptions."""
EDGES = [
    0,
    1,
    2,
    3,
    -1,
    255,
    2**31 - 1,
    0.0,
    -0.0,
    0.1 + 0.2,
    1e-300,
    5e-324,
    1e22,
    1.7976931348623157e308,
    0.999,
    1e-05,
]
OTHERS = ("texts", "images", "folders", "weights", "runs", "sources", "commands")
"""Inputs other than specs."""
FILES = [
    "fuzz",
    "a-b",
    "x.y",
    "__init__",
    "0",
    "class",
    "1e9",
    "import os",
    '"""',
    "\\",
    "é",
    "{{ x }}",
]
"""Names of files without `.yaml`."""


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
    match rng.randrange(5):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:end] + text[start:end] * rng.choice([1, 2, 10]) + text[end:]
        case 2:
            return text[:start] + rng.choice(PIECES) + text[end:]
        case 3:  # a byte that is no character, by Python's stand-in for it
            return text[:start] + chr(0xDC80 + rng.randrange(128)) + text[end:]
    return (
        text[:start]
        + chr(rng.choice([0, 7, 9, 13, 0x85, 0xA0, 0xD7, 0x2028, 0xFEFF, 0x1F600, rng.randrange(32, 127)]))
        + text[end:]
    )


def disguise(tree: Any, rng: random.Random) -> Any:
    """One hostile text, name or number in a sound spec, put where it is likely to be allowed."""
    match rng.randrange(5):
        case 0 | 1:
            owner = rng.choice([tree, *tree.get("blocks", {}).values()])
            key = rng.choice(["description", "paper"]) if owner is tree else "description"
            owner[key] = "".join(rng.choice(TEXTS) for _ in range(rng.randrange(1, 6)))
        case 2 | 3:
            held = [node.get(key) for node in _mappings(tree) for key in ("layers", "branches", "arguments", "blocks")]
            names = [name for names in held if isinstance(names, dict) for name in names if "$" not in name]
            if not names:
                return tree
            old, new = rng.choice(names), rng.choice([*NAMES, rng.choice(names)])
            return _renamed(tree, re.compile(rf"\b{re.escape(old)}\b"), new)
        case _:
            places = [
                (node, key)
                for node in _mappings(tree)
                for key, value in node.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            ]
            if places:
                node, key = rng.choice(places)
                node[key] = rng.choice(EDGES) if rng.random() < 0.5 else node[key] + rng.choice([-1, 1, 2, 0.5])
    return tree


def _renamed(tree: Any, old: re.Pattern[str], new: str) -> Any:
    """A tree with a word in the place of another, in keys and texts."""
    if isinstance(tree, dict):
        return {old.sub(new, key): _renamed(value, old, new) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_renamed(value, old, new) for value in tree]
    return old.sub(new, tree) if isinstance(tree, str) else tree


def extend(base: str, trees: dict[str, Any], rng: random.Random) -> Any:
    """A spec that extends a bundled one, or imports blocks of it, or both; the trees are those of the bundled specs."""
    own: dict[str, Any] = {} if rng.random() < 0.2 else {"extends": base}
    for key in [key for key in trees[base] if key not in ("extends", "import", "expect")]:
        if rng.random() < (0.3 if own.get("extends") else 0.9):
            part = json.loads(json.dumps(trees[base][key]))
            if isinstance(part, dict) and part:
                part = {name: part[name] for name in rng.sample(list(part), rng.randrange(1, len(part) + 1))}
            own[key] = part
    if rng.random() < 0.5:
        other = rng.choice(list(trees))
        names = [*trees[other].get("blocks", {}), rng.choice(KEYS)]
        own["import"] = {other: rng.sample(names, rng.randrange(1, len(names) + 1))}
    for _ in range(rng.choice([0, 1, 1, 2])):
        own = mutate_tree(own, rng)
    return own


def _mappings(tree: Any) -> Iterator[dict[str, Any]]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
        stack += [
            value for value in (node.values() if isinstance(node, dict) else node) if isinstance(value, dict | list)
        ]


def inputs(rng: random.Random, disguised: float) -> Iterator[tuple[str, str]]:
    """Mutated texts without end, each with the stem of a file's name; `disguised` is the share of those that are."""
    sound = [text for folder in ("specs", "tests/networks") for text in _texts(folder)] + _examples()
    wrong = _texts("tests/errors")
    texts, trees = sound + wrong, []
    for text in texts:
        try:
            trees.append(json.dumps(read_text(text, "seed")))
        except archc.SpecError:
            trees.append("{}")  # wrong as YAML
    # Large networks take their time, and say no more than small ones.
    weights = [1 / (1 + (len(text) / 400) ** 2) for text in sound] + [0.04] * len(wrong)
    numbers, sounds = range(len(texts)), range(len(sound))
    library = {name: read_text(path.read_text("utf-8"), name) for name, path in bundled().items()}
    names, sizes = list(library), [1 / (1 + (len(json.dumps(tree)) / 400) ** 2) for tree in library.values()]
    while True:
        changes = rng.choice([1, 1, 1, 2, 3, 6])
        way = rng.random()
        if way < disguised:
            tree = json.loads(trees[rng.choices(sounds, weights[: len(sound)])[0]])
            tree.pop("expect", None)
            for _ in range(changes):
                tree = disguise(tree, rng)
            yield _document(tree), rng.choice(FILES) if rng.random() < 0.2 else "fuzz"
            continue
        if rng.random() < EXTENDED:
            yield _document(extend(rng.choices(names, sizes)[0], library, rng)), "fuzz"
            continue
        (number,) = rng.choices(numbers, weights)
        if rng.random() < 0.75:
            tree = json.loads(trees[number])
            for _ in range(changes):
                tree = mutate_tree(tree, rng)
            yield _document(tree), "fuzz"
        else:
            text = texts[number]
            for _ in range(changes):
                text = mutate_text(text, rng)
            yield text, "fuzz"


def _texts(folder: str) -> list[str]:
    return [path.read_text("utf-8") for path in sorted((ROOT / folder).glob("*.yaml"))]


def _examples() -> list[str]:
    """The sound specs of the documents and of the codes' pages."""
    found = []
    for path in [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "archc/problems/pages").glob("*.md"))]:
        for text in re.findall(r"(?ms)^```yaml\n(.*?)^```", path.read_text("utf-8")):
            with suppress(archc.SpecError):
                archc.loads(text)
                found.append(text)
    return found


def _document(tree: Any) -> str:
    return json.dumps(tree, separators=(",\n", ": "), ensure_ascii=False)


def verdict(spec: Path, *, emit: bool) -> str:
    """`accepted` or `refused`. Raises what should not happen."""
    start = time.process_time()
    try:
        architecture = archc.load(spec)
    except archc.SpecError as error:
        return _refused(error, spec)
    finally:
        took = time.process_time() - start
        assert took < SECONDS, f"the check took {took:.1f} s"
    if not emit:
        return "accepted"
    start = time.process_time()
    try:
        source = architecture.emit()
    except archc.SpecError as error:
        return f"accepted, then {_refused(error, spec)} when emitted"
    finally:
        took = time.process_time() - start
        layers = sum(1 for _ in walk(architecture.network.graph))
        assert took < SECONDS + A_LAYER * layers, f"the emission took {took:.1f} s"
    assert_harmless(source)
    return "accepted and emitted"


def _refused(error: archc.SpecError, spec: Path) -> str:
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
    parser.add_argument("--log", type=Path, help="gets the figures so far, a line each 1,000 inputs")
    parser.add_argument(
        "--disguised", type=float, default=0.2, help="share of sound specs with hostile texts and names"
    )
    parser.add_argument("--emit", type=int, default=1, help="emit one in so many of the accepted")
    parser.add_argument("--what", choices=["specs", *OTHERS], default="specs")
    given = parser.parse_args()
    if given.what != "specs":
        from foreign import fuzz

        return fuzz(given.what, given.count, given.seconds, given.seed, given.out.resolve())
    rng = random.Random(given.seed)
    seen: Counter[str] = Counter()
    slowest, begun = 0.0, time.monotonic()
    gc.freeze()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path in [*(ROOT / "specs").glob("*.yaml"), *(ROOT / "tests/networks").glob("*.yaml")]:
            shutil.copy(path, folder)
        for number, (text, stem) in enumerate(inputs(rng, given.disguised)):
            if number >= given.count or time.monotonic() - begun > given.seconds:
                break
            spec = folder / f"{stem}.yaml"
            spec.write_bytes(text.encode("utf-8", "surrogateescape"))
            start = time.process_time()
            try:
                what = verdict(spec, emit=number % given.emit == 0)
            except Exception as error:
                what = "found"
                given.out.mkdir(parents=True, exist_ok=True)
                shutil.copy(spec, given.out / f"{given.seed}-{number}.yaml")
                (given.out / f"{given.seed}-{number}.txt").write_text(traceback.format_exc(), "utf-8")
                print(f"{given.out}/{given.seed}-{number}.yaml: {type(error).__name__}: {error}", flush=True)
            seen[what] += 1
            slowest = max(slowest, time.process_time() - start)
            spec.unlink()
            if given.log and number % 1_000 == 999:
                with given.log.open("a") as log:
                    log.write(_figures(seen, slowest) + "\n")
    print(_figures(seen, slowest))
    return 1 if seen["found"] or peak_memory() > MEBIBYTES else 0


def _figures(seen: Counter[str], slowest: float) -> str:
    kinds = ", ".join(f"{count:,} {what}" for what, count in sorted(seen.items()))
    used = f"{time.process_time():.0f} s of the processor, {peak_memory():.0f} MiB at the most"
    return f"{seen.total():,} inputs: {kinds}; slowest {slowest * 1e3:.0f} ms, {used}"


if __name__ == "__main__":
    raise SystemExit(main())
