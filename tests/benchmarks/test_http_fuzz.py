"""The quick part of the fuzz of the engine's HTTP interface: the real process with the tests' model."""

from __future__ import annotations

import asyncio
import random
import signal
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.http_fuzz import Exchange, Results, exchange, fuzz, make
from tests.client.own_engine import OwnEngine, own_engine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="speaks to a Unix socket")
ARGS = ("--threads", "1", "--kv-memory-mb", "32")


@given(draw=st.randoms(use_true_random=False))
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_every_generated_request_states_its_length(draw: random.Random) -> None:
    made = make(draw)
    if made.whole and b"content-length" in made.data:
        head, _, body = made.data.partition(b"\r\n\r\n")
        assert int(head.rpartition(b": ")[2]) == len(body)


async def test_each_request_has_one_answer_and_the_engine_keeps_serving() -> None:
    async with own_engine(*ARGS, prepared=True) as engine:
        results = await fuzz(engine, seed=3, requests=250, parallel=4)
        assert results.wrong == []
        assert results.statuses[200] > 20 and results.statuses[400] > 50
        assert await ends_when_told(engine) == 0


async def test_it_exits_on_a_signal_whatever_it_is_doing() -> None:
    hostile = b'{"prompt": "' + b"x " * 2_000_000 + b'", "max_tokens": 1500, "stop": ["%s"]}' % (b"x" * 64)
    texts = b'{"texts": ["' + b"y = 1; " * 1_000_000 + b'"]}'
    async with own_engine(*ARGS, prepared=True) as engine:
        results = Results()
        tasks = [
            asyncio.create_task(exchange(engine, Exchange(_post(path, body)), results))
            for path, body in (("/v1/completions", hostile), ("/aix/corpus", texts)) * 3
        ]
        async with engine.session.get("/health") as answer:
            assert answer.status == 200
        assert await ends_when_told(engine) == 0
        await asyncio.gather(*tasks)
        assert not [status for status in results.statuses if status >= 500 and status != 503]


async def ends_when_told(engine: OwnEngine) -> int:
    engine.process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(engine.process.wait(), 60)


def _post(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: engine\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
