"""`textDocument/didOpen`, `didChange`, `didSave`, `didClose`: handled at once, in receipt order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsprotocol import types

from aix_lsp.lsp.documents import WireChange
from aix_lsp.lsp.session import Session


def did_open(session: Session, params: types.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    session.documents.open(item.uri, item.language_id, item.version, item.text)


def did_change(session: Session, params: types.DidChangeTextDocumentParams) -> None:
    identifier = params.text_document
    changes = [wire_change(change) for change in params.content_changes]
    session.documents.change(identifier.uri, identifier.version, changes)


def did_save(session: Session, params: types.DidSaveTextDocumentParams) -> None:
    session.files_changed([params.text_document.uri])


def did_close(session: Session, params: types.DidCloseTextDocumentParams) -> None:
    session.documents.close(params.text_document.uri)


def did_copy(session: Session, params: Any) -> None:
    """Params: `{text}`, what the user has copied."""
    if isinstance(params, Mapping) and isinstance(text := params.get("text"), str):
        for scope in session.scopes:
            scope.service.copied(text)


def wire_change(change: types.TextDocumentContentChangeEvent) -> WireChange:
    """A content change of LSP as the document store takes it."""
    if isinstance(change, types.TextDocumentContentChangePartial):
        start, end = change.range.start, change.range.end
        return WireChange(change.text, ((start.line, start.character), (end.line, end.character)))
    return WireChange(change.text)
