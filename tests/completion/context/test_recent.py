"""Recently edited places follow their lines and are merged, and only those in other documents are returned."""

from __future__ import annotations

import pytest

from aix_lsp.completion.context.snippets import RecentPlaces
from aix_lsp.completion.text import DocumentSnapshot, Edit, Position, Text

LINES = "".join(f"line_{number}\n" for number in range(200))


class Recent(RecentPlaces):
    """The recent places of documents opened by the test."""

    def __init__(self) -> None:
        self.open: dict[str, DocumentSnapshot] = {}
        super().__init__(self.open.get)

    def seen_in(self, document: DocumentSnapshot, line: int) -> None:
        self.open[document.uri] = document
        self.seen(document.uri, line)

    def insert(self, document: DocumentSnapshot, line: int, text: str) -> None:
        change = Edit(Position(line, 0), Position(line, 0), text)
        self.open[document.uri] = snapshot(document.path, str(document.text.replace(*_parts(change))))
        self.edited(document.uri, [change])

    def close(self, document: DocumentSnapshot) -> None:
        self.closed(self.open.pop(document.uri))


def _parts(edit: Edit) -> tuple[Position, Position, str]:
    return edit.start, edit.end, edit.text


def snapshot(name: str, text: str = LINES, language: str = "python") -> DocumentSnapshot:
    return DocumentSnapshot(f"file:///{name}", 1, language, name, Text.of(text))


def shown(recent: RecentPlaces, of: DocumentSnapshot) -> list[tuple[str, str]]:
    """(path, the snippet's first line) of each snippet."""
    return [(snippet.path, snippet.text.split("\n")[0]) for snippet in recent.snippets(of)]


def test_the_last_place_comes_first_and_never_the_documents_own() -> None:
    recent, a, b = Recent(), snapshot("a.py"), snapshot("b.py")
    recent.seen_in(a, 100)
    recent.seen_in(b, 50)
    assert shown(recent, a) == [("b.py", "line_38")]
    assert shown(recent, b) == [("a.py", "line_88")]
    assert shown(recent, snapshot("c.py")) == [("b.py", "line_38"), ("a.py", "line_88")]


def test_places_near_each_other_are_merged() -> None:
    recent, a = Recent(), snapshot("a.py")
    for line in (100, 103, 110, 160):
        recent.seen_in(a, line)
    assert shown(recent, snapshot("c.py")) == [("a.py", "line_148"), ("a.py", "line_98")]


def test_places_move_with_their_lines() -> None:
    recent, a = Recent(), snapshot("a.py")
    recent.seen_in(a, 100)
    recent.insert(a, 10, "new\n" * 5)
    assert shown(recent, snapshot("c.py"))[1] == ("a.py", "line_88")


def test_other_languages_and_shrunk_documents() -> None:
    recent = Recent()
    recent.seen_in(snapshot("a.md", language="markdown"), 3)
    recent.seen_in(snapshot("t.ts", language="typescript"), 3)
    recent.seen_in(snapshot("gone.js", "one\ntwo", "javascript"), 190)
    assert shown(recent, snapshot("x.js", language="javascript")) == [("gone.js", "one"), ("t.ts", "line_0")]


def test_a_snippet_begins_at_a_definition() -> None:
    text = "import a\n\ndef f():\n    pass\n\ndef g():\n    x = 1\n    y = 2\n    z = 3\n"
    recent = Recent()
    recent.seen_in(snapshot("a.py", text), 7)
    assert shown(recent, snapshot("c.py")) == [("a.py", "def g():")]


@pytest.mark.parametrize(("lines", "kept"), [(200, True), (6000, False)])
def test_a_closed_document_is_kept_for_its_places_unless_it_is_large(lines: int, kept: bool) -> None:
    recent, a = Recent(), snapshot("a.py", "x\n" * lines)
    recent.seen_in(a, 5)
    recent.close(a)
    assert (recent.document(a.uri) is not None) == kept
    assert bool(shown(recent, snapshot("c.py"))) == kept


def test_a_closed_document_is_dropped_with_its_last_place() -> None:
    recent, first = Recent(), snapshot("first.py")
    recent.seen_in(first, 5)
    recent.close(first)
    for number in range(100):
        recent.seen_in(snapshot(f"{number}.py"), 5)
    assert recent.document(first.uri) is None
    assert len(shown(recent, snapshot("c.py"))) == 4
