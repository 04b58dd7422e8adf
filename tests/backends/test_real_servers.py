"""llama.cpp's and vLLM's own servers with real weights, through the language server: `make test-models`.

llama.cpp needs `llama-server` (AIX_LSP_LLAMA_SERVER, the PATH, or what `make llama-server` builds), and
Qwen2.5-Coder-0.5B as GGUF (AIX_LSP_QWEN_GGUF, or .cache/models/qwen/model.gguf). vLLM needs its command in
AIX_LSP_VLLM, and the model's folder in AIX_LSP_QWEN_FOLDER.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.backends.real_servers import llama_server, vllm_server
from tests.client.editor import Editor
from tests.client.engine_watch import wait_until
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready

KEY = "sesame"
SOURCE = """\
import math


def area_of_circle(radius):
    return math.pi * radius ** 2


def area_of_rectangle(width, height):
    return width * height


def area_of_triangle(base, height):
    return """

FILLER = "".join(f"def number_{n}():\n    return {n}\n\n\n" for n in range(30))
"""More than a block of vLLM's cache, which holds 128 tokens."""
RARE = "".join(f'"{"".join(chr(0x12000 + 16 * n + k) for k in range(16))}",\n' for n in range(90))
"""Characters of several tokens each: a prompt of them has more tokens than its length suggests."""

pytestmark = [pytest.mark.real_models, pytest.mark.timeout(600)]


async def asked(url: str, path: str, key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url + path) as answer:
        return await (answer.json() if path != "/metrics" else answer.text())


@asynccontextmanager
async def editor(home: Path, url: Any, **options: Any) -> AsyncIterator[Editor]:
    async with await Editor.start(home) as found:
        await found.initialize(options={"url": url, "deadlineMs": 60_000, "maxTokens": 24} | options)
        yield found


def last_status(found: Editor) -> Any:
    told = [note.params for note in found.wire.notifications if note.method == "aix/status"]
    return told[-1] if told else {"state": "", "message": ""}


async def test_the_request_format_is_detected_and_it_fills_in_the_middle(fresh_home: Path) -> None:
    async with llama_server() as url, editor(fresh_home, url) as found:
        await wait_until_ready(found)
        buffer = found.open(None, SOURCE)
        call = found.stream(buffer, "invoked")
        [item, *_] = inline_items(await call.result())
        assert "base" in item["insertText"] and "height" in item["insertText"]
        assert "<|" not in item["insertText"]
        assert call.progress, "nothing was streamed"
        tail = "\n\n\nprint(area_of_triangle(3, 4))\n"
        other = found.open(None, SOURCE + tail)
        other.move(len(SOURCE))
        [item, *_] = inline_items(await found.inline(other, "invoked").result())
        assert "print" not in item["insertText"]


async def test_a_keystroke_costs_few_prompt_tokens(fresh_home: Path) -> None:
    async with llama_server("-np", "1") as url, editor(fresh_home, url, waitMs=0) as found:
        await wait_until_ready(found)
        buffer = found.open(None, FILLER + SOURCE)
        await found.inline(buffer, "invoked").result()
        before = await computed(url)
        assert before > 300
        for character in "0.5 * zz":
            found.type(buffer, character)
            await found.inline(buffer, "invoked").result()
        after = await computed(url) - before
        assert after < before / 2, f"{before:.0f} tokens for the first, {after:.0f} for the rest"


async def metric(url: str, name: str) -> float:
    """One of the server's metrics, summed over its labels."""
    lines = (await asked(url, "/metrics")).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


async def computed(url: str) -> float:
    """Prompt tokens that llama.cpp's server has had to compute so far."""
    return await metric(url, "llamacpp:prompt_tokens_total")


async def busy(url: str) -> bool:
    return any(slot["is_processing"] for slot in await asked(url, "/slots"))


async def test_a_cancelled_request_frees_its_slot(fresh_home: Path) -> None:
    async with (
        llama_server("-np", "1") as url,
        editor(fresh_home, url, maxTokens=2000, multiline="always") as found,
    ):
        await wait_until_ready(found)
        buffer = found.open(None, "# A long poem in Python comments about the sea:\n")
        call = found.stream(buffer, "invoked")
        async with asyncio.timeout(60):
            while not await busy(url):
                await asyncio.sleep(0.02)
        found.wire.cancel(call)
        async with asyncio.timeout(60):
            while await busy(url):
                await asyncio.sleep(0.05)
        assert call.answers == 1
        # The next request starts; on a slow machine it takes minutes to finish.
        second = found.stream(buffer, "invoked")
        await wait_until(lambda: bool(second.progress), 60)
        found.wire.cancel(second)


async def test_a_wrong_key_is_reported_and_the_right_one_works(fresh_home: Path) -> None:
    async with llama_server("--api-key", KEY) as url:
        async with editor(fresh_home, url, apiKey="wrong") as found:
            await wait_until(lambda: last_status(found)["state"] == "error", 30)
            assert "aix.apiKey" in last_status(found)["message"]
        async with editor(fresh_home, url, apiKey=KEY) as found:
            await wait_until_ready(found)
            buffer = found.open(None, SOURCE)
            assert inline_items(await found.inline(buffer, "invoked").result())


