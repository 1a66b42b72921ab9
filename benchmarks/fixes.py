"""Faults by the thousand, and what archc proposes: a fix, applied, leaves no fault, or the message says what to do.

    python benchmarks/fixes.py [--faults N] [--seconds S] [--seed N]

Mistakes are planted in every valid network of the repository: letters out of place, values as other languages write
them, paddings, strides, claims. Half of them repeat a mistake that has led to the rarest code so far. Joins that do not
fit are those of tests/test_fixes.py. The table has a row for each code that ever carries a fix, until each has N faults
or the time is over; below it are the messages that have neither fix nor help, and so have to give the reason
themselves. Exit status: 1 if a fix leaves its fault or brings another one.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archc.problems import Problem, applied

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from test_fixes import TYPED, modules, problems_of, unets  # noqa: E402

SLIPS = [
    (r"padding: (?:same|\d)", ["padding: valid"]),
    (r"\b(?:true|false)\b", ["True", "False", "no", "yes", "off"]),
    (r": (\d+)(?=[,}\n])", [r": '\1'", r": \1.0", r': "\1"']),
    (r"\$(\w+)(?=[,}\n])", [r"\1"]),
    (r"'(\$\([^'\n]*\))'", [r"\1"]),
    (r"stride: 2(?:, padding: \d)?", ["stride: 2, padding: same"]),
    (r"(?<=: )relu\b(?=[,}\n])", ["{relu: {inplace: true}}"]),
    (r"\brelu: (?=[,}])", ["relu: {inplace: true} "]),
    (r"out_channels:", ["in_channels: 3, out_channels:", "out: "]),
    (r"(?m)^((?:  )?(?:parameters|macs): )\d+", [r"\g<1>7"]),
    (r"(?m)^((?:  )?(?:output|min_input): )\[.*\]", [r"\g<1>[3, 7]", r"\g<1>[7]"]),
    (r"linear: (\$?\w+)", [r"linear: [512, \1]"]),
    (r"null|(?<=: )~", ["None", "nil"]),
    (r"from: \[(\w+), (\w+)\]", [r"from: \1", r"from: [\1, \2, \1]"]),
    (r"from: (\w+)", [r"from: [\1]", r"from: [\1, \1]"]),
    (r"(?<=\{relu: )(?=[,}])", ["{inplace: true} "]),
    (r"(?<=extends: )\w+", ["resnet81", "vgg_11", "googlenet1"]),
]
"""What somebody writes by mistake, or from habit."""


LETTERS = -1
"""The number of a slip in the letters of a word; other numbers are those of SLIPS."""


def slip(text: str, number: int, rng: random.Random) -> str:
    """A text with one mistake in it, of the kind that has this number."""
    if number == LETTERS:
        words = [found.span() for found in re.finditer(r"[A-Za-z_]{3,}", text)]
        start, end = rng.choice(words)
        word, at = text[start:end], rng.randrange(1, end - start)
        letter = rng.choice("aeiourstn_")
        wrong = [
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
        ]
        return text[:start] + rng.choice([*wrong, word.capitalize(), f"{word}s"]) + text[end:]
    pattern, wrong = SLIPS[number]
    places = list(re.finditer(pattern, text))
    if not places:
        return text
    place = rng.choice(places)
    return text[: place.start()] + place.expand(rng.choice(wrong)) + text[place.end() :]


INITIALIZED = """input: [3, 16, 16]
layers:
  features: {layers: {convolution: {conv2d: {out_channels: 4, kernel_size: 3}}, normal: batch_norm2d, act: relu}}
  pooled: {adaptive_avg_pool2d: 1}
  flatten: flatten
  hidden: {linear: 8}
  classifier: {linear: 5}
init:
  - {match: [features.convolution, hidden], weight: {xavier_uniform: {}}}
  - {match: classifier, weight: {normal: {std: 0.01}}, bias: 0}
  - {match: 'features.*', weight: 1}
"""
EXTENDED = """extends: alexnet
arguments: {num_classes: 7, dropout: 0.1}
layers:
  avgpool: {adaptive_avg_pool2d: 5}
  classifier: [{linear: 64}, {linear: $num_classes}]
"""
SEVERAL = """inputs: {image: [3, 8, 8], mask: [1, 8, 8]}
blocks:
  Masked:
    inputs: [left, right]
    layers: {both: {concat: [left, right]}, out: {conv2d: {out_channels: 4, kernel_size: 1}}}
