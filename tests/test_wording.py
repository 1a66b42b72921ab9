"""User-facing text is plain American English: messages, help, error pages, docs, and what editors show.

The words below read as translated, or are British. Each one has a better word next to it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

INSTEAD = {
    r"told|tells?": "reports, shows, says, lists, warns",
    r"mend(s|ed|ing)?": "fix",
    r"(?<!there )(is|are) no (?!longer)[a-z]+": "is not a",
    r"sound": "valid, OK",
    r"stands?|stood": "is, appears, means",
    r"beside": "next to, in addition to",
    r"behind": "after, below",
    r"begun|begins?|began": "started, starts",
    r"left out|leaves? out|leave .{1,30} away": "omit, skip, remove",
    r"held against|holds? .{1,40} against": "compare with, check against",
    r"in meaning": "structurally",
    r"of one's own": "custom, your own",
    r"unfold(s|ed|ing)?": "expand",
    r"(goes|go|going|went) on": "continue, resume",
    r"data sets?": "dataset",
    r"truth values?": "boolean",
    r"\w*(normalis|initialis|optimis)\w*": "normaliz-, initializ-, optimiz-",
    r"colour\w*|grey\w*|neighbour\w*|analys(e|ed|ing)": "color, gray, neighbor, analyze",
    r"alike|anew|spoilt|namesakes?": "identical, again, corrupted, same name",
    r"(a|one) (line|row|page|file|layer|block|score|folder|class|instance) an? [a-z]+": "one … per …",
    r"layer kinds?": "layer type",
}
"""Words that users should not read, with what to write instead."""

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "archc" / "problems" / "pages").glob("*.md")),
    *sorted((ROOT / "archc" / "training" / "recipes").glob("*.yaml")),
    *sorted((ROOT / "templates").glob("*.jinja")),
    ROOT / "templates" / "explorer" / "page.html.jinja",
]
"""Files that users read."""

MODULES = [path for path in sorted((ROOT / "archc").rglob("*.py")) if "testing" not in path.parts]
SHOWN_DOCSTRINGS = [ROOT / "archc" / "__init__.py", ROOT / "archc" / "architecture.py"]
"""Modules whose docstrings the site and editors show, with those of the layer types."""

_COMMAND = re.compile(r"\\[A-Za-z]+")
"""LaTeX's, such as `\\begin`: code, of which no sentence is made."""

_FENCE = re.compile(r"(?ms)^```.*?^```$|`[^`\n]*`|\]\([^)]*\)")


def unnatural(text: str) -> list[str]:
    """What the text should say otherwise, with its surroundings."""
    text, found = " ".join(text.split()), []
    for pattern, better in INSTEAD.items():
        for match in re.finditer(rf"\b({pattern})\b", text, re.IGNORECASE):
            around = text[max(0, match.start() - 30) : match.end() + 30]
            found.append(f"…{around}…: instead of `{match[0]}` write {better}")
    return found


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings of a module that are not docstrings, with `{}` for each placeholder."""
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inner.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            inner.update(map(id, ast.walk(node)))
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, text
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.lineno, node.value


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_are_plain_english(document: Path) -> None:
    assert unnatural(_FENCE.sub("`code`", document.read_text("utf-8"))) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_messages_are_plain_english(module: Path) -> None:
    """Of sentences alone: a string without a space is a name, and LaTeX's commands are code."""
    texts = [(line, _COMMAND.sub("", text)) for line, text in messages(ast.parse(module.read_text("utf-8")))]
    assert [f"{line}: {say}" for line, text in texts if " " in text.strip() for say in unnatural(text)] == []


@pytest.mark.parametrize(
    "path", [*SHOWN_DOCSTRINGS, *sorted((ROOT / "archc" / "kinds").glob("*.py"))], ids=lambda p: p.name
)
def test_docstrings_that_users_see_are_plain_english(path: Path) -> None:
    """Docstrings of public classes, functions and arguments."""
    text = path.read_text("utf-8")
    shown = re.findall(r'(?ms)^(?:def|class) [^_][^\n]*?:\n    """(.*?)"""|^    """([^"]*?)"""$', text)
    assert [say for pair in shown for say in unnatural(" ".join(pair))] == []


def test_the_words_are_found() -> None:
    """Each pattern finds an example of itself."""
    for text in ("this is no layer", "a line a block", "Mended:", "Normalisation", "leave --out away", "is told"):
        assert unnatural(text), text
    for text in ("there is no layer named `x`", "is no longer there", "turn off", "one line per block"):
        assert unnatural(text) == [], text


GUIDES = [
    *("get-started", "how-to", "summary", "drawing", "explorer", "diff"),
    *("editors", "training", "finetuning", "results", "python", "extending", "testing", "faq"),
    *("building-blocks", "mlp", "one-dimensional", "unet", "vision-transformer", "backbone", "when"),
]
"""The documents for readers who want to do something."""

_SENTENCE_END = re.compile(r"(?<=[.?!:])\s+(?=[A-Z`\[*])")
_IMPERATIVE = re.compile(
    r"^(To [^,]{2,80}, |If [^,]{2,120}, |For [^,]{2,80}, |In [^,]{2,40}, |Then,? |Now |\W)*"
    r"(Add|Call|Change|Check|Choose|Click|Clone|Compare|Configure|Copy|Create|Declare|Don't|Drag|Draw|Export|Find|"
    r"Follow|Fix|Hover|Implement|Import|Install|Keep|Let|List|Load|Look|Make|Move|Name|Open|Override|Pass|Press|Put|"
    r"Read|Refer|Remove|Replace|Run|Select|See|Send|Set|Start|Train|Try|Type|Use|Write|add|build|call|choose|commit|"
    r"create|declare|install|keep|load|note|omit|pass|press|put|read|refer|run|see|set|start|try|use|write)\b"
)


def sentences(document: Path) -> list[str]:
    """The prose of a document: no code, tables, headings or comments."""
    text = re.sub(r"(?ms)^```.*?^```$|<!--.*?-->|^\|.*?$|^#.*?$|\A---.*?^---$", "", document.read_text("utf-8"))
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n|\n(?=- |\d+\. )", text):
        line = re.sub(r"^(- |\d+\. )", "", " ".join(paragraph.split()))
        found += [part for part in _SENTENCE_END.split(line) if len(part.split()) > 2]
    return found


def test_guides_address_the_reader() -> None:
    """They say "you", what to do and why; the shares are those of good guides (uv's: 35, 14 and 10 %)."""
    prose = [sentence for guide in GUIDES for sentence in sentences(ROOT / "docs" / f"{guide}.md")]
    assert len(prose) > 200

    def share(pattern: re.Pattern[str]) -> float:
        return sum(bool(pattern.search(sentence)) for sentence in prose) / len(prose)

    assert share(re.compile(r"\b(you|your|yours)\b", re.IGNORECASE)) >= 0.2
    assert share(_IMPERATIVE) >= 0.1
    assert share(re.compile(r"\b(because|for example|so that)\b", re.IGNORECASE)) >= 0.08
    assert share(re.compile(";")) <= 0.03
