"""Files that extend and import others, however many: each is read once, and chains have a bound."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

import archc
from archc.language.load import Loader
from archc.limits import MAX_FILE_DEPTH
from archc.problems import SpecError, text_report
from archc.reading import Map, read_file

HEAD = "input: [3, 8, 8]\nlayers: [B]\n"


def load_counted(path: Path) -> Counter[str]:
    """Load a spec; how often each file was read."""
    reads: Counter[str] = Counter()

    def read(path: Path, shown: str) -> Map:
        reads[path.name] += 1
        return read_file(path, shown)

    loader = Loader(read)
    loader.spec(read(path, path.name), path.stem, (path,))
    return reads


def test_files_that_import_each_other_crosswise_are_read_once(tmp_path: Path) -> None:
    """40 files, each of which imports all that follow: 2**38 ways lead to the last one."""
    names = [f"f{number}.yaml" for number in range(40)]
    for number, name in enumerate(names):
        imports = ", ".join(f"{other}: [B{at}]" for at, other in enumerate(names) if at > number)
        own = f"B{number}: {{layers: [relu]}}"
        (tmp_path / name).write_text(f"import: {{{imports}}}\nblocks: {{{own}}}\n", "utf-8")
    spec = tmp_path / "net.yaml"
    spec.write_text("import: {f0.yaml: [B0], f1.yaml: [B1]}\ninput: [3, 8, 8]\nlayers: [B0, B1]\n", "utf-8")
    # The longest chain has all files: those beyond the bound are reached by shorter ways, too.
    with pytest.raises(SpecError) as caught:
        archc.load(spec)
    assert {problem.code for problem in caught.value.problems} == {"E0107"}
    few = MAX_FILE_DEPTH - 1
    for name in names[:few]:
        text = (tmp_path / name).read_text("utf-8")
        for number in range(few, 40):
            text = text.replace(f", f{number}.yaml: [B{number}]", "").replace(f"f{number}.yaml: [B{number}]", "")
        (tmp_path / name).write_text(text, "utf-8")
    assert load_counted(spec) == dict.fromkeys(["net.yaml", *names[:few]], 1)
    assert len(archc.load(spec).network.graph.nodes) == 2


def test_files_that_all_import_each_other_are_a_circle(tmp_path: Path) -> None:
    """Every way through 12 files would be a way too many: 12! of them."""
    names = [f"f{number}.yaml" for number in range(12)]
    for number, name in enumerate(names):
        imports = ", ".join(f"{other}: [B{at}]" for at, other in enumerate(names) if at != number)
        (tmp_path / name).write_text(f"import: {{{imports}}}\nblocks: {{B{number}: {{layers: [relu]}}}}\n", "utf-8")
    (tmp_path / "net.yaml").write_text("import: {f0.yaml: [B0]}\ninput: [3, 8, 8]\nlayers: [B0]\n", "utf-8")
    with pytest.raises(SpecError) as caught:
        archc.load(tmp_path / "net.yaml")
    assert {problem.code for problem in caught.value.problems} == {"E0215"}
    assert "the files include each other in a circle" in caught.value.problems[0].message


@pytest.mark.parametrize("way", ["extends", "import"])
def test_a_chain_of_a_thousand_files_is_refused(tmp_path: Path, way: str) -> None:
    for number in range(1000):
        following = f"n{number + 1}.yaml"
        text = f"extends: {following}\n" if way == "extends" else f"import: {{{following}: [B]}}\n{HEAD}"
        (tmp_path / f"n{number}.yaml").write_text(text, "utf-8")
    (tmp_path / "n1000.yaml").write_text(f"blocks: {{B: {{layers: [relu]}}}}\n{HEAD}", "utf-8")
    with pytest.raises(SpecError) as caught:
        archc.load(tmp_path / "n0.yaml")
    problem = next(problem for problem in caught.value.problems if problem.code == "E0107")
    assert "`n32.yaml` is one file too many: a chain of `extends` and `import` has at most 32" in text_report([problem])
    assert problem.file.endswith("n31.yaml")


@pytest.mark.parametrize(
    "text", ["extends: other.yaml\n", f"import: {{other.yaml: [B]}}\n{HEAD}"], ids=["extends", "import"]
)
def test_a_named_fifo_or_device_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.yaml").write_text(text, "utf-8")
    for make in (lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero")):
        make(tmp_path / "other.yaml")
        with pytest.raises(SpecError) as caught:
            archc.load(tmp_path / "net.yaml")
        (tmp_path / "other.yaml").unlink()
        assert caught.value.problems[0].message == "`other.yaml` is not a regular file"
