"""Notebooks: all cells, in order, are the context, however they are edited."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.completion.text import Change, DocumentSnapshot, Position, Text
from aix_lsp.lsp.documents import DocumentRouter, DocumentStore
from aix_lsp.lsp.open_documents import Notebooks, assemble
from aix_lsp.lsp.workspace import Workspace
from tests.client.peer import DirectPeer
from tests.client.places import STREAM
from tests.lsp.scripted import ScriptedBackend, replaced

BOOK = "file:///w/n.ipynb"


def cell(name: str) -> str:
    return f"vscode-notebook-cell:/w/n.ipynb#{name}"


def text(name: str, source: str, language: str = "python", version: int = 1) -> dict[str, Any]:
    return {"uri": cell(name), "languageId": language, "version": version, "text": source}


def open_book(peer: DirectPeer, *texts: dict[str, Any]) -> None:
    cells = [{"kind": 2 if t["languageId"] != "markdown" else 1, "document": t["uri"]} for t in texts]
    book = {"uri": BOOK, "notebookType": "jupyter-notebook", "version": 1, "cells": cells}
    peer.notify("notebookDocument/didOpen", {"notebookDocument": book, "cellTextDocuments": list(texts)})


def change_book(peer: DirectPeer, **cells: Any) -> None:
    book = {"uri": BOOK, "version": 2}
    peer.notify("notebookDocument/didChange", {"notebookDocument": book, "change": {"cells": cells}})


def ask(name: str, line: int, character: int) -> dict[str, Any]:
    return {
        "textDocument": {"uri": cell(name)},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 2},
    }


async def started(peer: DirectPeer) -> None:
    await peer.initialize()
    await peer.wait(lambda: peer.session.started.is_set())


def prompt(backend: ScriptedBackend) -> tuple[str, str]:
    asked = backend.generations[-1].request.prompt
    return asked.prefix + asked.middle, asked.suffix.rstrip("\n")


async def test_all_cells_are_the_context_and_positions_are_the_cells(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    await started(peer)
    open_book(
        peer,
        text("a", "import os"),
        text("m", "# Title\n\nSome words", "markdown"),
        text("b", "x = 1\ny = "),
        text("c", "last()"),
    )
    [item] = (await peer.ask(STREAM, ask("b", 1, 4)))["items"]
    before, after = prompt(backend)
    assert before == "import os\n# # Title\n# Some words\nx = 1\ny = "
    assert after == "\nlast()"
    assert item["range"] == {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 4}}


async def test_the_last_cell_and_the_first(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await started(peer)
    open_book(peer, text("a", "x = "), text("b", "y = 2"), text("c", "z = "))
    await peer.ask(STREAM, ask("c", 0, 4))
    assert prompt(backend) == ("x = \ny = 2\nz = ", "")
    await peer.ask(STREAM, ask("a", 0, 4))
    assert prompt(backend) == ("x = ", "\ny = 2\nz = ")


async def test_edits_restructuring_and_closing(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await started(peer)
    open_book(peer, text("a", "x = 1"), text("b", "y = "))
    place = {"line": 0, "character": 5}
    content = {"range": {"start": place, "end": place}, "text": "0\nxx = 2"}
    document = {"uri": cell("a"), "version": 2}
    change_book(peer, textContent=[{"document": document, "changes": [content]}])
    await peer.ask(STREAM, ask("b", 0, 4))
    assert prompt(backend)[0] == "x = 10\nxx = 2\ny = "
    new = {"kind": 2, "document": cell("n")}
    change_book(
        peer,
        structure={
            "array": {"start": 0, "deleteCount": 1, "cells": [new]},
            "didOpen": [text("n", "fresh()")],
            "didClose": [{"uri": cell("a")}],
        },
    )
    await peer.ask(STREAM, ask("b", 0, 4))
    assert prompt(backend)[0] == "fresh()\ny = "
    assert (await peer.ask(STREAM, ask("a", 0, 0)))["items"] == []
    documents = [{"uri": cell(name)} for name in ("n", "b")]
    peer.notify(
        "notebookDocument/didClose", {"notebookDocument": {"uri": BOOK}, "cellTextDocuments": documents}
    )
    assert (await peer.ask(STREAM, ask("b", 0, 4)))["items"] == []
    session = peer.session
    assert (len(session.documents.store), len(session.documents.notebooks)) == (0, 0)
    assert len(session.documents.router) == 0


async def test_a_markdown_edit_reaches_the_code_as_a_comment(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    await started(peer)
    open_book(peer, text("m", "Old", "markdown"), text("b", "y = "))
    document = {"uri": cell("m"), "version": 2}
    change_book(peer, textContent=[{"document": document, "changes": [{"text": "New words"}]}])
    await peer.ask(STREAM, ask("b", 0, 4))
    assert prompt(backend)[0] == "# New words\ny = "


async def test_divergence_in_a_cell_cancels(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.hold = True
    await started(peer)
    open_book(peer, text("a", "x = 1"), text("b", "y = "))
    id = peer.request(STREAM, ask("b", 0, 4))
    await peer.wait(lambda: backend.running)
    document = {"uri": cell("b"), "version": 2}
    change_book(peer, textContent=[{"document": document, "changes": [{"text": "y = zzz"}]}])
    assert "error" in await peer.answer(id)
    await backend.generations[0].ended.wait()


sources = st.text(st.sampled_from("ab#\n\r漢😀"), max_size=12)
languages = st.sampled_from(["python", "markdown", "no-comments"])
steps = st.one_of(
    st.tuples(st.just("edit"), st.integers(0, 9), st.integers(0, 3), st.integers(0, 3), sources),
    st.tuples(st.just("splice"), st.integers(0, 9), st.integers(0, 3), languages, sources),
)


class FollowingService:
    """Applies each document's edits, and fails if they do not lead to the new text."""

    def __init__(self) -> None:
        self.service = self
        self.seen: dict[str, Text] = {}

    def texts(self) -> dict[str, str]:
        return {uri: str(text) for uri, text in self.seen.items()}

    def document_opened(self, document: DocumentSnapshot) -> None:
        self.seen[document.uri] = document.text

    def document_changed(self, change: Change) -> None:
        before, after = change.before, change.after
        assert str(self.seen[before.uri]) == str(before.text)
        assert after.version > before.version
        followed = before.text
        for edit in change.edits:
            followed = followed.replace(edit.start, edit.end, edit.text)
        assert str(followed) == str(after.text)
        self.seen[after.uri] = after.text

    def document_closed(self, uri: str) -> None:
        del self.seen[uri]


