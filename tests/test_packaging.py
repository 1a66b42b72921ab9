"""The wheel: it holds everything, and what is installed from it works on its own, away from the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import archc

ROOT = Path(__file__).parent.parent
FOLDERS = ("archc", "specs", "templates")
FILES = ("pyproject.toml", "README.md", "LICENSE")
QUIET = ("--disable-pip-version-check", "--no-index", "--no-input", "--quiet")


def pip(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments), *QUIET],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources: building leaves files behind."""
    copy, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        if (ROOT / file).exists():
            shutil.copy(ROOT / file, copy)
    pip("wheel", copy, "--no-deps", "--no-build-isolation", "-w", made)
    (path,) = made.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone is installed."""
    folder = tmp_path_factory.mktemp("installed") / "site"
    pip("install", wheel, "--no-deps", "--target", folder)
    return folder


def python(site: Path, cwd: Path, *arguments: str) -> str:
    """What an ordinary interpreter prints that finds the installed copy first."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    """Modules, specs, templates, recipes, digits, pages, type marker, licence; nothing of tests, nothing compiled."""
    expected = {"archc/py.typed"}
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "archc").rglob("*.py")}
    expected |= {f"archc/specs/{path.name}" for path in (ROOT / "specs").iterdir() if path.is_file()}
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected |= {f"archc/{path.relative_to(ROOT)}" for path in templates}
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "archc").rglob("*.yaml")}
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "archc").rglob("*.gz")}
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "archc").rglob("*.md")}
    assert {Path(name).suffix for name in expected} == {
        *(".py", ".yaml", ".json", ".jinja", ".css", ".js", ".typed", ".gz", ".md")
    }
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        metadata = file.read(f"archc_nn-{archc.__version__}.dist-info/METADATA").decode()
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith("/LICENSE") for name in names)
    assert f"\nVersion: {archc.__version__}\n" in metadata


def test_a_py_typed_package_is_pure(wheel: Path) -> None:
    """One wheel serves every platform."""
    assert wheel.name == f"archc_nn-{archc.__version__}-py3-none-any.whl"


def test_the_installed_copy_is_what_runs(site: Path, tmp_path: Path) -> None:
    """Every package is read from the installation, specs and templates too."""
    code = """
import archc, archc.specs, archc.templates, archc.cli.main
from archc.library import bundled
print(archc.__file__, archc.specs.__file__, archc.templates.__file__, archc.cli.main.__file__, *bundled().values())
"""
    paths = [Path(path) for path in python(site, tmp_path, "-c", code).split()]
    assert len(paths) == 4 + len(list((ROOT / "specs").glob("*.yaml")))
    assert [path for path in paths if not path.is_relative_to(site)] == []


def test_bundled_specs_are_found_by_name(site: Path, tmp_path: Path) -> None:
    """`archc check googlenet` needs no file in the working directory."""
    assert "googlenet: OK: 3×224×224 → 1000" in python(site, tmp_path, "-m", "archc", "check", "googlenet")
    listed = python(site, tmp_path, "-m", "archc", "list").splitlines()
    names = {word.strip(",") for line in listed for word in (line.split() if line[0] == " " else line.split()[:1])}
    assert names == {path.stem for path in (ROOT / "specs").glob("*.yaml")}


def test_emit_without_specs_writes_the_bundled_ones(site: Path, tmp_path: Path) -> None:
    """The same files, byte for byte, as the repository's generated/."""
    python(site, tmp_path, "-m", "archc", "emit", "--out", "made")
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    assert made == {path.name: path.read_bytes() for path in (ROOT / "generated").glob("*.py")}


def test_a_new_spec_goes_all_the_way(site: Path, tmp_path: Path) -> None:
    """`archc new` writes a file that checks, builds and emits."""
    assert python(site, tmp_path, "-m", "archc", "new", "MyNet") == "my_net.yaml\narchc.schema.json\n"
    assert ": OK: " in python(site, tmp_path, "-m", "archc", "check", "my_net.yaml")
    assert "every shape as inferred" in python(site, tmp_path, "-m", "archc", "build", "my_net.yaml")
    python(site, tmp_path, "-m", "archc", "emit", "my_net.yaml", "--out", ".")
    assert "class MyNet(nn.Module):" in (tmp_path / "my_net.py").read_text("utf-8")


def test_emitted_helpers_come_from_the_installation(site: Path, tmp_path: Path) -> None:
    """The modules that torch lacks are copied from archc's own source, which must be found."""
    text = "name: Small\ninput: [3, 8, 8]\nlayers: [{conv2d: {out_channels: 4, kernel_size: 1}}, mean, {linear: 2}]\n"
    (tmp_path / "small.yaml").write_text(text, "utf-8")
    python(site, tmp_path, "-m", "archc", "emit", "small.yaml", "--out", ".")
    assert "class Mean(nn.Module):" in (tmp_path / "small.py").read_text("utf-8")


def test_the_command_is_installed(site: Path, tmp_path: Path) -> None:
    """`archc` is a command of its own, beside `python -m archc`."""
    (command,) = (site / "bin").glob("archc")
    assert python(site, tmp_path, str(command), "--version") == f"archc {archc.__version__}\n"


CORE = ("annotated_types", "jinja2", "markupsafe", "pydantic", "pydantic_core", "ruamel", "typing_inspection")
"""Folders of the packages that archc depends on without extras, and of what those need."""


@pytest.fixture(scope="module")
def core(site: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Where an interpreter without site-packages finds archc and its own dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    installed = Path(sysconfig.get_path("purelib"))
    found = [Path(entry) for entry in sys.path if entry.endswith("site-packages")] or [installed]
    for name in [*CORE, "typing_extensions.py", "_ruamel_yaml*"]:
        for place in found:
            for path in place.glob(name):
                if not (folder / path.name).exists():
                    (folder / path.name).symlink_to(path)
    return [site, folder]


def run_core(core: list[Path], cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-m", "archc", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, core))}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "command",
    [
        "check googlenet",
        "summary googlenet",
        "draw googlenet -o x.svg",
        "draw googlenet -o x.html",
        "draw googlenet -o x.tex",
        "emit googlenet --out made",
        "fmt net.yaml",
        "diff vgg11 vgg13",
        "schema",
        "list conv2d",
        "explain E0312",
        "new Other",
    ],
)
def test_without_extras(core: list[Path], tmp_path: Path, command: str) -> None:
    """What needs no tensor needs no torch, numpy or matplotlib."""
    (tmp_path / "net.yaml").write_text("input: [3, 8, 8]\nlayers: [relu]\n", "utf-8")
    done = run_core(core, tmp_path, *command.split())
    assert done.returncode == (1 if command.startswith("diff") else 0), done.stderr
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    ("command", "package"),
    [("build googlenet", "torch"), ("train small_convnet --data digits", "torch"), ("lsp", "pygls")],
)
def test_a_command_without_its_extra_names_it(core: list[Path], tmp_path: Path, command: str, package: str) -> None:
    done = run_core(core, tmp_path, *command.split())
    extra = "lsp" if package == "pygls" else package
    named = re.fullmatch(r"archc (\w+): needs (\w+): pip install 'archc-nn\[(\w+)\]'\n", done.stderr)
    assert done.returncode == 2
    assert named is not None, done.stderr
    assert (named[1], named[3]) == (command.split()[0], extra)
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 2_000_000
