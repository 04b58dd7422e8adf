"""`textDocument/` and `notebookDocument/` `didOpen`, `didChange`, `didSave`, `didClose`: handled in receipt order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lsprotocol import types

from aix_lsp.lsp.session import Session


def did_open(session: Session, params: types.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    session.documents.open(item.uri, item.language_id, item.version, item.text)


def did_change(session: Session, params: types.DidChangeTextDocumentParams) -> None:
    identifier = params.text_document
    session.documents.change(identifier.uri, identifier.version, params.content_changes)


def did_save(session: Session, params: types.DidSaveTextDocumentParams) -> None:
    session.files_changed([params.text_document.uri])


def did_close(session: Session, params: types.DidCloseTextDocumentParams) -> None:
    session.documents.close(params.text_document.uri)


def did_copy(session: Session, params: Any) -> None:
    """Params: `{text}`, the text that the user has copied."""
    if isinstance(params, Mapping) and isinstance(text := params.get("text"), str):
        for configured in session.services:
            configured.service.copied(text)


def notebook_did_open(session: Session, params: types.DidOpenNotebookDocumentParams) -> None:
    notebook = params.notebook_document
    _take_texts(session, params.cell_text_documents)
    session.documents.notebooks.open(notebook.uri, [cell.document for cell in notebook.cells])


def notebook_did_change(session: Session, params: types.DidChangeNotebookDocumentParams) -> None:
    cells = params.change.cells
    if cells is None:
        return
    if cells.structure is not None:
        structure = cells.structure
        for closed in structure.did_close or ():
            session.documents.store.close(closed.uri)
        _take_texts(session, structure.did_open or ())
        array = structure.array
        inserted = [cell.document for cell in array.cells or ()]
        notebooks = session.documents.notebooks
        notebooks.splice(params.notebook_document.uri, array.start, array.delete_count, inserted)
    for content in cells.text_content or ():
        session.documents.change(content.document.uri, content.document.version, content.changes)


def notebook_did_save(session: Session, params: types.DidSaveNotebookDocumentParams) -> None:
    """Does nothing: nothing depends on it."""


def notebook_did_close(session: Session, params: types.DidCloseNotebookDocumentParams) -> None:
    cells = session.documents.notebooks.close(params.notebook_document.uri)
    for uri in {*cells, *(document.uri for document in params.cell_text_documents)}:
        session.documents.close(uri)


def _take_texts(session: Session, items: Sequence[types.TextDocumentItem]) -> None:
    for item in items:
        session.documents.store.open(item.uri, item.language_id, item.version, item.text)
