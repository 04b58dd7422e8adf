"""Proxies, certificates, redirects and servers that hang, as users report them, against real HTTP servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends.address import parse
from aix_lsp.backends.base import (
    BackendError,
    BackendUnavailable,
    GenerateRequest,
)
from aix_lsp.backends.client import HttpClient
from tests.backends.remote_backend import PROMPT, REQUEST, backend, collect
from tests.backends.servers import CompletionsServer, event, raw, request_of, says, serving, tls_server
from tests.test_files import device, fifo, random_device, sparse, unix_socket

# Proxies


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:1"])
async def test_a_proxy_is_never_asked_for_this_machine(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await request_of(reader))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw(proxy) as address:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, address.root)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        if host.endswith(":1"):
            client = HttpClient(parse(f"http://{host}"))
            with pytest.raises(BackendUnavailable, match="cannot be reached: "):
                await client.get(client.address.models)
            await client.close()
        else:
            async with backend(server, url=server.url.replace("127.0.0.1", host)) as found:
                assert (await collect(found))[0] == "42"
    assert not asked


LOCAL = [
    ("http://127.0.0.1:1", True),
    ("http://127.9.9.9", True),
    ("http://[::1]:8000", True),
    ("https://localhost", True),
    ("http://box.localhost:3", True),
    ("unix:/run/s", True),
    ("http://10.0.0.1", False),
    ("http://localhost.example", False),
    ("http://127.0.0.1.example", False),
]


@pytest.mark.parametrize(("url", "local"), LOCAL)
def test_which_addresses_are_this_machine(url: str, local: bool) -> None:
    assert parse(url).local == local


async def test_a_refusing_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw(proxy) as address:
        monkeypatch.setenv("HTTPS_PROXY", address.root.replace("//", "//me:sesame@"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        client = HttpClient(parse("https://models.example"))
        with pytest.raises(BackendError, match=r"The proxy http://localhost.*NO_PROXY") as raised:
            await client.get(client.address.models)
        await client.close()
    assert "key" not in str(raised.value)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense", "http://127.0.0.1:1"])
async def test_an_unusable_proxy_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    client = HttpClient(parse("http://models.example"))
    with pytest.raises(BackendError, match=f"proxy {proxy}"):
        await client.get(client.address.models)
    await client.close()


# Certificates


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_an_unreadable_ca_bundle_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(file))
    async with (
        serving(CompletionsServer(says())) as server,
        backend(server, url="https://models.example") as found,
    ):
        assert found.status.state == "refused"
        assert variable in found.status.message
        assert str(file) in found.status.message


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("make", [fifo, device, random_device, sparse, unix_socket])
async def test_a_ca_bundle_that_is_not_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, make: Callable[[Path], None]
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    make(tmp_path / "authorities.pem")
    monkeypatch.setenv(variable, str(tmp_path / "authorities.pem"))
    client = HttpClient(parse("https://models.example"))
    with pytest.raises(BackendError, match=f"{variable} names .*authorities.pem"):
        await client.get(client.address.models)
    await client.close()


async def test_a_missing_file_is_named_where_a_certificate_is_not_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    async with tls_server(certificate) as address:
        client = HttpClient(address)
        with pytest.raises(BackendError, match="SSL_CERT_FILE names /no/such/file"):
            await client.get(address.models)
        await client.close()


async def test_a_folder_of_ca_certificates(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = certificate.parent / "authorities"
    folder.mkdir()
    authority = certificate.with_suffix(".crt")
    made = await asyncio.create_subprocess_exec(
        "openssl", "x509", "-hash", "-noout", "-in", str(authority), stdout=asyncio.subprocess.PIPE
    )
    name, _ = await made.communicate()
    (folder / f"{name.decode().strip()}.0").write_bytes(authority.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))
    async with tls_server(certificate) as address:
        client = HttpClient(address)
        assert await client.get(address.models) == {}
        await client.close()


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_on_the_same_host_stays_a_post(server: CompletionsServer, status: int) -> None:
    server.redirects = {"/v1/completions": (status, "/v2/completions")}
    async with backend(server) as found:
        for _ in range(2):
            assert (await collect(found))[0] == "42"
    assert [body["stream"] for body in server.bodies] == [True, True]
    assert server.paths.count("/v1/completions") == (1 if status in (301, 308) else 2)


async def test_a_redirect_to_another_host_is_reported_and_gets_no_key(server: CompletionsServer) -> None:
    async with serving(CompletionsServer(says("42"))) as other:
        server.redirects = {"/v1/completions": (302, f"{other.url}/v1/completions?token=t")}
        async with backend(server, api_key="secret") as found:
            with pytest.raises(
                BackendError, match=f"redirects to {other.url}/v1/completions, another host"
            ) as raised:
                await collect(found)
            assert found.status.state == "refused"
            assert "token=t" not in str(raised.value)
        assert not other.paths


async def test_redirects_in_a_loop(server: CompletionsServer) -> None:
    server.redirects = {"/v1/completions": (302, "/v1/completions")}
    async with backend(server) as found:
        with pytest.raises(BackendError, match="loop"):
            await collect(found)


# A server that hangs


async def test_a_server_that_never_answers_is_reported(server: CompletionsServer) -> None:
    async def silent(_: dict[str, Any]) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    server.reply = silent
    async with backend(server) as found:
        with pytest.raises(BackendUnavailable, match="not answered in time"):
            await collect(found, GenerateRequest(PROMPT, heal=False, deadline_ms=100))
        assert found.status.state == "failing"


async def test_a_server_that_is_killed_in_mid_stream(tmp_path: Path) -> None:
    async def forever(_: dict[str, Any]) -> AsyncIterator[bytes]:
        while True:
            yield event("word ")
            await asyncio.sleep(0.01)

    socket = tmp_path / "s"
    async with serving(CompletionsServer(forever), socket=socket) as first, backend(first) as found:
        stream = found.generate(REQUEST)
        await anext(stream)
        killed = asyncio.create_task(first.kill())
        with pytest.raises(BackendUnavailable, match="closed the connection"):
            async for _ in stream:
                pass
        await killed
        assert found.status.state == "away"
        socket.unlink(missing_ok=True)
        async with serving(CompletionsServer(says("42")), socket=socket):
            changed = asyncio.Event()
            found.on_status(lambda status: changed.set() if status.state == "ready" else None)
            async with asyncio.timeout(60):
                await changed.wait()
            assert (await collect(found))[0] == "42"
