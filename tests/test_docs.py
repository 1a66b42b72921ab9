"""The documents' examples: every spec, report, emitted source and command in them is run.

In a document,

- a `yaml` block with `input:` or `extends:` is a whole spec: it is checked, built, emitted and compared. A first
  line `# file: name.yaml` names its file, so that examples find each other; a `python` or `ini` block can be a file;
- `<!-- wrong: E0303 -->` on the line before the fence marks a spec that is refused with that code alone, and a
  `text` block right after it is the report;
- `<!-- emitted from: name.yaml -->` before a `python` block: its lines stand in the emitted source as they are;
- other `python` blocks that import archc are run;
- `console` blocks are run line by line; `…` alone on a line stands for any lines. `<!-- not run: reason -->`
  leaves a block out, and `<!-- numbers vary: reason -->` lets every number differ;
- `<!-- drawn from: name.yaml -->`, and other comments alone in their paragraph, are places that docs/generate fills.

`ARCHC_UPDATE=1 pytest tests/test_docs.py` rewrites the reports and the commands' output, for a person to read in
the diff.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torchvision
from parity import assert_equal_modules, emitted_class, seeded
from PIL import Image

import archc
from archc.cli.main import main
from archc.problems import SpecError, text_report
from archc.problems.codes import codes

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
OTHERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
DOCUMENTS = [*sorted((ROOT / "docs").rglob("*.md")), *(path for path in OTHERS if path.is_file())]

LEAST = {
    "index.md": {"spec": 1, "emitted": 1, "console": 2},
    "tutorial.md": {"spec": 6, "wrong": 1, "report": 1, "console": 10, "python": 3},
    "extending.md": {"python": 4},
    "architecture.md": {"python": 1},
    "python.md": {"python": 8, "console": 1},
    "training.md": {"spec": 2, "console": 7},
    "how-to.md": {"console": 4, "python": 1},
    "mlp.md": {"spec": 2, "emitted": 1, "console": 2, "python": 1},
    "one-dimensional.md": {"spec": 4, "console": 6},
    "unet.md": {"spec": 3, "emitted": 1, "console": 3},
    "vision-transformer.md": {"spec": 3, "console": 2},
    "backbone.md": {"spec": 3, "console": 2, "python": 1},
    "when.md": {"spec": 8, "emitted": 2, "console": 4, "python": 1},
    "finetuning.md": {"console": 4, "python": 1},
    "results.md": {"console": 4, "python": 2},
    "language.md": {"spec": 1, "emitted": 1, "console": 1},
    "building-blocks.md": {"spec": 5, "emitted": 4, "console": 2},
    "shapes.md": {"spec": 2, "wrong": 2, "report": 2, "console": 2},
    "chains.md": {"spec": 2, "wrong": 1, "report": 1, "emitted": 2},
    "layers.md": {"spec": 1, "wrong": 1, "report": 1, "emitted": 1, "console": 1},
    "padding.md": {"spec": 2, "wrong": 2, "report": 2, "emitted": 3},
    "branches.md": {"spec": 4, "wrong": 2, "report": 2, "emitted": 4, "console": 1},
    "blocks.md": {"spec": 5, "wrong": 1, "report": 1, "emitted": 8, "console": 1},
    "inputs.md": {"spec": 1, "emitted": 2, "python": 1},
    "sharing.md": {"spec": 2, "wrong": 1, "report": 1, "emitted": 2, "console": 1},
    "modules.md": {"wrong": 2, "report": 1, "console": 1, "python": 1},
    "expressions.md": {"spec": 1, "wrong": 2, "report": 2, "emitted": 1},
    "loops.md": {"spec": 4, "emitted": 2},
    "conditions.md": {"spec": 1, "wrong": 1, "report": 1, "emitted": 1},
    "outputs.md": {"spec": 3, "wrong": 1, "emitted": 4, "console": 1},
    "extends.md": {"spec": 5, "wrong": 2, "report": 2, "console": 2},
    "init.md": {"spec": 2, "wrong": 1, "report": 1, "emitted": 2},
    "expect.md": {"spec": 1, "wrong": 1, "report": 1},
    "weights.md": {"spec": 1},
    "names.md": {"wrong": 1, "report": 1},
    "yaml.md": {"spec": 1, "wrong": 3, "report": 2, "emitted": 1},
    "emitted.md": {"spec": 5, "emitted": 7},
    "summary.md": {"console": 2, "python": 2},
    "import.md": {"console": 6, "python": 2},
    "diff.md": {"spec": 2, "console": 5, "python": 2},
    "README.md": {"spec": 1},
}
"""How many examples of each sort a document has at least: an empty document must not pass."""

_MARK = re.compile(r"<!-- (?P<mark>.*) -->")
_WRONG = re.compile(r"wrong: (?P<code>E\d{4})")
_EMITTED = re.compile(r"emitted from: (?P<file>\S+)")
_NOT_RUN = re.compile(r"not run: .+")
_VARY = re.compile(r"numbers vary: .+")
_NUMBER = re.compile(r"\d[\d,.]*")
_FILE = re.compile(r"# file: (?P<file>\S+)\n")
_WHOLE = re.compile(r"^(input|extends):", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: `mark` is the comment before it; `close` if only blank lines part it from the block before."""

    document: Path
    line: int
    language: str
    text: str
    mark: str
    close: bool

    @property
    def place(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def file(self) -> str:
        named = _FILE.match(self.text)
        return named["file"] if named else f"line_{self.line}.yaml"

    @property
    def wrong(self) -> str:
        """The code that a wrong spec gets; empty for the others."""
        found = _WRONG.fullmatch(self.mark)
        return found["code"] if found and self.language == "yaml" else ""

    @property
    def emitted_from(self) -> str:
        found = _EMITTED.fullmatch(self.mark)
        return found["file"] if found and self.language == "python" else ""

    @property
    def is_file(self) -> bool:
        if self.language in ("python", "ini"):
            return bool(_FILE.match(self.text))
        return self.language == "yaml" and bool(self.wrong or _FILE.match(self.text) or _WHOLE.search(self.text))

    @property
    def is_spec(self) -> bool:
        return self.language == "yaml" and not self.wrong and bool(_WHOLE.search(self.text))

    @property
    def varies(self) -> bool:
        """Whether its numbers are those of one machine at one time."""
        return bool(_VARY.fullmatch(self.mark)) and self.language == "console"

    @property
    def is_run(self) -> bool:
        return self.language == "console" and not _NOT_RUN.fullmatch(self.mark)


def blocks_of(document: Path) -> list[Block]:
    """The fenced blocks of a document, in its order."""
    lines = document.read_text("utf-8").splitlines()
    blocks: list[Block] = []
    start, language = 0, ""
    since: list[str] = []  # what stands between the last block and here
    for number, line in enumerate(lines, 1):
        if start and line == "```":
            before = _MARK.fullmatch(since[-1]) if since else None
            text = "".join(f"{inner}\n" for inner in lines[start : number - 1])
            close = bool(blocks) and not any(part.strip() for part in since)
            blocks.append(Block(document, start, language, text, before["mark"] if before else "", close))
            start, since = 0, []
        elif not start and line.startswith("```"):
            start, language = number, line[3:]
        elif not start:
            since.append(line)
    assert not start, f"{document.name}:{start}: the block is not closed"
    return blocks


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
SPECS = [block for block in BLOCKS if block.is_spec]
WRONG = [block for block in BLOCKS if block.wrong]
EMITTED = [block for block in BLOCKS if block.emitted_from]
SCRIPTS = {
    document: [b for b in BLOCKS if b.document == document and b.language == "python" and not b.emitted_from]
    for document in DOCUMENTS
    if any(b.document == document and b.language == "python" and "import archc" in b.text for b in BLOCKS)
}
REPORTS = {one: two for one, two in pairwise(BLOCKS) if one.wrong and two.language == "text" and two.close}


def write_files(document: Path, folder: Path) -> None:
    """The specs of a document, in one folder."""
    for block in BLOCKS:
        if block.document == document and block.is_file:
            (folder / block.file).write_text(block.text, "utf-8")
    if document.name in ("training.md", "finetuning.md", "how-to.md"):
        write_images(folder)
    if document.name in ("finetuning.md", "how-to.md"):
        torch.save(torchvision.models.resnet18().state_dict(), folder / "resnet18-f37072fd.pth")
    if document.name == "python.md":  # what torchvision publishes under this name has the same keys and shapes
        torch.save(torchvision.models.squeezenet1_1().state_dict(), folder / "squeezenet1_1-b8a52dc0.pth")


def write_images(folder: Path) -> None:
    """The images that the document on training names."""
    for name, level in (("dark", 50), ("light", 200)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(1, 11):
            image = Image.new("RGB", (40, 30 + number), (level, level + number, level))
            image.save(folder / "photos" / name / f"{number:02}.png")
    Image.new("L", (20, 20)).save(folder / "seven.png")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """A folder with the specs of each document."""
    made = {document: tmp_path_factory.mktemp(document.stem) for document in DOCUMENTS}
    for document, folder in made.items():
        write_files(document, folder)
    return made


@pytest.fixture
def in_its_folder(request: pytest.FixtureRequest, folders: dict[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory of a test with a `block`."""
    monkeypatch.chdir(folders[request.getfixturevalue("block").document])


def update(block: Block, text: str) -> None:
    """Put another text into a block of its document."""
    whole = block.document.read_text("utf-8")
    old = f"```{block.language}\n{block.text}```"
    assert whole.count(old) == 1, f"{block.place}: another block has the same text"
    block.document.write_text(whole.replace(old, f"```{block.language}\n{text}```"), "utf-8")


def place(block: Block) -> str:
    return block.place


@pytest.mark.parametrize("block", SPECS, ids=place)
@pytest.mark.usefixtures("in_its_folder")
def test_a_spec_is_sound_and_its_source_is_the_module(block: Block) -> None:
    """Checked, built and emitted: the same keys, bit-equal weights under one seed, bit-equal outputs."""
    architecture = archc.load(block.file)
    built = seeded(architecture.build)
    emitted = seeded(emitted_class(architecture))
    torch.manual_seed(2)
    assert_equal_modules(built, emitted, torch.randn(2, *architecture.input))


@pytest.mark.parametrize("block", WRONG, ids=place)
@pytest.mark.usefixtures("in_its_folder")
def test_a_wrong_spec_gets_its_code_and_report(block: Block) -> None:
    with pytest.raises(SpecError) as caught:
        archc.load(block.file)
    problems = caught.value.problems
    assert {problem.code for problem in problems} == {block.wrong}
    if block in REPORTS:
        report = f"{text_report(problems)}\n"
        if os.environ.get("ARCHC_UPDATE") and report != REPORTS[block].text:
            update(REPORTS[block], report)
            return
        assert report == REPORTS[block].text


@pytest.mark.parametrize("block", EMITTED, ids=place)
@pytest.mark.usefixtures("in_its_folder")
def test_emitted_source_is_as_shown(block: Block) -> None:
    source = archc.load(block.emitted_from).emit()
    assert f"\n{block.text}" in source


@pytest.mark.parametrize("document", SCRIPTS, ids=lambda path: path.name)
def test_python_that_uses_archc_runs(
    document: Path, folders: dict[Path, Path], monkeypatch: pytest.MonkeyPatch, kinds_of_this_test: None
) -> None:
    """The blocks of a document, one after the other, as a reader types them."""
    monkeypatch.chdir(folders[document])
    names: dict[str, object] = {"__name__": "example"}
    for block in SCRIPTS[document]:
        exec(compile(block.text, block.place, "exec", dont_inherit=True), names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
@pytest.mark.usefixtures("kinds_of_this_test")
def test_commands_print_what_is_shown(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of a document, in its order, in one folder with the document's specs."""
    torch.set_num_threads(1)  # the networks that are trained here are small
    write_files(document, tmp_path)
    monkeypatch.chdir(tmp_path)
    different = []
    for block in BLOCKS:
        if block.document != document or not block.is_run:
            continue
        session = ""
        for command, expected in commands_of(block):
            printed = run(command, block.place)
            matches = as_pattern(expected, block.varies).fullmatch(printed)
            session += f"$ {command}\n{''.join(expected) if matches else printed}"
        if os.environ.get("ARCHC_UPDATE") and session != block.text:
            update(block, session)
        elif session != block.text:
            different.append(f"{block.place}: expected\n{block.text}\nbut it is\n{session}")
    assert not different, "\n\n".join(different)
    # Most of what a training prints is left open: that it worked shows in its folder.
    trained = set(re.findall(r"(?m)^\$ archc train .*--(?:out|resume) (\w+)$", document.read_text("utf-8")))
    assert [name for name in trained if not (tmp_path / name / "best.safetensors").is_file()] == []
    for kept in (document.parent / "assets").glob("*.csv"):
        if kept.stem in trained:
            assert_same_curves(kept, tmp_path / kept.stem / "metrics.csv")


def assert_same_curves(kept: Path, found: Path) -> None:
    """The accuracies that a document draws are those of its command, up to what differs between machines."""
    tables = []
    for path in (kept, found):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            tables.append([{key: row[key] for key in ("epoch", "train_accuracy", "val_accuracy")} for row in rows])
    old, new = tables
    if os.environ.get("ARCHC_UPDATE"):
        lines = [",".join(row) for row in (new[0].keys(), *(row.values() for row in new))]
        kept.write_text("\n".join([*lines, ""]), "utf-8")
        return
    assert len(old) == len(new)
    for key in ("train_accuracy", "val_accuracy"):
        assert float(old[-1][key]) == pytest.approx(float(new[-1][key]), abs=0.04)


def commands_of(block: Block) -> list[tuple[str, list[str]]]:
    """Each command of a console block with the lines that it is shown to print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].rstrip("\n"), []))
        else:
            assert found, f"{block.place}: a console block begins with `$ `"
            found[-1][1].append(line)
    return found


def run(command: str, where: str) -> str:
    """What a command prints to stdout and stderr, in its order."""
    words = shlex.split(command)
    assert words[:1] == ["archc"], f"{where}: only `archc` is run here; mark the block `<!-- not run: reason -->`"
    with io.StringIO() as both:
        with contextlib.redirect_stdout(both), contextlib.redirect_stderr(both), contextlib.suppress(SystemExit):
            main(words[1:])
        return both.getvalue()


def as_pattern(expected: Iterable[str], varies: bool) -> re.Pattern[str]:
    """What the lines stand for: `…` for any lines and, where they vary, a number for any other."""

    def exact(line: str) -> str:
        return r"[\d,.]+".join(map(re.escape, _NUMBER.split(line))) if varies else re.escape(line)

    return re.compile("".join(r"(?:.*\n)*" if line == "…\n" else exact(line) for line in expected))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_has_its_examples(document: Path) -> None:
    """As many as it should have; names are used once, and marks say something that is known."""
    blocks = [block for block in BLOCKS if block.document == document]
    found = Counter(
        {
            "spec": sum(block.is_spec for block in blocks),
            "wrong": sum(bool(block.wrong) for block in blocks),
            "report": sum(block in REPORTS for block in blocks),
            "emitted": sum(bool(block.emitted_from) for block in blocks),
            "console": sum(block.is_run for block in blocks),
            "python": len(SCRIPTS.get(document, [])),
        }
    )
    for sort, least in LEAST.get(document.name, {}).items():
        assert found[sort] >= least, f"{document.name} has {found[sort]} examples of the sort `{sort}`"
    files = [block.file for block in blocks if block.is_file]
    assert len(files) == len(set(files)), f"{document.name}: two examples have the same file name"
    for block in blocks:
        not_run = block.language == "console" and not block.is_run
        known = block.wrong or block.emitted_from or not_run or block.varies
        assert not block.mark or known, f"{block.place}: `{block.mark}`?"
        assert not block.wrong or block.wrong in codes(), block.place
        assert not block.emitted_from or block.emitted_from in files, block.place


def test_the_reference_is_there() -> None:
    """Every page of it has its examples, and the first page leads to each."""
    pages = {path.name for path in REFERENCE.glob("*.md")}
    assert pages <= set(LEAST)
    links = re.findall(r"\]\(reference/(\w+\.md)\)", (ROOT / "docs" / "language.md").read_text("utf-8"))
    assert pages == set(links)
    assert set(LEAST) - {"README.md"} <= {document.name for document in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Links to headings of the document, and to files of the repository."""
    text = re.sub(r"(?ms)^```.*?^```$", "", document.read_text("utf-8"))
    headings = {slug(heading) for heading in re.findall(r"(?m)^#+ (.*)$", text)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, f"{document.name}: {target}"
        elif "://" not in target:
            assert (document.parent / target.partition("#")[0]).exists(), f"{document.name}: {target}"


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
