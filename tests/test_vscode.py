"""The extension for VS Code: its manifest, and its own tests, lint and package where Node.js and its packages are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import archc

FOLDER = Path(__file__).parent.parent / "editors" / "vscode"
MANIFEST = json.loads((FOLDER / "package.json").read_text("utf-8"))
SOURCES = {path.name: path.read_text("utf-8") for path in sorted((FOLDER / "src").glob("*.js"))}


def node(*words: str, packages: bool) -> str:
    """The output of a command in the extension's folder; skipped without Node.js or the packages that it needs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    if packages and not (FOLDER / "node_modules" / "vscode-languageclient").is_dir():
        pytest.skip("run `npm install` in editors/vscode first")
    command = json.dumps([sys.executable, "-m", "archc"])
    environment = {**os.environ, "ARCHC_COMMAND": command}
    done = subprocess.run(words, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_manifest_fits_the_code() -> None:
    """The version is archc's; what it contributes is used, and what is used is contributed."""
    code = "\n".join(SOURCES.values())
    contributed = MANIFEST["contributes"]
    assert MANIFEST["version"] == archc.__version__
    commands = {each["command"] for each in contributed["commands"]}
    assert set(re.findall(r'registerCommand\("([^"]+)"', code)) == commands
    assert {each["command"] for each in contributed["menus"]["editor/title"]} <= commands
    assert {"archc.command", "archc.trace.server"} == set(contributed["configuration"]["properties"])
    assert 'affectsConfiguration("archc.command")' in code
    lock = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))
    assert lock["packages"][""]["devDependencies"] == MANIFEST["devDependencies"]


def test_the_grammar_colors_expressions() -> None:
    (grammar,) = MANIFEST["contributes"]["grammars"]
    rules = json.loads((FOLDER / grammar["path"]).read_text("utf-8"))
    assert rules["scopeName"] == grammar["scopeName"]
    parts = rules["repository"]
    assert re.fullmatch(parts["name"]["match"], "$num_classes")
    used = set(re.findall(r'"#(\w+)"', json.dumps(rules)))
    assert used == set(parts)
    inside = [each for each in parts["inside"]["patterns"] if "match" in each]

    def scope(word: str) -> str:
        return next(each["name"].split(".")[0] for each in inside if re.match(each["match"], word))

    words = {"width": "variable", "max(": "support", "not ": "keyword", "'same'": "string", "3": "constant"}
    assert {word: scope(word) for word in words} == words


def test_its_own_tests() -> None:
    """Without its packages all but the one that speaks the protocol with VS Code's own library."""
    told = node(
        "node",
        "--test",
        "--test-reporter=tap",
        *(f"test/{path.name}" for path in FOLDER.glob("test/*.js")),
        packages=False,
    )
    assert re.search(r"^# fail 0$", told, re.MULTILINE)
    assert int(re.findall(r"^# pass (\d+)$", told, re.MULTILINE)[0]) >= 5


def test_the_code_and_the_explorers_scripts_are_clean() -> None:
    node("npm", "run", "--silent", "lint", packages=True)


def test_the_package(tmp_path: Path) -> None:
    """One command makes it; it holds the extension in one file, the grammar and no source."""
    node("npm", "run", "--silent", "package", packages=True)
    with zipfile.ZipFile(FOLDER / "archc.vsix") as package:
        assert {name for name in package.namelist() if name.startswith("extension/")} == {
            "extension/package.json",
            "extension/readme.md",
            "extension/dist/extension.js",
            "extension/syntaxes/expressions.tmLanguage.json",
        }
