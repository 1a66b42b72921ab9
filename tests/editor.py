"""An editor for tests: it starts `archc lsp` and talks to it over stdio, as a user's editor does."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.io_ import StdoutWriter, run_async
from pygls.lsp.client import LanguageClient

from archc.server.server import make_server

CURSOR = "‸"
"""Where the cursor is in a test's text; it is taken out before the text is sent."""

SECONDS = 60
"""Patience: the machine may be busy."""

Result = TypeVar("Result")


def units(text: str, encoding: str = "utf-16") -> int:
    """The length of a text as the protocol counts it."""
    wide = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    return len(text.encode(encoding if wide == 1 else f"{encoding}-le")) // wide


class Editor:
    """Documents by their names in a folder; what they hold has not been saved."""

    def __init__(
        self,
        folder: Path,
        encoding: str = "utf-16",
        *,
        snippets: bool = True,
        markdown: bool = True,
        watch: bool = False,
        here: bool = False,
    ) -> None:
        self.folder = folder
        self.encoding = encoding
        self.thread: threading.Thread | None = None
        self.open: list[Any] = []
        self.versions: dict[str, int] = {}
        self.published: dict[str, list[tuple[float, types.PublishDiagnosticsParams]]] = {}
        self.messages: list[str] = []
        self.registered: list[str] = []
        self.runner = asyncio.Runner()
        self.client = LanguageClient("editor", "1")
        self._listen()
        formats = [types.MarkupKind.Markdown, types.MarkupKind.PlainText] if markdown else None
        item = types.ClientCompletionItemOptions(snippet_support=snippets, documentation_format=formats)
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=[encoding]),
            text_document=types.TextDocumentClientCapabilities(
                completion=types.CompletionClientCapabilities(completion_item=item),
                hover=types.HoverClientCapabilities(content_format=formats),
            ),
            workspace=types.WorkspaceClientCapabilities(
                did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=watch)
            ),
        )
        params = types.InitializeParams(capabilities, root_uri=folder.as_uri())
        self.result = self.run(self._start(params, self._connect() if here else self._spawn()))

    async def _spawn(self) -> None:
        await self.client.start_io(sys.executable, "-m", "archc", "lsp", "--stdio")

    async def _connect(self) -> None:
        """The server in a thread of this process: what it runs is seen by a debugger, and counts as covered."""
        (asked, asking), (answered, answering) = os.pipe(), os.pipe()
        theirs, ours = (os.fdopen(asked, "rb"), os.fdopen(answering, "wb")), os.fdopen(asking, "wb")
        self.thread = threading.Thread(target=make_server().start_io, args=theirs)
        self.thread.start()
        reader = asyncio.StreamReader()
        loop, pipe = asyncio.get_running_loop(), os.fdopen(answered, "rb")
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self.client.protocol.set_writer(StdoutWriter(ours))
        self.open = [*theirs, ours, transport]
        ends = self.client._stop_event, reader, self.client.protocol
        self.client._async_tasks.append(asyncio.create_task(run_async(*ends)))

    async def _start(self, params: types.InitializeParams, server: Coroutine[Any, Any, None]) -> types.InitializeResult:
        await server
        result = await self.client.initialize_async(params)
        self.client.initialized(types.InitializedParams())
        return result

    def _listen(self) -> None:
        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.published.setdefault(params.uri, []).append((time.perf_counter(), params))

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def told(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

        @self.client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def registered(params: types.RegistrationParams) -> None:
            self.registered += [registration.method for registration in params.registrations]

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(asyncio.wait_for(work, SECONDS))

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        """Say goodbye; what was well until here must end well."""

        async def stop() -> int | None:
            await self.client.shutdown_async(None)
            self.client.exit(None)
            await self.client.stop()
            for stream in self.open:
                stream.close()
            return None if self.client._server is None else self.client._server.returncode

        code = self.run(stop())
        self.runner.close()
        if self.thread is not None:
            self.thread.join(SECONDS)
        if kind is None:
            assert code == (None if self.thread else 0)
            assert self.messages == []

    def processor_time(self) -> float:
        """Seconds that the server's threads have run so far."""
        server = self.client._server
        assert server is not None
        tasks = Path(f"/proc/{server.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    # What a person does

    def uri(self, name: str) -> str:
        return name if ":" in name else (self.folder / name).as_uri()

    def write(self, name: str, text: str) -> None:
        """Open a document, or let it have another text."""
        uri, version = self.uri(name), self.versions.get(name, 0) + 1
        self.versions[name] = version
        if version == 1:
            item = types.TextDocumentItem(uri, "yaml", version, text)
            self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        else:
            document = types.VersionedTextDocumentIdentifier(version, uri)
            change = types.TextDocumentContentChangeWholeDocument(text)
            self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    def close(self, name: str) -> list[types.Diagnostic]:
        """Close a document, and what is said of it then."""
        before = len(self.seen(name))
        del self.versions[name]
        self.client.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(self.uri(name)))
        )
        return self.diagnostics(name, before)

    def seen(self, name: str) -> list[tuple[float, types.PublishDiagnosticsParams]]:
        return self.published.setdefault(self.uri(name), [])

    def diagnostics(self, name: str, after: int = 0) -> list[types.Diagnostic]:
        """Those of the text as it is now, once they have come; the first `after` publications do not count."""

        async def wait() -> list[types.Diagnostic]:
            while True:
                found = self.seen(name)[after:]
                if found and found[-1][1].version == self.versions.get(name):
                    return list(found[-1][1].diagnostics)
                await asyncio.sleep(0.005)

        return self.run(wait())

    def check(self, name: str, text: str) -> list[types.Diagnostic]:
        """Write a text, and what is said of it."""
        self.write(name, text)
        return self.diagnostics(name)

    # What a person asks: the cursor stands in the text

    def _at(self, name: str, text: str) -> tuple[types.TextDocumentIdentifier, types.Position]:
        before = text.partition(CURSOR)[0]
        self.write(name, text.replace(CURSOR, ""))
        column = units(before.rpartition("\n")[2], self.encoding)
        return types.TextDocumentIdentifier(self.uri(name)), types.Position(before.count("\n"), column)

    def hover(self, name: str, text: str) -> str:
        found = self.run(self.client.text_document_hover_async(types.HoverParams(*self._at(name, text))))
        assert found is None or isinstance(found.contents, types.MarkupContent)
        return "" if found is None else found.contents.value

    def definition(self, name: str, text: str) -> types.Location | None:
        found = self.run(self.client.text_document_definition_async(types.DefinitionParams(*self._at(name, text))))
        assert found is None or isinstance(found, types.Location)
        return found

    def completion(self, name: str, text: str) -> list[types.CompletionItem]:
        """What is offered once the text has been understood."""
        place = self._at(name, text)
        self.diagnostics(name)
        found = self.run(self.client.text_document_completion_async(types.CompletionParams(*place)))
        assert isinstance(found, list)
        return found

    def fixes(self, name: str, text: str, only: list[str] | None = None) -> list[types.CodeAction]:
        """The quick fixes; of the kinds `only`, if they are given."""
        document, at = self._at(name, text)
        asked = types.CodeActionParams(document, types.Range(at, at), types.CodeActionContext([], only))
        found = self.run(self.client.text_document_code_action_async(asked))
        return [action for action in found or () if isinstance(action, types.CodeAction)]


def edited(text: str, edits: Iterable[types.TextEdit], encoding: str = "utf-16") -> str:
    """A text after edits of an answer, made from the last to the first."""
    lines = text.split("\n")

    def offset(at: types.Position) -> int:
        line = lines[at.line]
        column = next(n for n in range(len(line) + 1) if units(line[:n], encoding) >= at.character)
        return sum(len(before) + 1 for before in lines[: at.line]) + column

    for edit in sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character), reverse=True):
        start, end = offset(edit.range.start), offset(edit.range.end)
        text = text[:start] + edit.new_text + text[end:]
    return text
