"""Both backends against the real engine: what is sent, and that cancelling reaches the scheduler."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

import aix_lsp
from aix_lsp.backends import engine_endpoint
from aix_lsp.backends.base import BackendError, CorpusText, Delta, GenerateRequest, Priority, Usage
from aix_lsp.backends.launch import LocalEngine, connect
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.backends.status import wait_until_ready
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.settings import Settings
from tests.client.engine_watch import EngineClient, engine_idle

READY_S = 100.0
PROMPT = FimPrompt("for index in range(10):\n    print(", "\n")
ENDLESS = FimPrompt("values = [1, 2, 3, 4, 5, 6, 7, 8, ", "\n")
SETTINGS = Settings()


@pytest.fixture
async def engine(engine_home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalEngine]:
    monkeypatch.setenv("AIX_LSP_HOME", str(engine_home))
    found = connect(SETTINGS)
    assert isinstance(found, LocalEngine)
    await wait_until_ready(found, READY_S)
    yield found
    await found.close()


async def collect(found: LocalEngine | OpenAIBackend, request: GenerateRequest) -> list[Delta | Usage]:
    return [item async for item in found.generate(request)]


def text(items: list[Delta | Usage], index: int = 0) -> str:
    return "".join(item.text for item in items if isinstance(item, Delta) and item.index == index)


async def test_both_backends_give_the_same_greedy_answers(engine: LocalEngine) -> None:
    remote = OpenAIBackend(Settings(url=str(engine_endpoint.engine_endpoint(SETTINGS).address)))
    info = await wait_until_ready(remote, READY_S)
    assert (info.name, info.family) == ("embedded", "aix")
    request = GenerateRequest(PROMPT, max_tokens=12)
    assert text(await collect(remote, request)) == text(await collect(engine, request))
    await remote.close()


async def test_fields_reach_the_engine(engine: LocalEngine) -> None:
    items = await collect(engine, GenerateRequest(PROMPT, max_tokens=8, n=2, temperature=0.8, seed=3))
    again = await collect(engine, GenerateRequest(PROMPT, max_tokens=8, n=2, temperature=0.8, seed=3))
    assert [text(items, i) for i in (0, 1)] == [text(again, i) for i in (0, 1)]
    ends = [item for item in items if isinstance(item, Delta) and item.finish_reason]
    assert sorted(end.index for end in ends) == [0, 1]
    assert sum(item.tokens for item in items if isinstance(item, Delta)) >= 2
    assert any(item.logprob is not None and item.logprob < 0 for item in items if isinstance(item, Delta))
    usage = next(item for item in items if isinstance(item, Usage))
    assert usage.first_token_ms > 0


async def test_text_from_the_corpus_is_generated(engine: LocalEngine) -> None:
    known = CorpusText.of("def begin(now):\n    result = open_everything_at_once(now)\n    return result\n")
    prompt = FimPrompt("def begin(now):\n    result = open_every", "\n")
    request = GenerateRequest(prompt, max_tokens=16, stop_when="line", corpus=(known,))
    async with asyncio.timeout(60):
        while text(await collect(engine, request)).strip() != "thing_at_once(now)":
            await asyncio.sleep(0.05)  # the text is being uploaded
    without = replace(request, recall=0.0)
    assert text(await collect(engine, without)).strip() != "thing_at_once(now)"


async def test_stop_strings_do_not_leak(engine: LocalEngine) -> None:
    whole = text(await collect(engine, GenerateRequest(PROMPT, max_tokens=24)))
    assert len(whole) > 3
    stop = whole[2:4]
    cut = text(await collect(engine, GenerateRequest(PROMPT, max_tokens=24, stop=(stop,))))
    assert cut == whole[: whole.index(stop)]


async def test_a_newer_request_of_the_stream_supersedes_the_older(engine: LocalEngine) -> None:
    older = engine.generate(GenerateRequest(ENDLESS, max_tokens=1500, stream_key="document"))
    await anext(older)
    await collect(
        engine, GenerateRequest(PROMPT, max_tokens=2, stream_key="document", priority=Priority.INVOKED)
    )
    reasons = [item.finish_reason async for item in older if isinstance(item, Delta)]
    assert reasons[-1] == "cancelled"


async def test_closing_the_stream_empties_the_scheduler(engine: LocalEngine, engine_home: Path) -> None:
    stream = engine.generate(GenerateRequest(ENDLESS, max_tokens=1900))
    await anext(stream)
    await stream.aclose()
    async with EngineClient(engine_home) as watch:
        await engine_idle(watch)
        ends = {
            name: count for name, count in (await watch.metrics()).items() if "aix_requests_total" in name
        }
        assert any("cancel" in name for name in ends), ends


async def test_an_engine_started_by_hand_for_others(fresh_home: Path) -> None:
    """As docs/remote.md describes it for a team."""
    token = fresh_home / "token"
    token.write_text("a-secret\n")
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "aix_lsp", "engine", "--host", "127.0.0.1", "--threads", "1"],
        *["--token-file", str(token)],
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(aix_lsp.__file__).parent.parent,
        env={**os.environ, "AIX_LSP_HOME": str(fresh_home)},
    )
    assert process.stdout is not None
    try:
        line = json.loads(await process.stdout.readline())
        assert line["ready"]
        friend = OpenAIBackend(Settings(url=line["url"], api_key="a-secret"))
        await wait_until_ready(friend, READY_S)
        assert text(await collect(friend, GenerateRequest(PROMPT, max_tokens=4)))
        await friend.close()
        stranger = OpenAIBackend(Settings(url=line["url"]))
        with pytest.raises(BackendError, match=r"aix\.apiKey"):
            await wait_until_ready(stranger, READY_S)
        await stranger.close()
    finally:
        process.terminate()
        assert await process.wait() == 0