@settings(max_examples=150)
@given(st.lists(st.tuples(languages, sources), max_size=4), st.lists(steps, max_size=8))
def test_views_always_match_the_cells(start: list[tuple[str, str]], actions: list[Any]) -> None:
    """After any actions, each cell is in its view at the offset that the view gives, and the service is in sync."""
    service, other = FollowingService(), FollowingService()
    responsible, store = [service], DocumentStore(Workspace())
    router = DocumentRouter(lambda uri: responsible[0])  # type: ignore[arg-type,return-value]
    books = Notebooks(store, router)
    names = [f"cell{n}" for n in range(len(start))]
    for name, (language, source) in zip(names, start, strict=True):
        store.open(name, language, 1, source)
    books.open(BOOK, names)
    for count, (action, index, size, more, source) in enumerate(actions):
        if action == "edit" and names:
            name = names[index % len(names)]
            change = replaced(source, (size, more), (size, more + 1))
            done = store.change(name, None, [change])
            assert done is not None
            books.changed(done)
        elif action == "splice":
            where = min(index, len(names))
            for gone in names[where : where + size]:
                store.close(gone)
            new = f"new{count}"
            store.open(new, more, 1, source)
            names[where : where + size] = [new]
            books.splice(BOOK, where, size, [new])
    cells = [document for name in names if (document := store.get(name)) is not None]
    for document in cells:
        requested = books.request_document(document)
        for line in range(document.text.line_count):
            expected = document.text.line(line).rstrip("\r\n")
            found = requested.whole.text.line(requested.into_whole(Position(line, 0)).line)
            assert found.rstrip("\r\n") == expected
        if requested.whole is not document:
            expected = str(assemble(requested.whole, cells).document.text)
            assert str(requested.whole.text) == service.texts()[requested.whole.uri] == expected
    known, responsible[0] = service.texts(), other
    router.rebind([*store, *books.documents()])
    assert (service.texts(), other.texts()) == ({}, known)
    books.close(BOOK)
    assert not other.seen
