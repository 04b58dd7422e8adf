"""The store of generations: found by looking back, bounded in size and time; and those that the user types along."""

from __future__ import annotations

import pytest

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.document_state import MOST_TYPED_AHEAD, compatible
from aix_lsp.completion.generation_cache import LOOK_BACK, ReuseStore, reuse_key


def cursor(before: str, after: str = "\n", uri: str = "file:///a", language: str = "python") -> CursorContext:
    return CursorContext(uri, language, before, after)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def store(**options: int) -> ReuseStore[str]:
    return ReuseStore(Clock(), **options)


def test_the_nearest_position_comes_first() -> None:
    kept = store()
    kept.put(reuse_key(cursor("x = ")), "far")
    kept.put(reuse_key(cursor("x = fo")), "near")
    kept.grew(10)
    assert list(kept.look_back(cursor("x = foo"))) == [("near", "o"), ("far", "foo")]


def test_a_position_matches_only_with_the_same_surroundings() -> None:
    kept = store()
    kept.put(reuse_key(cursor("y = 1\nx = "), settings_key=1), "value")
    assert list(kept.look_back(cursor("y = 1\nx = f"), settings_key=1))
    assert not list(kept.look_back(cursor("y = 2\nx = f"), settings_key=1))
    assert not list(kept.look_back(cursor("y = 1\nx = f"), settings_key=2))
    assert not list(kept.look_back(cursor("y = 1\nx = f", "\nz"), settings_key=1))
    assert not list(kept.look_back(cursor("y = 1\nx = f", uri="file:///b"), settings_key=1))
    assert not list(kept.look_back(cursor("y = 1\nx = f", language="c"), settings_key=1))


def test_auto_inserted_closers_do_not_change_the_position() -> None:
    kept = store()
    kept.put(reuse_key(cursor("x = f", " + 1\n")), "value")
    assert list(kept.look_back(cursor("x = f(", ") + 1\n"))) == [("value", "(")]
    kept.put(reuse_key(cursor("y = f", "\n")), "end of line")
    assert list(kept.look_back(cursor("y = f(", ")\n"))) == [("end of line", "(")]


def test_looks_back_no_further_than_the_longest_text() -> None:
    kept = store()
    kept.put(reuse_key(cursor("x = ")), "value")
    kept.grew(30)
    assert list(kept.look_back(cursor("x = " + "f" * 50)))
    assert not list(kept.look_back(cursor("x = " + "f" * 60)))
    kept.grew(10**9)
    assert list(kept.look_back(cursor("x = " + "f" * 200)))
    assert not list(kept.look_back(cursor("x = " + "f" * (LOOK_BACK + 1))))


def test_bounded_in_size_and_time() -> None:
    clock = Clock()
    kept: ReuseStore[int] = ReuseStore(clock, size=3, seconds=10)
    for number in range(5):
        kept.put(reuse_key(cursor(f"x{number} = ")), number)
    assert [bool(list(kept.look_back(cursor(f"x{number} = ")))) for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    clock.now = 11
    assert not list(kept.look_back(cursor("x4 = ")))


def test_forget_and_clear() -> None:
    kept = store()
    kept.put(reuse_key(cursor("x = ")), "a")
    kept.put(reuse_key(cursor("x = ", uri="file:///b")), "b")
    kept.forget("file:///a")
    assert not list(kept.look_back(cursor("x = ")))
    assert list(kept.look_back(cursor("x = ", uri="file:///b")))
    kept.clear()
    assert not list(kept.look_back(cursor("x = ", uri="file:///b")))


@pytest.mark.parametrize(
    ("produced", "typed", "expected"),
    [
        ("foo(a)", "", True),
        ("foo(a)", "foo", True),
        ("foo(a)", "fo0", False),
        ("foo(a)", "foo()", True),
        ("foo(a)", "foo(a)", True),
        ("foo(a)", "foo(a))", True),
        ("f('a')", "f('')", True),
        ("foo", "foobar", True),
        ("", "x" * MOST_TYPED_AHEAD, True),
        ("", "x" * (MOST_TYPED_AHEAD + 1), False),
        ("a\n    b", "a\n  ", True),
    ],
)
def test_compatible(produced: str, typed: str, expected: bool) -> None:
    assert compatible(produced, typed) == expected
