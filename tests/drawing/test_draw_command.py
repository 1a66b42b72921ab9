"""`archc draw`: files, formats, and clear answers to wrong use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from shell import Shell

import archc
from archc.drawing import draw_svg, pdf, png

ROOT = Path(__file__).parents[2]
GOOD = "name: Tiny\ninput: [3, 8, 8]\nlayers:\n  conv: {conv2d: {out_channels: 4, kernel_size: 3}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "begins"),
    [
        ("x.svg", b"<svg "),
        ("x.SVG", b"<svg "),
        ("x.mmd", b"flowchart TD\n"),
        ("x.dot", b"digraph "),
        ("x.tex", b"\\documentclass"),
    ],
)
def test_the_ending_is_the_format(sh: Shell, folder: Path, file: str, begins: bytes) -> None:
    assert sh("draw", "good.yaml", "-o", file) == (0, f"{file}\n", "")
    assert (folder / file).read_bytes().startswith(begins)


def test_png(sh: Shell, folder: Path) -> None:
    pytest.importorskip("resvg_py", reason="resvg is not installed")
    assert sh("draw", "googlenet", "-o", "x.png") == (0, "x.png\n", "")
    root = ElementTree.fromstring(draw_svg(archc.load("googlenet")))
    with Image.open(folder / "x.png") as image:
        assert image.size[0] == round(2 * float(root.get("width", "")))
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24) or ()}
    assert {(255, 255, 255), (0xE8, 0xF0, 0xFE), (0x3B, 0x6F, 0xD4)} <= colours
    assert len(colours) > 300, "letters have rims"


def test_png_without_resvg_says_how_to_get_it(sh: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "available", lambda: False)
    assert sh("draw", "good.yaml", "-o", "x.png") == (
        2,
        "",
        "archc draw: a .png file needs resvg: pip install 'archc-nn[png]'\n",
    )
    assert not (folder / "x.png").exists()


def test_a_large_png_stays_within_bounds(sh: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py", reason="resvg is not installed")
    monkeypatch.setattr(png, "MOST_PIXELS", 500)
    assert sh("draw", "googlenet", "-o", "x.png")[0] == 0
    with Image.open(folder / "x.png") as image:
        assert 499 <= max(image.size) <= 501


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("good.yaml",), "the following arguments are required: -o/--out"),
        (("good.yaml", "-o", "x.svgg"), "`x.svgg` has an unsupported file extension (did you mean `.svg`?)"),
        (("good.yaml", "-o", "x"), "`x` has an unsupported file extension"),
        (("good.yaml", "-o", "x.svg", "--depth", "-1"), "expected a positive integer, got '-1'"),
        (("good.yaml", "-o", "x.mmd", "--theme", "dark"), "--theme applies to .svg, .pdf, .png, .tex only"),
        (("good.yaml", "-o", "x.dot", "--style", "volumes"), "--style applies to .svg, .pdf, .png, .tex only"),
        (
            ("googlenet", "-o", "x.svg", "--block", "Incepton"),
            "no block or path `Incepton` in GoogLeNet: did you mean `Inception`?",
        ),
        (("googlenet", "-o", "x.svg", "--expand", "inception3"), "did you mean `inception3"),
        (("googlenet", "-o", "x.svg", "--expand", "maxpool1"), "`maxpool1` is a single layer"),
        (("alexnet", "vgg16", "-o", "x.svg", "--expand", "stem"), "no block or path `stem` in AlexNet or VGG16"),
    ],
)
def test_wrong_use_is_told_in_a_line(sh: Shell, folder: Path, words: tuple[str, ...], message: str) -> None:
    code, out, err = sh("draw", *words)
    assert (code, out) == (2, "")
    assert err.startswith("archc draw: ")
    assert message in err.splitlines()[0]
    assert not (folder / "x.svg").exists()


def test_problems_of_all_specs_are_reported(sh: Shell, folder: Path) -> None:
    (folder / "bad.yaml").write_text(GOOD.replace("kernel_size: 3", "kernel_size: 30"))
    code, out, err = sh("draw", "bad.yaml", "good.yaml", "missing.yaml", "-o", "x.svg")
    assert (code, out) == (1, "")
    assert "error[E0302]" in err
    assert "error[E0101]" in err
    assert not (folder / "x.svg").exists()


def test_a_file_that_cannot_be_written_is_told(sh: Shell) -> None:
    code, _, err = sh("draw", "good.yaml", "-o", "nowhere/x.svg")
    assert code == 1
    assert "error[E0601]" in err


def test_settings_and_input_change_the_drawing(sh: Shell, folder: Path) -> None:
    assert sh("draw", "alexnet", "--set", "num_classes=7", "--input", "3x128x128", "-o", "x.svg")[0] == 0
    text = (folder / "x.svg").read_text("utf-8")
    assert "linear, 7" in text
    assert "64×31×31" in text


def test_options_reach_the_drawing(sh: Shell, folder: Path) -> None:
    alexnet, googlenet = archc.load("alexnet"), archc.load("googlenet")
    expected = {
        ("googlenet", "--expand", "inception3a", "--expand", "aux1"): draw_svg(
            googlenet, expand=["inception3a", "aux1"]
        ),
        ("googlenet", "--depth", "2"): draw_svg(googlenet, depth=2),
        ("googlenet", "--depth", "1"): draw_svg(googlenet),
        ("googlenet", "--all"): draw_svg(googlenet, everything=True),
        ("googlenet", "--block", "Inception"): draw_svg(googlenet, block="Inception"),
        ("alexnet", "googlenet"): draw_svg([alexnet, googlenet]),
    }
    for words, svg in expected.items():
        assert sh("draw", *words, "-o", "x.svg")[0] == 0
        assert (folder / "x.svg").read_text("utf-8") == svg


@pytest.mark.parametrize(("theme", "paper"), [("light", (255, 255, 255)), ("dark", (20, 23, 28))])
def test_a_theme_holds_whatever_the_reader_prefers(
    sh: Shell, folder: Path, theme: str, paper: tuple[int, int, int]
) -> None:
    pytest.importorskip("resvg_py", reason="resvg is not installed")
    for file in ("x.svg", "x.png"):
        assert sh("draw", "good.yaml", "--theme", theme, "-o", file) == (0, f"{file}\n", "")
    svg = (folder / "x.svg").read_text("utf-8")
    assert "prefers-color-scheme" not in svg
    assert "var(" not in svg
    assert f".archc .paper{{fill:#{bytes(paper).hex()}}}" in svg
    with Image.open(folder / "x.png") as image:
        assert image.convert("RGB").getpixel((2, 2)) == paper


def run(*code: str, seed: str = "0") -> str:
    """What a fresh interpreter prints."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, *code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


