"""`aix-lsp complete`, run as a command: its output, its errors, and interrupting it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from aix_lsp.backends.engine_endpoint import engine_endpoint
from aix_lsp.settings import Settings
from tests.backends.servers import CompletionsServer, says, serving
from tests.program import CURSOR, HEAD, PROGRAM, ROOT, SOURCE, run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "sample.py"
    file.write_text(SOURCE)
    return file


def test_complete_prints_text_that_continues_from_the_cursor(engine_home: Path, source: Path) -> None:
    done = run(engine_home, "complete", str(source), "--at", CURSOR)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr == ""


def test_complete_for_scripts(engine_home: Path, source: Path) -> None:
    done = run(engine_home, "complete", str(source), "--at", CURSOR, "--json")
    told = json.loads(done.stdout)
    assert told["model"] == "embedded"
    suggestion = told["suggestions"][0]
    assert suggestion["text"]
    assert suggestion["promptTokens"] > 5
    assert suggestion["totalMs"] >= suggestion["firstTextMs"] > 0


def test_complete_from_standard_input(engine_home: Path) -> None:
    done = run(
        engine_home, "complete", "-", "--at", "3", "--language", "python",
        stdin=HEAD,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_complete_with_a_missing_model(fresh_home: Path, source: Path) -> None:
    folder = source.parent / "no-model"
    folder.mkdir()
    done = run(fresh_home, "complete", str(source), "--at", "2:12", "--model", str(folder))
    assert done.returncode == 1
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr


def interrupted(home: Path, source: Path, waits: Callable[[], object], *arguments: str) -> None:
    """Press Ctrl-C once `waits` returns, which is when `complete` waits; assert that it ends as a program should."""
    process = subprocess.Popen(
        [*PROGRAM, "complete", str(source), "--at", "2:12", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "AIX_LSP_HOME": str(home)},
    )
    waits()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told


def test_interrupted_while_the_engine_starts(
    fresh_home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(fresh_home))
    endpoint = engine_endpoint(Settings())

    def waits() -> None:
        until = time.monotonic() + 60
        while not endpoint.crashes.exists() and time.monotonic() < until:
            time.sleep(0.02)

    with FileLock(endpoint.lock):  # so that no engine can start serving
        interrupted(fresh_home, source, waits)
    assert list(endpoint.lock.parent.glob("*.lock")) == [endpoint.lock]


def test_interrupted_while_a_server_answers(fresh_home: Path, source: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and answers none
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        calls: list[object] = []
        interrupted(fresh_home, source, lambda: calls.append(silent.accept()), "--set", f"url={url}")


async def test_complete_says_why_a_server_failed(tmp_path: Path, source: Path) -> None:
    async with serving(CompletionsServer(says("x"))) as server:
        server.refusal = (500, {"error": {"message": "out of memory"}})
        arguments = ["complete", str(source), "--at", CURSOR, "--set", f"url={server.url}"]
        done = await asyncio.to_thread(run, tmp_path, *arguments)
    assert done.returncode == 1
    assert "out of memory" in done.stderr
