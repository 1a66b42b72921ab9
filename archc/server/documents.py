"""The open documents: each is analysed soon after its last change, in a thread, and given up when it changes again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from archc.reading import Map, read_file, read_text
from archc.server.analysis import Analysis, Outdated, analyse
from archc.server.text import Text

DELAY = 0.01
"""Seconds of quiet after a change before the document is analysed: a burst of changes is analysed once."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Document:
    """An open document: its text as it is now, and the newest analysis, of this text or of one before it."""

    uri: str
    path: Path | None
    text: Text
    version: int
    analysis: Analysis
    turn: int = 0
    task: asyncio.Task[None] | None = None


class Documents:
    """The open documents by their URIs. `publish` is told of each that has a new analysis."""

    def __init__(self, publish: Callable[[Document], None]) -> None:
        self._publish = publish
        self._open: dict[str, Document] = {}
        self._worker = ThreadPoolExecutor(1, "analysis")

    def __getitem__(self, uri: str) -> Document:
        return self._open[uri]

    def change(self, uri: str, path: Path | None, text: Text, version: int) -> None:
        """A document was opened or has another text."""
        document = self._open.setdefault(uri, Document(uri, path, text, version, Analysis(uri, path, text)))
        document.text, document.version = text, version
        self._begin(document)
        self._begin_dependents(document.path)

    def close(self, uri: str) -> None:
        """A document is shown no more; those that name its file see the file on the disk again."""
        document = self._open.pop(uri)
        self._give_up(document)
        self._begin_dependents(document.path)

    def refresh(self) -> None:
        """Files have changed on the disk."""
        for document in self._open.values():
            self._begin(document)

    async def analysis(self, uri: str) -> Analysis:
        """The analysis of a document's text as it is now."""
        document = self._open[uri]
        while document.task is not None and not document.task.done():
            await asyncio.wait([document.task])
        return document.analysis

    def _begin_dependents(self, path: Path | None) -> None:
        for document in self._open.values():
            if path in document.analysis.files:
                self._begin(document)

    def _begin(self, document: Document) -> None:
        self._give_up(document)
        document.task = asyncio.get_running_loop().create_task(self._refresh(document, document.turn))

    def _give_up(self, document: Document) -> None:
        document.turn += 1
        if document.task is not None:
            document.task.cancel()

    async def _refresh(self, document: Document, turn: int) -> None:
        """Analyse a document and tell of it. The task may be cancelled, the thread sees the turn and ends by itself."""
        await asyncio.sleep(DELAY)
        texts = {other.path: other.text.text for other in self._open.values()}

        def read(path: Path, shown: str) -> Map:
            return read_text(texts[path], shown) if path in texts else read_file(path, shown)

        def work() -> Analysis:
            return analyse(document.uri, document.path, document.text, read, lambda: document.turn == turn)

        try:
            document.analysis = await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except Outdated:
            return
        except Exception:
            logger.exception("%s could not be analysed", document.uri)
            return
        self._publish(document)