@pytest.mark.parametrize("file", ["x.svg", "x.mmd", "x.dot", "x.tex"])
def test_drawing_imports_neither_torch_nor_numpy(file: str) -> None:
    code = (
        "import sys; from archc.cli.main import main;"
        f"assert main(['draw', 'googlenet', '-o', '{file}']) == 0;"
        "print(sorted({'torch', 'numpy', 'matplotlib', 'PIL', 'jinja2'} & set(sys.modules)))"
    )
    assert run("-c", code) == f"{file}\n[]\n"


def test_the_same_bytes_under_every_hash_seed(folder: Path) -> None:
    expected = draw_svg(archc.load("inception_v3"), depth=2)
    for seed in range(3):
        run("-m", "archc", "draw", "inception_v3", "--depth", "2", "-o", "x.svg", seed=str(seed))
        assert (folder / "x.svg").read_text("utf-8") == expected


def test_ten_thousand_layers_are_drawn_soon() -> None:
    """In a few times the time that their check takes, down to single layers; benchmarks/speed.py has the seconds."""
    rows = "".join(f"  c{i}: {{conv2d: {{out_channels: {1 + i * 7 % 61}, kernel_size: 1}}}}\n" for i in range(10_000))
    start = time.process_time()
    architecture = archc.loads(f"input: [3, 8, 8]\nlayers:\n{rows}")
    checked = time.process_time()
    assert draw_svg(architecture).count('class="box ') < 200
    folded = time.process_time()
    assert draw_svg(architecture, everything=True).count('class="box ') == 10_000
    drawn = time.process_time()
    assert folded - checked < 2 * (checked - start)
    assert drawn - folded < 5 * (checked - start)


def test_a_drawing_goes_to_stdout(sh: Shell, folder: Path) -> None:
    done = [
        subprocess.run([sys.executable, "-m", "archc", "draw", "good.yaml", "-o", "-", *more], capture_output=True)
        for more in ((), ("--format", "mmd"), ("--format", "pptx"))
    ]
    assert sh("draw", "good.yaml", "-o", "x.svg")[0] == 0
    assert (done[0].returncode, done[0].stdout) == (0, (folder / "x.svg").read_bytes())
    assert done[1].stdout.startswith(b"flowchart TD\n")
    assert done[2].returncode == 2
    assert not (folder / "-").exists()


def test_a_figure_for_a_caption_has_no_title(sh: Shell, folder: Path) -> None:
    assert sh("draw", "good.yaml", "-o", "x.svg", "--no-title")[0] == 0
    root = ElementTree.parse(folder / "x.svg").getroot()
    assert not [
        text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("class") in ("title", "figures")
    ]
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "Tiny"


def test_a_pdf_is_as_large_as_the_svg_and_has_its_texts(sh: Shell, folder: Path) -> None:
    pytest.importorskip("cairosvg", reason="CairoSVG is not installed", exc_type=(ImportError, OSError))
    assert sh("draw", "good.yaml", "-o", "x.pdf") == (0, "x.pdf\n", "")
    content = (folder / "x.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    root = ElementTree.fromstring(draw_svg(archc.load(folder / "good.yaml")))
    box = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+)", content)
    assert box is not None
    assert float(box[1]) == pytest.approx(0.75 * float(root.get("width", "")), abs=1)
    assert b"/Font" in content


def test_pdf_without_cairo_says_how_to_get_it(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "available", lambda: False)
    code, _, err = sh("draw", "good.yaml", "-o", "x.pdf")
    assert (code, err) == (
        2,
        "archc draw: a .pdf file needs CairoSVG and the cairo library: pip install 'archc-nn[pdf]'\n",
    )
