"""Connections that die at the worst moment, servers that fall silent, untrusted certificates."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aix_lsp.backends.address import parse, unix
from aix_lsp.backends.base import BackendError, BackendUnavailable
from aix_lsp.backends.client import HttpClient
from tests.backends.servers import OK, raw, request_of, tls_server

ADDRESSES = [
    ("http://h:1", "http://h:1/v1/completions", "http://h:1/v1/models", "http://h:1"),
    ("http://h:1/", "http://h:1/v1/completions", "http://h:1/v1/models", "http://h:1"),
    ("http://h/v1", "http://h/v1/completions", "http://h/v1/models", "http://h"),
    ("https://h/api/v1/", "https://h/api/v1/completions", "https://h/api/v1/models", "https://h/api"),
    ("https://h/v1/fim/completions", "https://h/v1/fim/completions", "https://h/v1/fim/models", "https://h/v1/fim/completions"),
    ("http://[::1]:8/v1", "http://[::1]:8/v1/completions", "http://[::1]:8/v1/models", "http://[::1]:8"),
    ("unix:/run/s", "http://localhost/v1/completions", "http://localhost/v1/models", "unix:/run/s"),
    ("unix:///run/s", "http://localhost/v1/completions", "http://localhost/v1/models", "unix:/run/s"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "completions", "models", "shown"), ADDRESSES)
def test_addresses(url: str, completions: str, models: str, shown: str) -> None:
    address = parse(url)
    assert (address.completions, address.models, str(address)) == (completions, models, shown)


async def test_a_dead_keep_alive_connection_is_replaced() -> None:
    """The server closes it after the first answer, just as the second request comes in."""
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request_of(reader)
        writer.write(OK)
        await writer.drain()
        await request_of(reader)
        writer.close()

    async with raw(handler) as address:
        client = HttpClient(address)
        assert await client.get(address.models) == {}
        assert await client.get(address.models) == {}
        assert connections == 2
        await client.close()


async def test_gives_up_on_a_server_that_always_hangs_up() -> None:
    asked = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await request_of(reader)
        asked += 1
        writer.close()

    async with raw(handler) as address:
        client = HttpClient(address)
        with pytest.raises(BackendUnavailable):
            await anext(client.events(address.completions, {}))
        assert asked == 2
        await client.close()


@pytest.mark.parametrize("begun", [b"", OK[:-2]])
async def test_gives_up_on_a_silent_server(begun: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(begun)
        await writer.drain()
        await reader.read()

    async with raw(handler) as address:
        client = HttpClient(address, silence_s=0.2)
        async with asyncio.timeout(60):
            with pytest.raises(BackendUnavailable):
                await client.get(address.models)
        await client.close()


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\0" * 99]
)
async def test_another_program_listens_on_the_port(answer: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with raw(handler) as address:
        client = HttpClient(address)
        with pytest.raises(BackendError):
            await client.get(address.models)
        await client.close()


async def test_a_request_in_flight_does_not_reopen_a_closed_client() -> None:
    connections, arrived = 0, asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request_of(reader)
        arrived.set()
        await reader.read()
        writer.close()

    async with raw(handler) as address:
        client = HttpClient(address)
        request = asyncio.create_task(client.post(address.completions, {}))
        await arrived.wait()
        await client.close()
        for sent in (request, client.post(address.completions, {})):
            with pytest.raises(BackendUnavailable, match="closed"):
                await sent
        assert connections == 1


async def test_a_missing_socket(tmp_path: Path) -> None:
    client = HttpClient(unix(str(tmp_path / "s")))
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        await client.get(client.address.models)
    await client.close()


async def test_certificates(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_server(certificate) as address:
        doubtful = HttpClient(address)
        with pytest.raises(BackendError, match="SSL_CERT_FILE"):
            await doubtful.get(address.models)
        await doubtful.close()
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as patch:
                patch.setenv(variable, str(certificate.with_suffix(".crt")))
                trusting = HttpClient(address)
                assert await trusting.get(address.models) == {}
                await trusting.close()


async def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(OK)
        await writer.drain()

    async with raw(handler) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.root)
        monkeypatch.delenv("NO_PROXY", raising=False)
        client = HttpClient(parse("http://models.example"))
        assert await client.get(client.address.models) == {}
        await client.close()
    assert seen[0].startswith(b"GET http://models.example/v1/models ")
