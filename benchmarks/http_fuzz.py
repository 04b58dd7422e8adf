"""Fuzzes the engine's HTTP interface: any input gets an answer, and the engine keeps serving.

`python -m benchmarks.http_fuzz [--requests 10000] [--parallel 8] [--seed 1] [-- engine's arguments]`. Each request gets
exactly one answer, never 5xx; at the end no page is held, memory has not grown, and the process exits when told to.
Otherwise, prints the offending input and exits with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.machine import announce
from tests.client.own_engine import OwnEngine, own_engine

GROWTH = 0.10
"""How much the process may grow during the last three quarters of the run."""
_ENOUGH = 5000  # requests that memory can be judged by: a quarter of fewer does not fill the KV pool
_ANSWER_S, _STATUS = 60.0, re.compile(rb"HTTP/1\.1 (\d{3}) ")

_NUMBERS = (
    0,
    1,
    -1,
    2,
    16,
    17,
    65,
    1e308,
    -1e308,
    0.5,
    1e-320,
    2**31,
    2**63,
    2**64,
    10**400,
    True,
    None,
    "1",
)
_STRINGS = (
    "", "x", "\0", "\n" * 50, "é" * 600, "\U0001f600", "\ud800", "<|fim_middle|>", "a" * 5000, " " * 20_000,
)  # fmt: skip
_OTHERS: tuple[Any, ...] = (
    [], {}, [[]], [None], {"": {}}, [1, 2, 3], ["x"] * 2000, [{"path": "p", "text": "t"}] * 300,
)  # fmt: skip
_FIELDS = (
    *(
        "model",
        "prompt",
        "suffix",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "n",
        "seed",
        "stop",
    ),
    *("logprobs", "stream", "user", "echo", "best_of"),
)
_EXTENSION = (
    *("path", "language", "context", "middle", "stream_key", "priority", "deadline_ms", "heal", "stop_when"),
    *("confidence", "recall", "corpus", "tenant"),
)
_PATHS = (
    *(
        "/v1/models",
        "/health",
        "/metrics",
        "/",
        "/v1/completions/",
        "/aix/../health",
        "/%00",
        "//",
        "/aix/corpus?x=1",
    ),
    *("/v1/chat/completions", "/" + "a" * 5000),
)
_BYTES = (
    b"",
    b"{",
    b"[" * 50_000,
    b"\xff\xfe",
    b"null",
    b"1e999",
    b'{"a":' * 5000,
    b'{"prompt": "\\ud800"}',
    b"\0" * 9,
)


@dataclass(frozen=True)
class Exchange:
    """One request as bytes. `whole`: it is a complete request, which must be answered."""

    data: bytes
    whole: bool = True
    leave_after: int | None = None
    """The client closes the connection after this many bytes of the answer; None reads all of it."""


@dataclass
class Results:
    """The results so far."""

    statuses: dict[int, int] = field(default_factory=dict)
    unanswered: int = 0
    slowest_health_ms: float = 0.0
    wrong: list[str] = field(default_factory=list)


def make(draw: random.Random) -> Exchange:
    """A random request, usually a nearly valid one, since those get furthest."""
    kind = draw.random()
    if kind < 0.6:
        return _request(draw, "POST", "/v1/completions", json.dumps(_completion(draw)).encode())
    if kind < 0.7:
        texts = draw.choice((["x = 1\n" * draw.randrange(200)], _value(draw), [_value(draw)]))
        return _request(draw, "POST", "/aix/corpus", json.dumps({"texts": texts}).encode())
    if kind < 0.8:
        path = draw.choice(("/v1/completions", "/aix/corpus"))
        return _request(draw, "POST", path, _mutated(draw, json.dumps(_completion(draw)).encode()))
    if kind < 0.9:
        return _request(draw, draw.choice(("GET", "PUT", "HEAD", "OPTIONS", "X")), draw.choice(_PATHS), b"")
    whole = _request(draw, "POST", "/v1/completions", json.dumps(_completion(draw)).encode()).data
    return Exchange(_mutated(draw, whole), whole=False)


def _completion(draw: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {
        "prompt": "def f(x):\n    return ",
        "suffix": "\n",
        "max_tokens": draw.randrange(1, 9),
    }
    body["stream"] = draw.random() < 0.5
    extension: dict[str, Any] = {"path": "a.py", "language": "python"}
    for _ in range(draw.choice((0, 0, 1, 1, 2, 3))):
        body[draw.choice(_FIELDS)] = _value(draw)
    for _ in range(draw.choice((0, 0, 0, 1, 2))):
        extension[draw.choice(_EXTENSION)] = _value(draw)
    if draw.random() < 0.3:
        extension["stream_key"] = draw.choice("ab")
    body["aix"] = extension if draw.random() < 0.95 else _value(draw)
    return body


def _value(draw: random.Random) -> Any:
    return draw.choice(draw.choice((_NUMBERS, _STRINGS, _OTHERS)))


def _mutated(draw: random.Random, data: bytes) -> bytes:
    if draw.random() < 0.3:
        return draw.choice(_BYTES)
    found = bytearray(data)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(found) + 1)
        found[at : at + draw.randrange(4)] = bytes(draw.randrange(256) for _ in range(draw.randrange(4)))
    return bytes(found)


def _request(draw: random.Random, method: str, path: str, body: bytes) -> Exchange:
    head = f"{method} {path} HTTP/1.1\r\nhost: engine\r\nconnection: close\r\n"
    leave = draw.choice((0, 1, 200)) if draw.random() < 0.1 else None
    if draw.random() < 0.1:
        parts = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:]) if p)
        return Exchange(
            head.encode() + b"transfer-encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n", True, leave
        )
    if draw.random() < 0.05:
        return Exchange(
            f"{head}content-length: {len(body) + 9}\r\n\r\n".encode() + body, whole=False, leave_after=0
        )
    return Exchange(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body, True, leave)


async def exchange(engine: OwnEngine, sent: Exchange, results: Results) -> None:
    """Send a request on a new connection, and judge the answer."""
    reader, writer = await asyncio.open_unix_connection(engine.url.removeprefix("unix:"))
    answer = b""
    try:
        async with asyncio.timeout(_ANSWER_S):
            writer.write(sent.data)
            if not sent.whole:
                writer.write_eof()
            if sent.leave_after is None or sent.leave_after:
                answer = await reader.read(-1 if sent.leave_after is None else sent.leave_after)
    except OSError as error:
        if isinstance(error, TimeoutError) or sent.whole:
            results.wrong.append(f"{type(error).__name__} at {sent.data[:500]!r}")
    finally:
        writer.close()
    for problem in _problems(sent, answer, results):
        results.wrong.append(f"{problem} at {sent.data[:2000]!r}: {answer[:500]!r}")


def _problems(sent: Exchange, answer: bytes, results: Results) -> list[str]:
    found = _STATUS.match(answer)
    if found is None:
        results.unanswered += 1
        return ["no answer"] if sent.whole and sent.leave_after is None else []
    status = int(found[1])
    results.statuses[status] = results.statuses.get(status, 0) + 1
    problems = [f"status {status}"] if status >= 500 else []
    if sent.leave_after is not None or not sent.whole:
        return problems
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"text/event-stream" in head:
        if rest.count(b"data: [DONE]") != 1:
            problems.append("not one end of a stream")
    elif _STATUS.search(rest):
        problems.append("a second answer")
    elif status == 400 and b"application/json" in head and not json.loads(rest)["error"]["message"]:
        problems.append("no message")
    return problems


async def fuzz(engine: OwnEngine, seed: int, requests: int, parallel: int) -> Results:
    """Run `requests` exchanges, while `/health` is requested continuously."""
    results = Results()
    draws = iter([random.Random(f"{seed}:{number}") for number in range(requests)])

    async def one() -> None:
        for draw in draws:
            await exchange(engine, make(draw), results)

    async def health() -> None:
        while True:
            began = time.perf_counter()
            async with engine.session.get("/health") as answer:
                if answer.status != 200:
                    results.wrong.append(f"/health answers {answer.status}")
            results.slowest_health_ms = max(results.slowest_health_ms, 1e3 * (time.perf_counter() - began))
            await asyncio.sleep(0.01)

    asking = asyncio.create_task(health())
    await asyncio.gather(*(one() for _ in range(parallel)))
    asking.cancel()
    if (await engine.settled())['aix_pool_pages{state="held"}']:
        results.wrong.append("pages are held at the end")
    return results


async def measure(seed: int, requests: int, parallel: int, args: list[str]) -> list[str]:
    """Run the fuzzer and report; returns what went wrong."""
    async with own_engine("--kv-memory-mb", "64", *args) as engine:
        warm = await fuzz(engine, seed, requests // 4, parallel)
        before = engine.memory_mib()
        results = await fuzz(engine, seed + 1, requests - requests // 4, parallel)
        after = engine.memory_mib()
        began = time.perf_counter()
        engine.process.terminate()
        status, ended = await engine.process.wait(), time.perf_counter() - began
    wrong = warm.wrong + results.wrong
    if requests >= _ENOUGH and after > before * (1 + GROWTH):
        wrong.append(f"memory grew from {before:.0f} to {after:.0f} MiB")
    if status != 0:
        wrong.append(f"the engine ended with status {status}")
    print(f"{requests} requests, {parallel} at a time, seed {seed}")
    for code in sorted({**warm.statuses, **results.statuses}):
        print(f"  {code}: {warm.statuses.get(code, 0) + results.statuses.get(code, 0)}")
    print(f"  no answer (broken, or the client left): {warm.unanswered + results.unanswered}")
    print(f"  slowest /health meanwhile: {max(warm.slowest_health_ms, results.slowest_health_ms):.0f} ms")
    print(
        f"  memory: {before:.0f} MiB after a quarter, {after:.0f} at the end; left {ended:.1f} s after SIGTERM"
    )
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("engine", nargs="*", help="further arguments of the engine, after --")
    options = parser.parse_args()
    announce()
    wrong = asyncio.run(measure(options.seed, options.requests, options.parallel, options.engine))
    print(*(f"WRONG: {line}" for line in wrong[:20]), sep="\n")
    print(f"{len(wrong)} wrong" if wrong else "all held")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
