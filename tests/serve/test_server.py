"""The real server: users, quotas, usage, the operator's API, draining, restarts without a lost request, TLS."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from aix_lsp.serve.usage import rows
from aix_lsp.serve.users import revoke
from tests.client.editor import environment
from tests.serve.server import ADMIN, Server, arguments, ask, serving

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="hands sockets to its workers"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[Server]:
    """A server for this test alone."""
    async with serving() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Server]:
    """The server shared by tests that leave it running; each has its own users."""
    async with serving() as server:
        yield server


async def test_users_are_admitted_measured_and_revoked(shared: Server) -> None:
    assert await shared.status("/v1/models") == 401
    assert await shared.status("/v1/models", "aix_0_0") == 401
    eve = shared.token("eve")
    await shared.known(eve)
    async with shared.session(eve) as session:
        status, answer, _ = await ask(session, user="nobody")
        assert status == 200 and answer["choices"][0]["aix"]["tokens"] > 0
        assert (await ask(session, temperature=99))[0] == 400
    async with shared.session(ADMIN) as session, session.get("/metrics") as metrics:
        text = await metrics.text()
    assert 'aix_user_requests_total{user="eve"} 1.0' in text and 'user="nobody"' not in text
    assert await shared.status("/metrics", eve) == 401 and await shared.status("/admin/users") == 401
    async with shared.session(ADMIN) as session, session.get("/admin/users") as users:
        [known] = [user for user in (await users.json())["users"] if user["name"] == "eve"]
    assert known["inFlight"] == 0
    async with shared.session(ADMIN) as session, session.get("/admin/status") as found:
        samples = (await found.json())["samples"]
    assert [{"user": "eve"}, 1.0] in samples["aix_user_requests_total"]
    revoke(shared.users, "eve")
    await shared.known(eve, 401)


async def test_quotas_are_enforced_with_retry_after(shared: Server) -> None:
    ann, bob = shared.token("ann", "small"), shared.token("bob")
    content = json.loads(shared.users.read_text())
    content["classes"]["small"] = {"userInFlight": 1, "userTokensAMinute": 10}
    shared.users.write_text(json.dumps(content))
    await shared.known(ann)
    async with shared.session(ann) as session, shared.session(bob) as other:
        async with session.post(
            "/v1/completions", json={"prompt": "x = ", "max_tokens": 900, "stream": True}
        ) as stream:
            await stream.content.readline()
            status, answer, headers = await ask(session)
            assert (status, headers["retry-after"]) == (429, "1") and "in flight" in answer["error"][
                "message"
            ]
            assert (await ask(other))[0] == 200
        async with asyncio.timeout(60):
            while (found := await ask(session))[1]["error"]["message"].count("in flight"):
                await asyncio.sleep(0.05)
        assert found[0] == 429 and "tokens a minute" in found[1]["error"]["message"]
        assert int(found[2]["retry-after"]) >= 1
        assert (await ask(other))[0] == 200


async def test_one_user_cannot_take_all_connections_by_watching(shared: Server) -> None:
    mallory, trudy = shared.token("mallory"), shared.token("trudy")
    await shared.known(mallory)
    await shared.known(trudy)
    async with shared.session(mallory) as session:
        watching = [await session.get("/aix/events") for _ in range(17)]
        assert [answer.status for answer in watching] == [200] * 16 + [429]
        async with shared.session(trudy) as other, other.get("/aix/events") as answer:
            assert answer.status == 200
        for answer in watching:
            answer.close()
    await shared.known(mallory)


async def test_streams_end_and_new_requests_are_refused_while_it_drains(server: Server) -> None:
    ann = server.token("ann")
    await server.known(ann)
    async with server.session(ann) as session, server.session(ann) as kept:
        answered = [(await ask(kept))[0]]
        body = {"prompt": "x = ", "max_tokens": 600, "stream": True, "n": 4, "temperature": 1}
        async with session.post("/v1/completions", json=body) as stream:
            await stream.content.readline()
            server.told(signal.SIGTERM)
            async with asyncio.timeout(60):
                while (found := await ask(kept))[0] == 200:
                    answered.append(200)
                    await asyncio.sleep(0.01)
            assert found[0] == 503 and found[2]["retry-after"] and found[2]["connection"] == "close"
            rest = await stream.text()
    assert rest.endswith("data: [DONE]\n\n") and "cancelled" not in rest
    assert await server.ended() == 0
    [row] = rows(server.home / "usage.sqlite")
    assert row["user"] == "ann" and row["requests"] == len(answered) + 1 and row["completion_tokens"] > 0


async def test_no_request_is_lost_while_one_worker_takes_over_from_another(shared: Server) -> None:
    token = shared.token("carl")
    await shared.known(token)
    first = await shared.worker()
    answered: list[int] = []
    stop = asyncio.Event()

    async def typing(fresh: bool) -> None:
        async with shared.session(token) as session:
            while not stop.is_set():
                if fresh:
                    async with shared.session(token) as alone:
                        answered.append((await ask(alone))[0])
                else:
                    answered.append((await ask(session))[0])

    typists = [asyncio.create_task(typing(fresh)) for fresh in (False, False, True)]
    shared.told(signal.SIGHUP)
    async with asyncio.timeout(120):
        while _alive(first):
            await asyncio.sleep(0.05)
            assert not any(typist.done() for typist in typists)
    count = len(answered)
    async with asyncio.timeout(60):
        while len(answered) < count + 10:
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*typists)
    assert set(answered) == {200} and await shared.worker() != first


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_worker_that_dies_is_restarted(shared: Server) -> None:
    token = shared.token("dora")
    first = await shared.worker()
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(120):
        while _alive(first):
            await asyncio.sleep(0.02)
    assert await shared.worker() != first
    async with shared.session(token) as session:
        assert (await ask(session))[0] == 200


async def test_workers_exit_with_their_supervisor(shared: Server) -> None:
    """The last test with the shared server, which it stops."""
    worker = await shared.worker()
    shared.process.kill()
    await shared.ended()
    async with asyncio.timeout(60):
        while _alive(worker):
            await asyncio.sleep(0.05)
    with pytest.raises(aiohttp.ClientError):
        await shared.status("/health")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*make, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


async def test_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    context = ssl.create_default_context(cafile=str(cert))
    async with serving("--tls-certificate", str(cert), "--tls-key", str(key), tls=context) as server:
        assert server.url.startswith("https://127.0.0.1")
        token = server.token("ann")
        await server.known(token)
        async with server.session(token) as session:
            status, _, headers = await ask(session)
        assert status == 200 and headers["strict-transport-security"]
        with pytest.raises(aiohttp.ClientError):
            async with aiohttp.ClientSession() as plain:
                await plain.get(server.url.replace("https", "http") + "/health")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--host", "256.0.0.1"], "cannot listen"),
        (["--tls-certificate", "missing.pem", "--tls-key", "missing.pem"], "--tls-certificate"),
        (["--tls-certificate", "users.json", "--tls-key", "users.json"], "not a matching pair of PEM files"),
        (["--tls-certificate", "admin"], "must be given together"),
        (["--admin-token-file", "missing"], "--admin-token-file"),
        (["--admin-token-file", "."], "is a directory"),
        (["--admin-token-file", "short"], "at least 16"),
        (["--users", "short"], "damaged"),
        (["--usage", "admin/x"], "--usage"),
        (["--model", "./nothing"], "nothing"),
    ],
)
async def test_an_error_is_one_clear_line(more: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("x")
    (tmp_path / "users.json").write_text("{}")
    done = await asyncio.create_subprocess_exec(
        *arguments(tmp_path, *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env=environment(tmp_path),
    )
    told, errors = (text.decode() for text in await asyncio.wait_for(done.communicate(), 200))
    lines = [line for line in errors.splitlines() if "ERROR" in line or line.startswith("Error")]
    assert done.returncode != 0 and len(lines) == 1 and says in lines[0], errors
    assert "Traceback" not in errors and told == ""


async def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        command = arguments(tmp_path, "--port", str(other.getsockname()[1]))
        done = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, env=environment(tmp_path)
        )
        _, errors = await asyncio.wait_for(done.communicate(), 60)
    [line] = [line for line in errors.decode().splitlines() if "ERROR" in line]
    assert done.returncode == 1 and "--port" in line and "in use" in line
