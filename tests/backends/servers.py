"""Servers on real sockets whose behaviour the test defines: of completions, and of raw bytes."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from aix_lsp.backends.address import Address, parse

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Reply = Callable[[dict[str, Any]], AsyncIterator[bytes]]
Judge = Callable[[dict[str, Any]], "tuple[int, Any] | None"]
"""Maps a request's body to the status and the JSON or HTML of its refusal, or to None to accept it."""


def event(text: str, index: int = 0, reason: str | None = None) -> bytes:
    """An event of a streamed completion."""
    choice = {"index": index, "text": text, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


def usage(prompt: int, cached: int, completion: int) -> bytes:
    told = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return f"data: {json.dumps({'choices': [], 'usage': told})}\n\n".encode()


DONE = b"data: [DONE]\n\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def says(*texts: str) -> Reply:
    """A model that always gives the same answer."""

    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        for text in texts:
            yield event(text)
        yield event("", reason="stop")
        yield usage(10, 4, len(texts))
        yield DONE

    return reply


class CompletionsServer:
    """A completions server that records its requests and whether the client closed the last stream."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.models: Any = {"data": [{"id": "some-model", "owned_by": "vllm", "max_model_len": 4096}]}
        self.extra: dict[str, Any] = {}
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: dict[str, str] = {}
        self.closed_by_client = asyncio.Event()
        self.refusal: tuple[int, Any] | None = None
        self.judge: Judge = lambda _: self.refusal
        self.refusal_headers: dict[str, str] = {}
        self.redirects: dict[str, tuple[int, str]] = {}
        """Statuses and targets, by path."""
        self.content_type = "text/event-stream"
        self.key = ""
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers = dict(request.headers)
        if request.path in self.redirects:
            status, target = self.redirects[request.path]
            return web.Response(status=status, headers={"Location": target})
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "bad key"}}, status=401)
        if request.path.endswith("/models") and self.models is not None:
            return web.json_response(self.models)
        if request.path in self.extra:
            return web.json_response(self.extra[request.path])
        if request.method == "POST" and request.path.endswith(("/completions", "/infill")):
            return await self._complete(request)
        return web.json_response({"error": {"message": "no such endpoint"}}, status=404)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        if (refusal := self.judge(self.bodies[-1])) is not None:
            status, told = refusal
            if isinstance(told, str) and told.startswith("<"):
                page = {"Content-Type": "text/html", **self.refusal_headers}
                return web.Response(text=told, status=status, headers=page)
            return web.json_response(told, status=status, headers=self.refusal_headers)
        response = web.StreamResponse(headers={"Content-Type": self.content_type})
        await response.prepare(request)
        try:
            async for chunk in self.reply(self.bodies[-1]):
                await response.write(chunk)
        except (asyncio.CancelledError, ConnectionError):
            self.closed_by_client.set()
            raise
        return response

    async def kill(self) -> None:
        """Stop listening and drop every connection, as a killed process does."""
        assert self._runner is not None
        for site in list(self._runner.sites):
            await site.stop()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()


@asynccontextmanager
async def serving(
    server: CompletionsServer, *, socket: Path | None = None
) -> AsyncIterator[CompletionsServer]:
    """Run the server on a Unix socket or a free loopback port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    # Without this, aiohttp lets handlers run on after their client has disconnected.
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    server._runner = runner
    site: web.BaseSite
    if socket is not None:
        site = web.UnixSite(runner, str(socket))
        await site.start()
        server.url = f"unix:{socket}"
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert isinstance(runner.addresses[0], tuple)
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[Address]:
    """A server of raw bytes instead of HTTP."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    scheme = "http" if context is None else "https"
    async with server:
        yield parse(f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}")


async def request_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def tls_server(certificate: Path) -> AbstractAsyncContextManager[Address]:
    """A server that answers `OK` over TLS."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return raw(handler, context)
