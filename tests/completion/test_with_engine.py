"""The service on the real engine with the embedded model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from aix_lsp.backends.launch import LocalEngine
from aix_lsp.backends.status import wait_until_ready
from aix_lsp.completion.request import ContentModified, Superseded, Update
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Position
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, texts

SETTINGS = Settings(deadline_ms=30_000, prefetch="never")
SOURCE = '''\
"""Areas and lengths."""

import math


def area(radius):
    """The area of a circle."""
    return math.pi * radius ** 2


def circumference(radius):
    """The length of a circle."""
    |


def diagonal(width, height):
    return math.sqrt(width ** 2 + height ** 2)
'''


@pytest.fixture
def home(engine_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the engine that all tests share, instead of one per test."""
    monkeypatch.setenv("AIX_LSP_HOME", str(engine_home))
    return engine_home


@pytest.fixture
async def service(home: Path) -> AsyncIterator[CompletionService]:
    backend = LocalEngine(SETTINGS)
    await wait_until_ready(backend, 100, lambda status: None)
    made = CompletionService(backend, lambda language: SETTINGS)
    yield made
    await made.close()
    await backend.close()


async def test_a_suggestion_streams_and_is_reused(service: CompletionService) -> None:
    editor = Editor.at(service, SOURCE)
    updates = await editor.watch()
    shown = texts(updates)
    assert shown[-1]
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    editor.type(shown[-1][:3])
    again = (await editor.watch())[-1]
    assert again.suggestions[0].source == "reuse"
    assert again.suggestions[0].text == shown[-1][3:]


async def test_typing_costs_a_few_tokens_a_key(service: CompletionService) -> None:
    editor = Editor.at(service, SOURCE)
    fresh: list[int] = []
    for char in "x_of_circle = 2 * radius\n    return x_of_circle":
        editor.type(char)
        last = (await editor.watch())[-1]
        fresh += [
            suggestion.prompt_tokens - suggestion.reused_tokens
            for suggestion in last.suggestions
            if suggestion.source == "model" and suggestion.prompt_tokens
        ]
    assert len(fresh) > 5
    assert sum(count <= 5 for count in fresh[1:]) / len(fresh[1:]) >= 0.9


async def test_each_of_a_flood_of_requests_is_answered(service: CompletionService) -> None:
    editor = Editor.at(service, SOURCE)
    answers: list[asyncio.Task[list[Update]]] = []
    for char in "value = compute(radius, 2)":
        editor.type(char)
        answers.append(editor.watch())
        await asyncio.wait(answers[-1:], timeout=0.01)  # the pause between two keys
    ends = await asyncio.gather(*answers, return_exceptions=True)
    assert all(isinstance(end, list | Superseded | ContentModified) for end in ends)
    assert isinstance(ends[-1], list)
    assert ends[-1][-1].done


async def test_several_candidates(service: CompletionService) -> None:
    editor = Editor.at(service, SOURCE)
    last = (await editor.watch(editor.request("invoked", candidates=3)))[-1]
    assert 1 <= len(last.suggestions) <= 3
    assert len({"".join(suggestion.text.split()) for suggestion in last.suggestions}) == len(last.suggestions)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("|", id="empty"),
        pytest.param("x = '😀日本語'\ny = |", id="wide"),
        pytest.param("def f(x):\r\n    |\r\n", id="crlf"),
        pytest.param("a" * 1_000_000 + " = |", id="long line"),
        pytest.param("x = 1\n" * 1_500_000 + "y = |", id="10 MB"),
        pytest.param("\x00\x01\x02|", id="binary"),
        pytest.param("# 你好世界\n" * 2000 + "|", id="many tokens a character"),
    ],
)
async def test_odd_documents(service: CompletionService, source: str) -> None:
    editor = Editor.at(service, source)
    assert (await editor.watch())[-1].done
    editor.cursor = Position(10**7, 10**7)
    assert (await editor.watch())[-1].done
