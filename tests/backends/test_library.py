"""Texts go to an engine once, and again when it is another one or may have forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from aix_lsp.backends import library
from aix_lsp.backends.address import parse
from aix_lsp.backends.base import LibraryText
from aix_lsp.backends.client import Client
from aix_lsp.backends.library import Librarian
from tests.backends.servers import CompletionsServer, says, serving

TEXTS = [LibraryText.of(f"x = {number}\n") for number in range(3)]


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    made = CompletionsServer(says())
    made.extra["/aix/texts"] = {}
    async with serving(made):
        yield made


async def provide(librarian: Librarian, client: Client, texts: list[LibraryText]) -> None:
    librarian.provide(client, texts)
    if librarian._sending is not None:
        await librarian._sending


async def test_each_text_is_sent_once_to_each_client(server: CompletionsServer) -> None:
    librarian = Librarian()
    for count in (1, 2):
        client = Client(parse(server.url))
        await provide(librarian, client, TEXTS[:2])
        await provide(librarian, client, TEXTS[:2])
        assert server.paths.count("/aix/texts") == 2 * count - 1
        await provide(librarian, client, TEXTS)
        assert server.paths.count("/aix/texts") == 2 * count
        await client.close()


async def test_what_was_not_used_for_long_is_sent_again(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    librarian, client = Librarian(), Client(parse(server.url))
    await provide(librarian, client, TEXTS)
    monkeypatch.setattr(library, "_AGAIN_S", 0.0)
    await provide(librarian, client, TEXTS)
    assert server.paths.count("/aix/texts") == 2
    await client.close()


async def test_many_texts_go_in_several_messages(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_MOST_CHARS", 12)
    client = Client(parse(server.url))
    await provide(Librarian(), client, TEXTS)
    assert server.paths.count("/aix/texts") == 2
    await client.close()


async def test_an_engine_that_takes_none_is_asked_again(server: CompletionsServer) -> None:
    librarian, client = Librarian(), Client(parse(server.url))
    del server.extra["/aix/texts"]
    await provide(librarian, client, TEXTS)
    server.extra["/aix/texts"] = {}
    await provide(librarian, client, TEXTS)
    await provide(librarian, client, TEXTS)
    assert server.paths.count("/aix/texts") == 2
    await client.close()


async def test_closing_ends_what_is_being_sent(server: CompletionsServer) -> None:
    librarian, client = Librarian(), Client(parse(server.url))
    librarian.provide(client, TEXTS)
    assert librarian._sending is not None
    await librarian.close()
    assert librarian._sending.done()
    await client.close()
    await asyncio.sleep(0)
