"""Each text is sent to an engine once, and again if the engine is another one or may have dropped it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from aix_lsp.backends import corpus
from aix_lsp.backends.address import parse
from aix_lsp.backends.base import CorpusText
from aix_lsp.backends.client import HttpClient
from aix_lsp.backends.corpus import CorpusUploader
from tests.backends.servers import CompletionsServer, says, serving

TEXTS = [CorpusText.of(f"x = {number}\n") for number in range(3)]


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    made = CompletionsServer(says())
    made.extra["/aix/corpus"] = {}
    async with serving(made):
        yield made


async def provide(uploader: CorpusUploader, client: HttpClient, texts: list[CorpusText]) -> None:
    uploader.provide(client, texts)
    if uploader._sending is not None:
        await uploader._sending


async def test_each_text_is_sent_once_to_each_client(server: CompletionsServer) -> None:
    uploader = CorpusUploader()
    for count in (1, 2):
        client = HttpClient(parse(server.url))
        await provide(uploader, client, TEXTS[:2])
        await provide(uploader, client, TEXTS[:2])
        assert server.paths.count("/aix/corpus") == 2 * count - 1
        await provide(uploader, client, TEXTS)
        assert server.paths.count("/aix/corpus") == 2 * count
        await client.close()


async def test_texts_unused_for_long_are_sent_again(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploader, client = CorpusUploader(), HttpClient(parse(server.url))
    await provide(uploader, client, TEXTS)
    monkeypatch.setattr(corpus, "_AGAIN_S", 0.0)
    await provide(uploader, client, TEXTS)
    assert server.paths.count("/aix/corpus") == 2
    await client.close()


async def test_many_texts_are_split_into_several_messages(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "_MOST_CHARS", 12)
    client = HttpClient(parse(server.url))
    await provide(CorpusUploader(), client, TEXTS)
    assert server.paths.count("/aix/corpus") == 2
    await client.close()


async def test_an_engine_that_rejects_texts_is_retried(server: CompletionsServer) -> None:
    uploader, client = CorpusUploader(), HttpClient(parse(server.url))
    del server.extra["/aix/corpus"]
    await provide(uploader, client, TEXTS)
    server.extra["/aix/corpus"] = {}
    await provide(uploader, client, TEXTS)
    await provide(uploader, client, TEXTS)
    assert server.paths.count("/aix/corpus") == 2
    await client.close()


async def test_closing_cancels_the_upload(server: CompletionsServer) -> None:
    uploader, client = CorpusUploader(), HttpClient(parse(server.url))
    uploader.provide(client, TEXTS)
    assert uploader._sending is not None
    await uploader.close()
    assert uploader._sending.done()
    await client.close()
    await asyncio.sleep(0)
