"""Places follow their lines, are merged, and are told of other documents only."""

from __future__ import annotations

from aix_lsp.completion.context.recent import RecentPlaces
from aix_lsp.completion.text import DocumentSnapshot, Edit, Position, Text

LINES = "".join(f"line_{number}\n" for number in range(200))


def document(name: str, text: str = LINES, language: str = "python") -> DocumentSnapshot:
    return DocumentSnapshot(f"file:///{name}", 1, language, name, Text.of(text))


def shown(recent: RecentPlaces, of: DocumentSnapshot) -> list[tuple[str, str]]:
    """(path, the piece's first line) of each piece."""
    return [(snippet.path, snippet.text.split("\n")[0]) for snippet in recent.snippets(of)]


def edit(recent: RecentPlaces, before: DocumentSnapshot, line: int, text: str = "x") -> DocumentSnapshot:
    change = Edit(Position(line, 0), Position(line, 0), text)
    after = DocumentSnapshot(
        before.uri, before.version + 1, before.language, before.path, before.text.replace(*change_of(change))
    )
    recent.edited(after, [change])
    return after


def change_of(edit: Edit) -> tuple[Position, Position, str]:
    return edit.start, edit.end, edit.text


def test_the_last_place_comes_first_and_never_the_documents_own() -> None:
    recent, a, b = RecentPlaces(), document("a.py"), document("b.py")
    recent.seen(a, 100)
    recent.seen(b, 50)
    assert shown(recent, a) == [("b.py", "line_38")]
    assert shown(recent, b) == [("a.py", "line_88")]
    assert shown(recent, document("c.py")) == [("b.py", "line_38"), ("a.py", "line_88")]


def test_places_near_each_other_are_one() -> None:
    recent, a = RecentPlaces(), document("a.py")
    for line in (100, 103, 110, 160):
        recent.seen(a, line)
    assert shown(recent, document("c.py")) == [("a.py", "line_148"), ("a.py", "line_98")]


def test_places_move_with_their_lines() -> None:
    recent, a = RecentPlaces(), document("a.py")
    recent.seen(a, 100)
    edit(recent, a, 10, "new\n" * 5)
    assert shown(recent, document("c.py"))[1] == ("a.py", "line_88")


def test_other_languages_and_what_shrank() -> None:
    recent = RecentPlaces()
    recent.seen(document("a.md", language="markdown"), 3)
    recent.seen(document("t.ts", language="typescript"), 3)
    recent.seen(document("gone.js", "one\ntwo", "javascript"), 190)
    assert shown(recent, document("x.js", language="javascript")) == [("gone.js", "one"), ("t.ts", "line_0")]


def test_a_piece_begins_where_something_begins() -> None:
    text = "import a\n\ndef f():\n    pass\n\ndef g():\n    x = 1\n    y = 2\n    z = 3\n"
    recent = RecentPlaces()
    recent.seen(document("a.py", text), 7)
    assert shown(recent, document("c.py")) == [("a.py", "def g():")]


def test_no_more_documents_than_bounded() -> None:
    recent = RecentPlaces()
    for number in range(100):
        recent.seen(document(f"{number}.py"), 5)
    assert recent.document("file:///0.py") is None and recent.document("file:///99.py") is not None
    assert len(shown(recent, document("c.py"))) == 4
