"""The picture in the README is what the README's own command draws of the README's own spec."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from shell import Shell

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_up_to_date(sh: Shell, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ARCHC_UPDATE=1` draws it anew."""
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"(?ms)^```yaml\n# file: (\S+)\n(.*?)^```$", README):
        Path(name).write_text(text, "utf-8")
    (command,) = re.findall(rf"(?m)^\$ archc (draw .* -o {re.escape(picture.name)})$", README)
    assert sh(*shlex.split(command)) == (0, f"{picture.name}\n", "")
    drawn = Path(picture.name).read_bytes()
    if os.environ.get("ARCHC_UPDATE"):
        picture.write_bytes(drawn)
    assert picture.read_bytes() == drawn
    assert f"](docs/pictures/{picture.name})" in README
