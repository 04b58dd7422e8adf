"""Snippets are chosen by rank; repetitions are left out, and what still fits stays from prompt to prompt."""

from __future__ import annotations

import pytest

from aix_lsp.completion.context.snippets import Snippet, Source, choose, keep, size

CODE = "def {0}_one(a):\n    return a + {0}\n\ndef {0}_two(b):\n    return b * {0}"


def snippet(source: Source, name: str, rank: int = 0, text: str = CODE) -> Snippet:
    return Snippet(source, f"{name}.py", text.format(name), f"file:///{name}.py", rank)


def names(snippets: object) -> list[str]:
    return [snippet.path.removesuffix(".py") for snippet in snippets]  # type: ignore[attr-defined]


A, B, C, D = (
    snippet("imports", "a"),
    snippet("similar", "b"),
    snippet("recent", "c"),
    snippet("siblings", "d"),
)


@pytest.mark.parametrize(
    ("found", "fitting", "chosen"),
    [
        ([], 9, []),
        ([B, A], 9, ["a", "b"]),  # what changes least comes first
        ([D, C, B, A], 9, ["a", "d", "b", "c"]),
        ([D, C, B, A], 2, ["b", "c"]),  # the most valuable ones are chosen first
        ([B, snippet("similar", "e", rank=1)], 9, ["e", "b"]),  # the best one next to the code
        ([B, snippet("similar", "e", rank=1)], 1, ["b"]),
        ([snippet("similar", "far", rank=9), D], 1, ["d"]),
        ([A, snippet("similar", "a", rank=0)], 9, ["a"]),  # the same text twice
        ([snippet("imports", "blank", text="\n)\n")], 9, []),  # has no information
    ],
)
def test_choice_and_order(found: list[Snippet], fitting: int, chosen: list[str]) -> None:
    assert names(choose(found, "", size(A) * fitting + 20)) == chosen


def test_a_snippet_that_is_too_long_leaves_room_for_the_next() -> None:
    long = snippet("imports", "long", text=CODE + "\n# more" * 100)
    assert names(choose([long, B], "", size(B))) == ["b"]


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("", True),
        (A.text, False),
        ("    " + A.text.replace("\n", "\n    "), False),  # different indentation is still the same text
        ("def a_one(a):\n    x = 1\n", True),
        ("\n".join(A.text.split("\n")[:4]), False),
    ],
)
def test_the_text_at_the_cursor_is_not_repeated(window: str, told: bool) -> None:
    assert bool(choose([A], window, 10_000)) == told


@pytest.mark.parametrize(
    ("kept", "chosen", "fitting", "then"),
    [
        ([], [A, B], 9, "ab"),
        ([A, B], [A, B], 9, "ab"),
        ([A, B], [B], 9, "ab"),  # present snippets stay while there is room
        ([A, B], [C], 9, "abc"),  # and new ones are appended
        ([B, A], [A, B, C], 9, "bac"),
        ([A, B], [C], 2, "c"),  # otherwise all that were not found again are dropped at once
        ([A, B], [B, C], 2, "bc"),
    ],
)
def test_the_context_only_grows_while_there_is_room(
    kept: list[Snippet], chosen: list[Snippet], fitting: int, then: str
) -> None:
    assert names(keep(kept, chosen, size(A) * fitting + 20)) == list(then)