layers:
  first: {Masked: , from: [image, mask]}
  second: {conv2d: {out_channels: 4, kernel_size: 1}, from: first}
  third: {relu: , from: second}
  total: {add: [first, third]}
"""


def valid() -> list[str]:
    """The valid specs that need no other file."""
    paths = [path for folder in ("specs", "tests/networks") for path in sorted((ROOT / folder).glob("*.yaml"))]
    texts = [path.read_text("utf-8") for path in paths]
    texts = [TYPED, INITIALIZED, EXTENDED, SEVERAL, *(text for text in texts if len(text) < 4000)]
    return [text for text in texts if not problems_of(text)]


class Tally:
    """Faults by their codes: how many, fixed, explained; `wrong` are those whose fix is none, or that say nothing."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.fixed: Counter[str] = Counter()
        self.valid: Counter[str] = Counter()
        self.explained: Counter[str] = Counter()
        self.silent: list[tuple[Problem, str]] = []
        self.wrong: list[tuple[Problem, str]] = []

    def take(self, text: str) -> set[str]:
        """Look at every problem of a text, and return their codes."""
        problems = problems_of(text)
        for problem in problems:
            self.faults[problem.code] += 1
            if problem.fix is not None:
                self.fixed[problem.code] += 1
                left = problems_of(applied(text, problem.fix))
                self.valid[problem.code] += not left
                if not _follows(problem, problems, left):
                    self.wrong.append((problem, text))
            elif problem.help or problem.note or problem.label:
                self.explained[problem.code] += 1
            else:
                self.silent.append((problem, text))
        return {problem.code for problem in problems}

    def rarest(self) -> str:
        """The code with the fewest faults, of those that carry a fix."""
        return min(self.fixed, key=self.faults.__getitem__)

    def least(self) -> int:
        """The faults of the code that has the fewest, of those that carry a fix."""
        return min((self.faults[code] for code in self.fixed), default=0)

    def rows(self) -> Iterator[str]:
        """The table in markdown."""
        yield "| code | faults | with a fix | valid after this fix | explained | message alone |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        for code in sorted(self.fixed):
            neither = sum(problem.code == code for problem, _ in self.silent)
            counts = (self.faults[code], self.fixed[code], self.valid[code], self.explained[code], neither)
            yield f"| {code} | {' | '.join(f'{count:,}' for count in counts)} |"


def _follows(problem: Problem, before: list[Problem], after: list[Problem]) -> bool:
    """Return True if a fix takes its problem away, and what is left was there before, or lies behind it.

    If nothing is left, there was no other problem: none followed from this one.
    """
    if not after and len(before) > 1:
        return False
    counts = [sum(_place(each) == _place(problem) for each in found) for found in (before, after)]
    same_code = [sum(each.code == problem.code for each in found) for found in (before, after)]
    known = {_place(each) for each in before}
    new = [each.code for each in after if _place(each) not in known]
    return counts[1] < counts[0] and same_code[1] <= same_code[0] and not any(code < "E0200" for code in new)


def _place(problem: Problem) -> tuple[object, ...]:
    return problem.message, problem.where, problem.mark and problem.mark[1:3]


def main() -> int:
    """Run until every code has its faults."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    given_ = parser.parse_args()
    rng, texts, tally, begun = random.Random(given_.seed), valid(), Tally(), time.monotonic()
    weights = [1 / (1 + (len(text) / 400) ** 2) for text in texts]
    led: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)  # the texts and slips that led to a code

    @settings(
        max_examples=given_.faults,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(modules(), unets()))
    def joins(text: str) -> None:
        if time.monotonic() - begun < given_.seconds / 3:
            tally.take(text)

    joins()
    for _ in range(200 * given_.faults):
        if time.monotonic() - begun > given_.seconds or tally.least() >= given_.faults:
            break
        text, number = rng.choices(texts, weights)[0], rng.choice([LETTERS, rng.randrange(len(SLIPS))])
        if tally.fixed and led[tally.rarest()] and rng.random() < 0.5:
            text, number = rng.choice(led[tally.rarest()])
        for code in tally.take(slip(text, number, rng)):
            led[code].append((text, number))
    print(*tally.rows(), sep="\n")
    said = Counter(f"{problem.code}: {re.sub('`.*?`', '`…`', problem.message)}" for problem, _ in tally.silent)
    print("\nwithout a fix and a help:", *(f"{count:,} {message}" for message, count in said.most_common()), sep="\n")
    for problem, text in tally.wrong[:20]:
        print(f"\nwrong fix, {problem.code}: {problem.message}: {problem.fix}\n{text}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
