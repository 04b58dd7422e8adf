"""The first look at a long document is made in pieces, and nothing of it is made again."""

from __future__ import annotations

import asyncio

import pytest

from aix_lsp.completion.text import Position, Text
from aix_lsp.privacy import documents
from aix_lsp.privacy.documents import search_ahead, without_secrets

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
