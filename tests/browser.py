"""A real browser for tests of pages: Chromium, if the machine has one, and what a page may not do in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
"""Where the browser is."""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser. Where there is none the test is skipped; `ARCHC_BROWSER=needed` makes that a failure."""
    missing = _missing()
    if missing and os.environ.get("ARCHC_BROWSER") == "needed":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        # Without a sandbox: containers run as root, and the pages are our own.
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _missing() -> str:
    if CHROMIUM is None:
        return "no chromium is installed"
    return "" if find_spec("playwright") else "playwright is not installed"


WIDE = {"width": 1440, "height": 900}


class Tab:
    """A page, and everything that it said or asked for."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": WIDE, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append("a dialog"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)

    def text(self, selector: str) -> str:
        return " ".join(str(self.page.locator(selector).first.text_content()).split())

    @property
    def crumbs(self) -> list[str]:
        return [str(text) for text in self.page.locator("#crumbs li").all_inner_texts()]

    @property
    def chosen(self) -> str:
        """The heading of the card."""
        return self.text("#card h2")

    @property
    def focus(self) -> str:
        """What the focused element is called."""
        return str(
            self.page.evaluate("(e => e.dataset.path ?? (e.id || e.textContent.trim()))(document.activeElement)")
        )

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def line(self, pane: str, text: str) -> Any:
        """A line of the spec or the source, scrolled into being."""
        self.page.evaluate(
            "([pane, text]) => { const lines = app.code[pane].lines;"
            " app.code[pane].list.reveal(lines.findIndex((line) => line.includes(text)), false); }",
            [pane, text],
        )
        return self.page.locator(f"#{pane}-text .line", has_text=text)

    def box(self, path: str) -> Any:
        return self.page.locator(f'#stage .box[data-path="{path}"]')

    def shape(self, path: str) -> str:
        return str(self.box(path).locator(".shape").text_content())
