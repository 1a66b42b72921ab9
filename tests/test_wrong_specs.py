"""Properties of reports: whatever single fault a spec has, archc reports that fault, at its line, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

import archc
from archc import SpecError
from archc.problems import text_report
from archc.testing import WrongSpec, wrong_specs


def test_exactly_the_planted_fault_is_reported_at_its_line() -> None:
    """One fault in a sound spec: one problem, with its code and its line, and a report that can be written."""
    seen = Counter[str]()

    @settings(max_examples=settings().max_examples * 30)
    @given(wrong_specs())
    def check(wrong: WrongSpec) -> None:
        with pytest.raises(SpecError) as caught:
            archc.loads(wrong.text)
        found = [(problem.code, problem.mark.line if problem.mark else 0) for problem in caught.value.problems]
        assert found == [(wrong.code, wrong.line)], text_report(caught.value.problems)
        assert wrong.code in text_report(caught.value.problems)
        seen[wrong.code] += 1

    check()
    assert len(seen) >= 20, seen
