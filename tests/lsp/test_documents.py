"""The document store, compared with plain strings edited by encoded offsets as a client would."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from aix_lsp.completion.text import Edit, Position
from aix_lsp.lsp.documents import DocumentStore
from aix_lsp.lsp.positions import ENCODINGS, Encoding
from aix_lsp.lsp.workspace import Workspace
from tests.lsp.scripted import replaced

URI = "file:///w/a.py"
alphabet = st.sampled_from("ab é漢😀\u0301\u2028\x0b\f\x85\t\r\n")
strings = st.text(alphabet, max_size=40)


def size(string: str, encoding: Encoding) -> int:
    width = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    return len(string.encode(width[0])) // width[1]


def wire_of(string: str, offset: int, encoding: Encoding) -> tuple[int, int]:
    """The client's position of `offset`; inside of \\r\\n the position before it."""
    if string[offset - 1 : offset + 1] == "\r\n" and offset:
        offset -= 1
    before = re.split(r"\r\n|\r|\n", string[:offset])
    return len(before) - 1, size(before[-1], encoding)


def clamped(string: str, offset: int) -> int:
    return offset - 1 if offset and string[offset - 1 : offset + 1] == "\r\n" else offset


def store(encoding: Encoding = "utf-16") -> DocumentStore:
    workspace = Workspace()
    workspace.add("file:///w")
    return DocumentStore(workspace, encoding)


@given(
    st.sampled_from(ENCODINGS),
    strings,
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), strings, st.booleans()), max_size=10),
)
def test_edits_as_a_client_makes_them(
    encoding: Encoding, string: str, edits: list[tuple[int, int, str, bool]]
) -> None:
    documents = store(encoding)
    documents.open(URI, "python", 1, string)
    for version, (one, other, new, whole) in enumerate(edits, start=2):
        start, end = sorted((min(one, len(string)), min(other, len(string))))
        if whole:
            change: types.TextDocumentContentChangeEvent = types.TextDocumentContentChangeWholeDocument(new)
            string = new
        else:
            change = replaced(new, wire_of(string, start, encoding), wire_of(string, end, encoding))
            string = string[: clamped(string, start)] + new + string[clamped(string, end) :]
        applied = documents.change(URI, version, [change])
        assert applied is not None
        assert str(applied.after.text) == string
        assert applied.after.version == version
        replayed = applied.before.text
        for edit in applied.edits:
            replayed = replayed.replace(edit.start, edit.end, edit.text)
        assert str(replayed) == string


def test_several_changes_in_one_message_build_on_each_other() -> None:
    documents = store()
    documents.open(URI, "python", 1, "abc")
    change = documents.change(
        URI,
        2,
        [
            replaced("X", (0, 1), (0, 2)),
            replaced("", (0, 0), (0, 1)),
            replaced("!", (0, 9), (0, 9)),
        ],
    )
    assert change is not None
    assert str(change.after.text) == "Xc!"
    P = Position
    assert change.edits == (
        Edit(P(0, 1), P(0, 2), "X"),
        Edit(P(0, 0), P(0, 1), ""),
        Edit(P(0, 2), P(0, 2), "!"),
    )
    assert str(change.before.text) == "abc"


def test_a_backward_range_is_reversed() -> None:
    documents = store()
    documents.open(URI, "python", 1, "abc")
    change = documents.change(URI, 2, [replaced("", (0, 2), (0, 1))])
    assert change is not None and str(change.after.text) == "ac"


def test_half_an_emoji_is_not_kept() -> None:
    documents = store()
    snapshot = documents.open(URI, "python", 1, "a\ud83d")
    assert str(snapshot.text) == "a\ufffd"


def test_a_document_that_is_not_open_is_not_an_error() -> None:
    documents = store()
    assert documents.change(URI, 1, [types.TextDocumentContentChangeWholeDocument("x")]) is None
    assert documents.close(URI) is None
    assert documents.get(URI) is None


@pytest.mark.parametrize("version", [None, 0, 1, 5])
def test_any_version_is_accepted(version: int | None) -> None:
    documents = store()
    documents.open(URI, "python", 1, "a")
    change = documents.change(URI, version, [replaced("b", (0, 1), (0, 1))])
    assert change is not None and str(change.after.text) == "ab"
    assert change.after.version == (5 if version == 5 else 2)


def test_opening_again_replaces() -> None:
    documents = store()
    documents.open(URI, "python", 1, "a")
    documents.open(URI, "go", 1, "b")
    again = documents.get(URI)
    assert again is not None and (str(again.text), again.language) == ("b", "go")
    assert len(documents) == 1


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///w/src/a%20b.py", "src/a b.py"),
        ("file:///elsewhere/secret/c.py", "c.py"),
        ("untitled:Untitled-1", ""),
        ("vscode-notebook-cell:/w/n.ipynb#W0sZmlsZQ%3D%3D", "n.ipynb"),
        ("file:///w2/a.py", "a.py"),
        ("file:///w/../elsewhere/d.py", "d.py"),
        ("git:/w/src/e.py?%7B%22path%22%3A%22%2Fw%2Fsrc%2Fe.py%22%7D", "src/e.py"),
        ("vscode-vfs://github/me/w/f.py", ""),
        ("not a uri at all", ""),
        ("file://[bad/a.py", ""),
        ("", ""),
    ],
)
def test_the_path_shown_is_relative_and_never_absolute(uri: str, path: str) -> None:
    assert store().open(uri, "python", 1, "").path == path


def test_paths_follow_the_folders() -> None:
    documents = store()
    documents.open("file:///w/deep/a.py", "python", 1, "")
    documents.workspace.add("file:///w/deep")
    [moved] = documents.rename_paths()
    assert moved.path == "a.py"
    documents.workspace.remove("file:///w/deep")
    [moved] = documents.rename_paths()
    assert moved.path == "deep/a.py"
    assert documents.get(moved.uri) == moved
    assert not documents.rename_paths()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_typing_in_a_line_of_a_megabyte(encoding: Encoding) -> None:
    documents, string = store(encoding), "漢字と😀 " * 180_000
    documents.open(URI, "python", 1, string)
    for version in range(2, 5):
        offset = 500_000 + version
        where = wire_of(string, offset, encoding)
        change = documents.change(URI, version, [replaced("x", where, where)])
        string = string[:offset] + "x" + string[offset:]
        assert change is not None and str(change.after.text) == string
