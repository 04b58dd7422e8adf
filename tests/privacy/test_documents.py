"""A long document is searched in pieces the first time, and no piece is searched again."""

from __future__ import annotations

import asyncio

import pytest

from aix_lsp.completion.text import Position, Text
from aix_lsp.privacy import documents
from aix_lsp.privacy.documents import search_ahead, without_secrets
from aix_lsp.privacy.secrets import LONGEST_LINE

_LINES, _AT = 6000, 3000


def _document(name: str) -> Text:
    return Text.of("".join(f'{name}_{number} = f("a{number}")\n' for number in range(_LINES)))


async def test_other_tasks_run_during_the_first_look() -> None:
    turns, looking = 0, True

    async def others() -> None:
        nonlocal turns
        while looking:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    text = _document("first")
    await search_ahead(text, "python", _AT, 3)
    looking = False
    await running
    assert turns >= len(text.blocks) - 2


async def test_nothing_is_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _document("again").replace(Position(5, 0), Position(5, 0), 'password = "hunter2-Ahoy!"\n')
    await search_ahead(text, "python", _AT, 3)

    def fail(*_: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(documents, "redact_lines", fail)
    monkeypatch.setattr(documents, "redact_line", fail)
    clean, placeholders = without_secrets(text, "python", _AT, 3)
    assert "hunter2" not in str(clean)
    assert len(placeholders) == 1
    with pytest.raises(AssertionError, match="searched again"):
        without_secrets(text, "python", _AT + 1, 3)


def test_text_there_was_no_time_to_search_is_left_empty() -> None:
    text = Text.of("".join(f"value_{number} = {number}\n" for number in range(3000)))
    clean, _ = without_secrets(text, "python", 1500, 0, within_s=-1)
    assert str(clean).strip() == "" and clean.line_count == text.line_count
    asyncio.run(search_ahead(text, "python", 1500, 0))
    clean, _ = without_secrets(text, "python", 1500, 0, within_s=-1)
    assert str(clean) == str(text)


def test_the_event_loop_runs_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the lines are, each turn searches one slice, which is at most twice the limit of a line."""
    monkeypatch.setattr("aix_lsp.privacy.documents._TURN_S", -1.0)
    text = Text.of("".join(f"a{number} = " + "token=" * 1000 + "\n" for number in range(40)))

    async def turns() -> int:
        searching, count = asyncio.create_task(search_ahead(text, "python", 0)), 0
        while not searching.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns()) >= len(str(text)) / (2 * LONGEST_LINE)


def test_only_the_part_around_the_cursor_is_left_of_a_line_that_is_too_long() -> None:
    secret = "tomcat-Berlin!57"
    part = f'password = "{secret}"; total = 1; '
    line = "x = 1; " * 100_000 + part + "y = 2; " * 100_000
    text = Text.of(f"a = 1\n{line}\nb = 2\n")
    clean, placeholders = without_secrets(text, "javascript", 0, 0)
    assert str(clean) == "a = 1\n\nb = 2\n" and not placeholders
    cursor = 7 * 100_000 + len(part)
    clean, placeholders = without_secrets(text, "javascript", 1, cursor)
    left = clean.line(1)
    assert len(left) == len(text.line(1)) and len(left.strip()) < LONGEST_LINE
    assert left[:cursor].endswith("total = 1; ") and placeholders and secret not in left
