"""A real Ray Serve with one replica, from start to end; and errors found before Ray is started."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import stat
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aix_lsp.backends.base import Delta, GenerateRequest, Usage
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.cli import cli
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.settings import Settings
from tests.client.editor import environment
from tests.cluster import NEEDS_RAY
from tests.serve.server import ADMIN, Server, arguments, ask, serving

psutil = pytest.importorskip("psutil")
pytestmark = NEEDS_RAY

START_S = 400
"""Ray alone takes 10 s on a quiet machine, and minutes on a busy one."""


async def figure(server: Server, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels, over all replicas."""
    async with server.session(ADMIN) as session, session.get("/admin/status") as answer:
        samples = (await answer.json())["samples"].get(name, [])
    return float(sum(value for found, value in samples if labels.items() <= found.items()))


async def complete(backend: OpenAIBackend, prompt: str, document: str) -> tuple[str, Usage]:
    """A completion, requested as the language server does."""
    text, cost = "", Usage()
    request = GenerateRequest(FimPrompt(prompt, "\n"), max_tokens=4, heal=False, stream_key=f"s:{document}")
    async with aclosing(backend.generate(request)) as events:
        async for event in events:
            if isinstance(event, Delta):
                text += event.text
            else:
                cost = event
    return text, cost


async def ready(backend: OpenAIBackend) -> None:
    async with asyncio.timeout(60):
        while backend.status.state != "ready":
            await asyncio.sleep(0.02)


@pytest.mark.timeout(900)
async def test_one_replica_from_start_to_end() -> None:
    async with serving("--drain-s", "5", command="cluster", within=START_S) as server:
        assert await server.status("/v1/models") == 401
        ann = server.token("ann")
        await server.known(ann)
        backend = OpenAIBackend(Settings(url=server.url, api_key=ann))
        await ready(backend)
        await completions_meet_their_prefix(server, backend)
        await a_client_who_leaves_frees_the_pages(server, ann)
        await backend.close()
        async with server.session(ADMIN) as session, session.get("/admin/status") as answer:
            found = await answer.json()
        assert found["replicas"] == 1 and found["state"]["state"] == "ready"
        assert await server.status("/") == 200 and await server.status("/admin/users", ann) == 401
        async with server.session(ADMIN) as session, session.post("/admin/drain") as answer:
            assert answer.status == 404  # Ray ends replicas
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert len(family) > 3
        await nobody_else_may_run_code_on_ray(family)
        assert await asyncio.to_thread(modes_of_folders, server) == {0o700}
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), 120) == 0
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, 60)
        assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


async def completions_meet_their_prefix(server: Server, backend: OpenAIBackend) -> None:
    prompt = "def area(width, height):\n    return width * height\n" * 6
    text, cost = await complete(backend, prompt, "a")
    again, reused = await complete(backend, prompt + text, "a")
    assert (
        cost.prompt_tokens > 16 and reused.cached_tokens >= cost.prompt_tokens - 16 and isinstance(again, str)
    )
    assert await figure(server, "aix_user_requests_total", user="ann") >= 2


async def a_client_who_leaves_frees_the_pages(server: Server, token: str) -> None:
    before = await figure(server, "aix_requests_total", end="cancelled")
    body = {"prompt": "x = ", "max_tokens": 900, "stream": True, "n": 4, "temperature": 1}
    async with server.session(token) as session, session.post("/v1/completions", json=body) as stream:
        await stream.content.readline()
    async with asyncio.timeout(60):
        while (
            await figure(server, "aix_requests_total", end="cancelled") == before
            or await figure(server, "aix_pool_pages", state="held")
            or await figure(server, "aix_user_in_flight", user="ann")
        ):
            await asyncio.sleep(0.05)
    async with server.session(token) as session:
        assert (await ask(session))[0] == 200


def modes_of_folders(server: Server) -> set[int]:
    """The modes of the folders that hold the sockets of Ray and HAProxy, some of which any user may open."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    named = {
        found for process in family for found in re.findall(r"/\S*?/aix-ray-\w+", " ".join(process.cmdline()))
    }
    return {stat.S_IMODE(Path(folder).stat().st_mode) for folder in named}


async def nobody_else_may_run_code_on_ray(family: list[Any]) -> None:
    """Ray listens on all addresses; anyone who can submit a job runs code as the server's user."""
    ports = {
        connection.laddr.port
        for process in family
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    found = set()
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for port in ports:
            job = {"entrypoint": "true"}
            with contextlib.suppress(aiohttp.ClientError):
                async with session.post(f"http://127.0.0.1:{port}/api/job_agent/jobs/", json=job) as answer:
                    found.add(answer.status)
    assert 401 in found and 200 not in found


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--host", "256.0.0.1"], "cannot listen"),
        (["--admin-token-file", "missing"], "--admin-token-file"),
        (["--users", "short"], "damaged"),
        (["--replicas", "3", "--most-replicas", "2"], "--most-replicas 2 is less than --replicas 3"),
        (["--replicas", "9"], "9 is not in the range"),
        (["--also", "admin=x"], "--also admin=x"),
        (["--haproxy", "--tls-certificate", "c", "--tls-key", "k"], "--haproxy has no TLS"),
    ],
)
def test_an_error_is_one_clear_line_before_ray_is_started(more: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("x")
    done = run(tmp_path, *more)
    lines = [line for line in done.stderr.splitlines() if "ERROR" in line or line.startswith("Error")]
    assert done.returncode != 0 and len(lines) == 1 and says in lines[0], done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def run(home: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(home, *more, command="cluster"),
        capture_output=True,
        text=True,
        timeout=START_S,
        cwd=home,
        env=environment(home),
    )


def test_a_port_in_use(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "--port", str(taken.getsockname()[1]))
    [line] = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert done.returncode == 1 and "in use" in line and done.stdout == ""


def test_without_ray(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    find = importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name.partition(".")[0] == "ray" else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setattr(sys, "argv", ["aix-lsp", "cluster"])
    with pytest.raises(BaseException) as ended:
        cli.main(["cluster"], prog_name="aix-lsp", standalone_mode=False)
    assert "pip install 'aix-lsp[cluster]'" in str(ended.value)
