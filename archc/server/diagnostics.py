"""Problems as diagnostics, with their quick fixes."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types

from archc.problems import Fix, Mark, Problem
from archc.problems.codes import PAGES
from archc.reading import Map
from archc.server.analysis import Analysis
from archc.server.text import Text

SOURCE = "archc"
_SEVERITIES = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}


def diagnostics(analysis: Analysis) -> list[types.Diagnostic]:
    """A diagnostic for each problem."""
    return [_diagnostic(analysis, problem) for problem in analysis.problems]


def _diagnostic(analysis: Analysis, problem: Problem) -> types.Diagnostic:
    mark = _here(analysis, problem)
    around = [call for call in problem.calls if call != mark]
    ways = [(at, f"in {_line(at)}") for at in around]
    if problem.mark is not None and problem.mark != mark:
        ways.insert(0, (problem.mark, problem.message))
    return types.Diagnostic(
        range=types.Range(types.Position(0, 0), types.Position(0, 0)) if mark is None else analysis.text.range(mark),
        message=problem.text,
        severity=_SEVERITIES[problem.severity],
        code=problem.code,
        code_description=types.CodeDescription((PAGES / f"{problem.code}.md").as_uri()),
        source=SOURCE,
        related_information=[types.DiagnosticRelatedInformation(location(at, analysis), what) for at, what in ways],
    )


def _here(analysis: Analysis, problem: Problem) -> Mark | None:
    """The place of a problem in the document; for a problem in another file, the place where that file is used."""
    places = [problem.mark, *reversed(problem.calls)]
    own = [mark for mark in places if mark is not None and mark.source.name == analysis.name]
    if own or analysis.root is None or problem.mark is None:
        return own[0] if own else None
    return _naming(analysis, Path(problem.mark.source.name).name)


def _naming(analysis: Analysis, file: str) -> Mark | None:
    """The place where the document names a file; an indirect file is shown at the file through which it is used."""
    assert analysis.root is not None
    root = analysis.root
    imported = root.get("import")
    named = dict(imported.keys_at) if isinstance(imported, Map) else {}
    if "extends" in root:
        named[str(root["extends"])] = root.values_at["extends"]
    return named.get(file) or named.get(Path(file).stem) or next(iter(named.values()), None)


def _line(mark: Mark) -> str:
    return f"`{(mark.source.line(mark.line) or '').strip()}`"


def location(mark: Mark, analysis: Analysis) -> types.Location:
    """The file and range of a mark."""
    if mark.source.name == analysis.name:
        return types.Location(analysis.uri, analysis.text.range(mark))
    text = Text(mark.source.text, analysis.text.encoding)
    return types.Location(Path(mark.source.name).as_uri(), text.range(mark))


def fixes(analysis: Analysis, start: int, end: int) -> list[types.CodeAction]:
    """The quick fixes of the problems in a stretch of the text."""
    found = []
    for problem, diagnostic in zip(analysis.problems, diagnostics(analysis), strict=True):
        first, last = (analysis.text.offset(at) for at in (diagnostic.range.start, diagnostic.range.end))
        if problem.fix is not None and first <= end and start <= last:
            found.append(_action(problem.fix, diagnostic, analysis))
    return found


def _action(fix: Fix, diagnostic: types.Diagnostic, analysis: Analysis) -> types.CodeAction:
    at = location(fix.mark, analysis)
    return types.CodeAction(
        title=f"{fix.title[0].upper()}{fix.title[1:]}",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic],
        is_preferred=True,
        edit=types.WorkspaceEdit(changes={at.uri: [types.TextEdit(at.range, fix.text)]}),
    )
