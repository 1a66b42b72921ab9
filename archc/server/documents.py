"""The open documents. Each is analyzed in a thread soon after a change, and the analysis stops at the next change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lsprotocol.types import Diagnostic

from archc.files import read_bytes
from archc.language.load import Read
from archc.limits import MAX_FILE_BYTES
from archc.reading import Map, Rereader, read_file
from archc.server.analysis import Analysis, Outdated, analyse, read_open
from archc.server.diagnostics import diagnostics
from archc.server.text import Text

DELAY = 0.01
"""Seconds without a change before a document is analyzed, so that a burst of changes is analyzed once."""

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Document:
    """An open document: its current text, and the newest analysis, of this text or an earlier one."""

    uri: str
    path: Path | None
    text: Text
    version: int
    analysis: Analysis
    turn: int = 0
    task: asyncio.Task[None] | None = None
    rereader: Rereader = field(default_factory=Rereader)


class Documents:
    """The open documents by URI. `publish` receives each new analysis with its diagnostics.

    Everything that takes longer for a longer text runs in threads, so that the server can answer about other documents.
    """

    def __init__(self, publish: Callable[[Document, list[Diagnostic]], None]) -> None:
        self._publish = publish
        self._open: dict[str, Document] = {}
        self._worker = ThreadPoolExecutor(1, "analysis")
        self._answering = ThreadPoolExecutor(2, "answers")

    def change(self, uri: str, path: Path | None, text: Text, version: int) -> None:
        """A document was opened or changed."""
        document = self._open.setdefault(uri, Document(uri, path, text, version, Analysis(uri, path, text)))
        document.text, document.version = text, version
        self._begin(document)
        self._begin_dependents(document.path)

    def close(self, uri: str) -> None:
        """A document was closed; documents that name its file read it from the disk again."""
        document = self._open.pop(uri, None)
        if document is not None:
            self._give_up(document)
            self._begin_dependents(document.path)

    def refresh(self) -> None:
        """Files on the disk have changed."""
        for document in self._open.values():
            self._begin(document)

    async def ask(self, uri: str, question: Callable[[Analysis], Answer]) -> Answer | None:
        """An answer based on the analysis of the current text; None if the document isn't open."""
        document = self._open.get(uri)
        if document is None:
            return None
        while document.task is not None and not document.task.done():
            await asyncio.wait([document.task])
        analysis = document.analysis
        return await self._answer(lambda: question(analysis))

    async def ask_at_once(self, uri: str, question: Callable[[Text, Analysis], Answer]) -> Answer | None:
        """Like `ask`, but with the current text and the newest analysis, which may be of an earlier text."""
        document = self._open.get(uri)
        if document is None:
            return None
        text, analysis = document.text, document.analysis
        return await self._answer(lambda: question(text, analysis))

    def texts(self) -> dict[Path, str]:
        """The texts of the open documents that have files."""
        everything = list(self._open.values())  # at once, because threads call this, too
        return {other.path: other.text.text for other in everything if other.path is not None}

    def other(self, path: Path, word: str, encoding: str) -> Analysis | None:
        """The analysis of a file that contains a word, from the editor or the disk; None if it doesn't."""
        texts = self.texts()
        try:
            text = texts[path] if path in texts else read_bytes(path, MAX_FILE_BYTES).decode()
        except (OSError, UnicodeDecodeError):
            return None
        return analyse(path.as_uri(), path, Text(text, encoding), _reading(texts)) if word in text else None

    def again(self, analysis: Analysis, texts: dict[str, str]) -> Analysis:
        """The analysis of a document with other texts for files, by the names of their sources."""
        text = Text(texts[analysis.name], analysis.text.encoding)
        others = self.texts() | {Path(name): other for name, other in texts.items()}
        return analyse(analysis.uri, analysis.path, text, _reading(others), ours=analysis.ours)

    async def answer(self, question: Callable[[], Answer]) -> Answer:
        """The answer to a question that isn't about a document, computed in a thread."""
        return await self._answer(question)

    async def _answer(self, question: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._answering, question)

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
        """Analyze a document and publish the result.

        The task may be canceled; the thread notices that it is outdated and ends.
        """
        await asyncio.sleep(DELAY)
        read = _reading(self.texts())
        text, ours = document.text, document.analysis.ours  # once a spec, it stays one, however broken

        def work() -> tuple[Analysis, list[Diagnostic]]:
            found = analyse(
                document.uri,
                document.path,
                text,
                read,
                lambda: document.turn == turn,
                rereader=document.rereader,
                ours=ours,
            )
            return found, diagnostics(found)

        try:
            document.analysis, published = await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except Outdated:
            return
        except Exception:
            logger.exception("%s could not be analyzed", document.uri)
            document.analysis = Analysis(document.uri, document.path, text, ours=ours)  # places must fit the text
            return
        self._publish(document, published)


def _reading(texts: dict[Path, str]) -> Read:
    """A function that reads files, preferring the texts of open documents."""

    def read(path: Path, shown: str) -> Map:
        return read_open(texts[path], shown) if path in texts else read_file(path, shown)

    return read
