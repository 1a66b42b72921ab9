"""The protocol of the language server: requests, notifications, and the functions that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from archc import __version__
from archc.formatting import format_text
from archc.problems import SpecError
from archc.server.analysis import Analysis
from archc.server.completion import TRIGGERS, completions
from archc.server.definition import definition
from archc.server.diagnostics import fixes
from archc.server.documents import Document, Documents
from archc.server.folding import folding
from archc.server.hints import hints
from archc.server.hover import hover
from archc.server.links import links
from archc.server.recognition import is_spec
from archc.server.references import Analyzed, CannotRename, references, renamable, rename
from archc.server.signature import TRIGGERS as SIGNATURE_TRIGGERS
from archc.server.signature import signature
from archc.server.symbols import symbols
from archc.server.text import Text
from archc.server.tokens import LEGEND, tokens
from archc.server.workspace import workspace_symbols

WATCHED = "**/*.{yaml,yml}"


def make_server() -> LanguageServer:
    """Create a server; the caller starts it on a stream."""
    # Full sync: specs are small, and pygls splits lines differently from the protocol in partial changes.
    server = LanguageServer("archc", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)

    def publish(document: Document, found: list[types.Diagnostic]) -> None:
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(document.uri, found, version=document.version)
        )

    documents = Documents(publish)
    _changes(server, documents)
    _questions(server, documents)
    _navigation(server, documents)
    return server


def _changes(server: LanguageServer, documents: Documents) -> None:
    """Register the editor's notifications."""

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
    """Register requests about a document; the answer is empty if it isn't open."""

    def can(name: str) -> Any:
        return get_capability(server.client_capabilities, f"text_document.{name}", None)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        markdown = types.MarkupKind.Markdown in (can("hover.content_format") or ())

        def answer(analysis: Analysis) -> types.Hover | None:
            return hover(analysis, analysis.text.offset(params.position), markdown=markdown)

        return await documents.ask(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def defined(params: types.DefinitionParams) -> types.Location | None:
        def answer(analysis: Analysis) -> types.Location | None:
            return definition(analysis, analysis.text.offset(params.position))

        return await documents.ask(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=TRIGGERS))
    async def completed(params: types.CompletionParams) -> list[types.CompletionItem]:
        snippets = bool(can("completion.completion_item.snippet_support"))
        markdown = types.MarkupKind.Markdown in (can("completion.completion_item.documentation_format") or ())

        def answer(text: Text, analysis: Analysis) -> list[types.CompletionItem]:
            offset = text.offset(params.position)
            return completions(text, offset, analysis, snippets=snippets, markdown=markdown)

        return await documents.ask_at_once(params.text_document.uri, answer) or []

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions([types.CodeActionKind.QuickFix]))
    async def quick_fixes(params: types.CodeActionParams) -> list[types.CodeAction]:
        if not _wants_fixes(params.context.only):
            return []

        def answer(analysis: Analysis) -> list[types.CodeAction]:
            return fixes(analysis, *(analysis.text.offset(at) for at in (params.range.start, params.range.end)))

        return await documents.ask(params.text_document.uri, answer) or []

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def outlined(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return await documents.ask(params.text_document.uri, symbols) or []

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def hinted(params: types.InlayHintParams) -> list[types.InlayHint]:
        def answer(analysis: Analysis) -> list[types.InlayHint]:
            return hints(analysis, *(analysis.text.offset(at) for at in (params.range.start, params.range.end)))

        return await documents.ask(params.text_document.uri, answer) or []

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def formatted(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        def answer(text: Text, analysis: Analysis) -> list[types.TextEdit] | None:
            return _formatting(text, analysis.uri)

        return await documents.ask_at_once(params.text_document.uri, answer)


def _navigation(server: LanguageServer, documents: Documents) -> None:
    """Register requests about names and formatting."""

    def elsewhere(analysis: Analysis) -> Analyzed:
        return lambda path, word: documents.other(path, word, analysis.text.encoding)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def used(params: types.ReferenceParams) -> list[types.Location] | None:
        def answer(analysis: Analysis) -> list[types.Location] | None:
            offset, declared = analysis.text.offset(params.position), params.context.include_declaration
            return references(analysis, offset, elsewhere(analysis), declared=declared)

        return await documents.ask(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def can_rename(params: types.PrepareRenameParams) -> types.Range | None:
        def answer(analysis: Analysis) -> types.Range | None:
            return renamable(analysis, analysis.text.offset(params.position))

        return await documents.ask(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def renamed(params: types.RenameParams) -> types.WorkspaceEdit | None:
        def answer(analysis: Analysis) -> types.WorkspaceEdit | None:
            offset = analysis.text.offset(params.position)
            return rename(analysis, offset, params.new_name, elsewhere(analysis), documents.again)

        try:
            return await documents.ask(params.text_document.uri, answer)
        except CannotRename as error:
            raise JsonRpcInvalidParams(str(error)) from None

    @server.feature(types.TEXT_DOCUMENT_SIGNATURE_HELP, types.SignatureHelpOptions(SIGNATURE_TRIGGERS))
    async def called(params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        form = "text_document.signature_help.signature_information.documentation_format"
        markdown = types.MarkupKind.Markdown in (get_capability(server.client_capabilities, form, None) or ())

        def answer(text: Text, analysis: Analysis) -> types.SignatureHelp | None:
            return signature(text, text.offset(params.position), analysis, markdown=markdown)

        return await documents.ask_at_once(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def folded(params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        return await documents.ask(params.text_document.uri, folding) or []

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_LINK)
    async def linked(params: types.DocumentLinkParams) -> list[types.DocumentLink]:
        return await documents.ask(params.text_document.uri, links) or []

    @server.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, LEGEND)
    async def colored(params: types.SemanticTokensParams) -> types.SemanticTokens | None:
        return await documents.ask(params.text_document.uri, tokens)

    @server.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, LEGEND)
    async def colored_in(params: types.SemanticTokensRangeParams) -> types.SemanticTokens | None:
        def answer(analysis: Analysis) -> types.SemanticTokens:
            return tokens(analysis, *(analysis.text.offset(at) for at in (params.range.start, params.range.end)))

        return await documents.ask(params.text_document.uri, answer)

    @server.feature(types.WORKSPACE_SYMBOL)
    async def found(params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
        uris = [folder.uri for folder in server.workspace.folders.values()] or [server.workspace.root_uri]
        folders = [Path(path) for uri in uris if uri and (path := to_fs_path(uri))]
        encoding = types.PositionEncodingKind(server.workspace.position_encoding or "utf-16").value
        texts = documents.texts()
        return await documents.answer(lambda: workspace_symbols(folders, texts, params.query, encoding))


def _wants_fixes(only: Sequence[types.CodeActionKind | str] | None) -> bool:
    """Return True if an editor requests quick fixes; a kind includes the kinds below it."""
    kind = types.CodeActionKind.QuickFix.value
    return not only or any(wanted in ("", kind) for wanted in only)


def _formatting(text: Text, uri: str) -> list[types.TextEdit] | None:
    if not is_spec(text.text):
        return None
    try:
        after = format_text(text.text, uri)
    except SpecError:
        return None  # the diagnostics show the errors
    return [types.TextEdit(text.whole, after)] if after != text.text else None
