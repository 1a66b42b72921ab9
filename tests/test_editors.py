"""The settings in docs/editors.md: they are well-formed, and what they start is the language server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from test_docs import ROOT, blocks_of

BLOCKS = {block.language: block.text for block in blocks_of(ROOT / "docs" / "editors.md")}
SERVER = ["archc", "lsp"]


def test_the_settings_start_the_server() -> None:
    code = json.loads(BLOCKS["json"])
    manifest = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text("utf-8"))
    assert set(code) <= set(manifest["contributes"]["configuration"]["properties"])
    helix = tomllib.loads(BLOCKS["toml"])
    server = helix["language-server"]["archc"]
    assert [server["command"], *server["args"]] == SERVER
    assert helix["language"] == [{"name": "yaml", "language-servers": ["archc", "yaml-language-server"]}]
    command = re.search(r"cmd = \{(.*?)\}", BLOCKS["lua"])
    assert command is not None
    assert [word.strip(' "') for word in command[1].split(",")] == SERVER


WRONG = "input: [3, 8, 8]\nlayers:\n  a: {conv2d: {out_channels: 8, kernel_sise: 3}}\n"
ASK = """
vim.wait(30000, function() return #vim.diagnostic.get(0) > 0 end, 50)
for _, found in ipairs(vim.diagnostic.get(0)) do print(found.lnum, found.col, found.code) end
vim.cmd("qa!")
"""


def test_neovim(tmp_path: Path) -> None:
    """The settings as they stand, in Neovim itself: a wrong spec gets its diagnostic."""
    program, archc = shutil.which("nvim"), shutil.which("archc")
    if program is None or archc is None:
        pytest.skip("Neovim, or archc's own command, is not installed here")
    version = re.search(r"v(\d+)\.(\d+)", subprocess.run([program, "--version"], capture_output=True, text=True).stdout)
    if version is None or (int(version[1]), int(version[2])) < (0, 11):
        pytest.skip("the settings are for Neovim from 0.11 on")
    (tmp_path / "init.lua").write_text(BLOCKS["lua"], "utf-8")
    (tmp_path / "ask.lua").write_text(ASK, "utf-8")
    (tmp_path / "net.yaml").write_text(WRONG, "utf-8")
    words = [program, "--headless", "-u", "init.lua", "net.yaml", "-c", "luafile ask.lua"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=90)
    assert (done.stdout + done.stderr).split() == ["2", "32", "E0205"]
