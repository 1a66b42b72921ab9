"""Commands as a user types them, run in this process."""

from __future__ import annotations

import pytest

from archc.cli.main import main


class Shell:
    """Exit status, output and errors of a command; the fixture `sh`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err
