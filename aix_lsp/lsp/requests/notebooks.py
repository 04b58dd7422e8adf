"""`notebookDocument/didOpen`, `didChange`, `didSave`, `didClose`."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from aix_lsp.lsp.requests.synchronization import wire_change
from aix_lsp.lsp.session import Session


def did_open(session: Session, params: types.DidOpenNotebookDocumentParams) -> None:
    notebook = params.notebook_document
    _take_texts(session, params.cell_text_documents)
    session.documents.notebooks.open(notebook.uri, [cell.document for cell in notebook.cells])


def did_change(session: Session, params: types.DidChangeNotebookDocumentParams) -> None:
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
        changes = [wire_change(change) for change in content.changes]
        session.documents.change(content.document.uri, content.document.version, changes)


def did_save(session: Session, params: types.DidSaveNotebookDocumentParams) -> None:
    """Nothing depends on it."""


def did_close(session: Session, params: types.DidCloseNotebookDocumentParams) -> None:
    cells = session.documents.notebooks.close(params.notebook_document.uri)
    for uri in {*cells, *(document.uri for document in params.cell_text_documents)}:
        session.documents.close(uri)


def _take_texts(session: Session, items: Sequence[types.TextDocumentItem]) -> None:
    for item in items:
        session.documents.store.open(item.uri, item.language_id, item.version, item.text)