async def test_more_requests_than_slots_are_all_answered(fresh_home: Path) -> None:
    async with llama_server("-np", "1") as url, editor(fresh_home, url, maxTokens=4) as found:
        await wait_until_ready(found)
        buffers = [found.open(None, SOURCE) for _ in range(4)]
        calls = [found.inline(buffer, "invoked") for buffer in buffers]
        answers = await asyncio.gather(*(call.result() for call in calls))
        assert all(inline_items(answer) for answer in answers)
        assert last_status(found)["state"] in ("ready", "busy")


async def test_a_prompt_that_is_too_long_is_shortened(fresh_home: Path) -> None:
    options = {"contextTokens": 0, "prefixLines": 2000, "maxTokens": 8}
    async with llama_server("-np", "1", context=512) as url, editor(fresh_home, url, **options) as found:
        await wait_until_ready(found)
        buffer = found.open(None, "SIGNS = [\n" + RARE)
        await found.inline(buffer, "invoked").result()
        assert last_status(found)["state"] in ("ready", "busy")
        assert "rejects the prompt as too long; retrying" in found.log()
        assert not [note for note in found.wire.notifications if note.method == "window/showMessage"]
        asked_again = found.log().count("retrying with")
        found.type(buffer, "    ")
        await found.inline(buffer, "invoked").result()
        assert found.log().count("retrying with") == asked_again


async def test_one_of_two_servers_is_killed_during_typing(fresh_home: Path) -> None:
    async with llama_server() as one:
        second = llama_server()
        two = await second.__aenter__()
        ended = False
        try:
            async with editor(fresh_home, [one, two], maxTokens=8) as found:
                await wait_until_ready(found)
                buffers = [found.open(None, SOURCE) for _ in range(4)]
                for number, buffer in enumerate(buffers * 2):
                    if number == 4:
                        await second.__aexit__(None, None, None)
                        ended = True
                    assert inline_items(await found.inline(buffer, "invoked").result())
                    found.type(buffer, "0")
                told = [note.params for note in found.wire.notifications if note.method == "aix/status"]
                assert "error" not in {status["state"] for status in told}
        finally:
            if not ended:
                await second.__aexit__(None, None, None)


async def test_vllm(fresh_home: Path, tmp_path: Path) -> None:
    """All in one test, because the server takes a minute to start."""
    folder = os.environ.get("AIX_LSP_QWEN_FOLDER")
    if not folder or not os.environ.get("AIX_LSP_VLLM"):
        pytest.skip("no vLLM: name its command in AIX_LSP_VLLM, and a model's folder in AIX_LSP_QWEN_FOLDER")
    options = ("--enforce-eager", "--max-model-len", "1024", "--max-num-seqs", "4")
    async with vllm_server(Path(folder), "qwen2.5-coder-0.5b", tmp_path / "vllm.log", *options) as url:
        async with editor(fresh_home, url, waitMs=0) as found:
            await wait_until_ready(found)
            await found.inline(found.open(None, "x = "), "invoked").result(120)  # its first answer is slow
            buffer = found.open(None, FILLER + SOURCE)
            [item, *_] = inline_items(await found.inline(buffer, "invoked").result(120))
            assert "base" in item["insertText"] and "height" in item["insertText"]
            before = await cache(url)
            for character in "0.5 * zz":
                found.type(buffer, character)
                await found.inline(buffer, "invoked").result(120)
            queries, hits = (now - was for now, was in zip(await cache(url), before, strict=True))
            assert hits > 0.5 * queries, f"{hits:.0f} of {queries:.0f} prompt tokens were cached"
        async with editor(fresh_home, url, maxTokens=900, multiline="always") as found:
            await wait_until_ready(found)
            call = found.stream(
                found.open(None, "# A long poem in Python comments about the sea:\n"), "invoked"
            )
            async with asyncio.timeout(60):
                while not await metric(url, "vllm:num_requests_running"):
                    await asyncio.sleep(0.02)
            found.wire.cancel(call)
            async with asyncio.timeout(60):
                while await metric(url, "vllm:num_requests_running"):
                    await asyncio.sleep(0.05)
        async with editor(fresh_home, url, contextTokens=0, prefixLines=2000, maxTokens=8) as found:
            await wait_until_ready(found)
            await found.inline(found.open(None, "SIGNS = [\n" + RARE), "invoked").result(120)
            assert "rejects the prompt as too long; retrying" in found.log()
            assert last_status(found)["state"] in ("ready", "busy")


async def cache(url: str) -> tuple[float, float]:
    """Prompt tokens that vLLM looked up in its prefix cache, and those that it found there."""
    names = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
    return await metric(url, names[0]), await metric(url, names[1])
