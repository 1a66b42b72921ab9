"""The server: what the protocol asks for, and which function answers."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from archc import __version__
from archc.formatting import format_text
from archc.problems import SpecError
from archc.server.analysis import is_spec
from archc.server.completion import TRIGGERS, completions
from archc.server.definition import definition
from archc.server.diagnostics import diagnostics, fixes
from archc.server.documents import Document, Documents
from archc.server.hints import hints
from archc.server.hover import hover
from archc.server.symbols import symbols
from archc.server.text import Text

WATCHED = "**/*.{yaml,yml}"


def make_server() -> LanguageServer:
    """A server that has yet to be started on a stream."""
    # Whole texts: a spec is small, and pygls applies partial changes by other line ends than the protocol's.
    server = LanguageServer("archc", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)

    def publish(document: Document) -> None:
        found = diagnostics(document.analysis)
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(document.uri, found, version=document.version)
        )

    documents = Documents(publish)
    _changes(server, documents)
    _questions(server, documents)
    return server


def _changes(server: LanguageServer, documents: Documents) -> None:
    """What the editor tells."""

    def changed(uri: str, version: int) -> None:
        path = to_fs_path(uri) if uri.startswith("file:") else None
        encoding = types.PositionEncodingKind(server.workspace.position_encoding or "utf-16").value
        text = Text(server.workspace.get_text_document(uri).source, encoding)
        documents.change(uri, Path(path) if path else None, text, version)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        changed(params.text_document.uri, params.text_document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def edited(params: types.DidChangeTextDocumentParams) -> None:
        changed(params.text_document.uri, params.text_document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        documents.close(params.text_document.uri)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(params.text_document.uri, []))

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def files_changed(params: types.DidChangeWatchedFilesParams) -> None:
        documents.refresh()

    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        if get_capability(server.client_capabilities, "workspace.did_change_watched_files.dynamic_registration", False):
            options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(WATCHED)])
            wanted = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            await server.client_register_capability_async(types.RegistrationParams([wanted]))


def _questions(server: LanguageServer, documents: Documents) -> None:
    """What the editor asks."""

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        analysis = await documents.analysis(params.text_document.uri)
        return hover(analysis, analysis.text.offset(params.position))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def defined(params: types.DefinitionParams) -> types.Location | None:
        analysis = await documents.analysis(params.text_document.uri)
        return definition(analysis, analysis.text.offset(params.position))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=TRIGGERS))
    def completed(params: types.CompletionParams) -> list[types.CompletionItem]:
        document = documents[params.text_document.uri]
        offset = document.text.offset(params.position)
        snippets = get_capability(
            server.client_capabilities, "text_document.completion.completion_item.snippet_support", False
        )
        return completions(document.text, offset, document.analysis, snippets=bool(snippets))

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions([types.CodeActionKind.QuickFix]))
    async def mended(params: types.CodeActionParams) -> list[types.CodeAction]:
        analysis = await documents.analysis(params.text_document.uri)
        return fixes(analysis, analysis.text.offset(params.range.start), analysis.text.offset(params.range.end))

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def outlined(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return symbols(await documents.analysis(params.text_document.uri))

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def hinted(params: types.InlayHintParams) -> list[types.InlayHint]:
        analysis = await documents.analysis(params.text_document.uri)
        return hints(analysis, analysis.text.offset(params.range.start), analysis.text.offset(params.range.end))

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatted(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        text = documents[params.text_document.uri].text
        if not is_spec(text.text):
            return None
        try:
            after = format_text(text.text, params.text_document.uri)
        except SpecError:
            return None  # the diagnostics say what is wrong
        return [types.TextEdit(text.whole, after)] if after != text.text else None
