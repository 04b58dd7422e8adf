"""Uses several servers as one backend: each document is assigned to one, and another takes over if it fails.

A document's requests go to the server that has its prompt cached (rendezvous hashing of the stream key, Thaler and
Ravishankar 1998). A server in trouble gets no requests (health.py); after its pause it is probed in the background with
a request for one token, so that no keystroke waits for it. Then its documents return, which otherwise would stay with
the others for good. A stream that breaks is continued elsewhere, after the text already shown. If no server is left,
the local engine takes over, if the user wants that.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from cachetools import TTLCache

from aix_lsp.backends.base import (
    BackendError,
    BackendStatus,
    BackendUnavailable,
    Delta,
    GenerateRequest,
    ModelInfo,
    Usage,
)
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.backends.relay import Relay
from aix_lsp.backends.status import StatusBoard, WatchedBackend
from aix_lsp.fim.prompt import FimPrompt

log = logging.getLogger(__name__)

_FIRST_EVENT_S = 3.0
"""If another server is ready, one that has not answered after this time is passed over."""
_SLOW_S = 60.0
"""How long a document avoids a server that was too slow: each new attempt costs 3 s."""
_LOCAL_LINGERS_S = 60.0
"""How long the local engine stays after a server has come back, so that a flapping server does not restart it."""
_PROBE = GenerateRequest(FimPrompt("x = "), max_tokens=1, heal=False, deadline_ms=5000)
_SOONEST_FIRST = ("loading", "starting", "throttled", "failing", "away", "refused", "error", "stopped")
"""Which state to show if no server can be used: the one likely to end soonest."""


class FailoverBackend(WatchedBackend):
    """Generates on the most suitable of several servers. Used on one running event loop."""

    def __init__(
        self, servers: Sequence[OpenAIBackend], last_resort: Callable[[], WatchedBackend] | None = None
    ) -> None:
        """`last_resort` creates the local engine when it is needed."""
        self._servers = list(servers)
        self._make_local = last_resort
        self._local: WatchedBackend | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._slow: TTLCache[str, WatchedBackend] = TTLCache(maxsize=1024, ttl=_SLOW_S)
        """The server that was too slow for a document."""
        self._probes: dict[OpenAIBackend, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._board = StatusBoard(BackendStatus("starting", "looking for the servers at aix.url"))
        self._unsubscribe = [server.on_status(lambda _: self._show()) for server in self._servers]
        self._show()

    async def restart(self) -> None:
        for server in self._servers:
            await server.restart()
        if self._local is not None:
            await self._local.restart()

    async def close(self) -> None:
        """Close all servers' backends, for good: the local engine is not started any more."""
        self._make_local = None
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for probe in self._probes.values():
            probe.cancel()
        if self._leaving is not None:
            self._leaving.cancel()
        await asyncio.gather(*self._probes.values(), *self._closing, return_exceptions=True)
        for backend in [*self._servers, *([self._local] if self._local is not None else [])]:
            await backend.close()
        self._board.set(BackendStatus("stopped"))

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """See Backend.generate. Raises only if every server has failed."""
        self._probe_due_servers()
        relay, tried = Relay(request), set[WatchedBackend]()
        error: BackendError | None = None
        slow: WatchedBackend | None = None
        while (server := self._choose(request, tried) or slow) is not None:
            tried.add(server)
            # A server passed over as too slow is used, without a limit, if no other is left.
            waits = server is slow or not any(
                other not in tried and other.status.state == "ready" for other in self._servers
            )
            slow = None if server is slow else slow
            try:
                async with aclosing(self._with_first_event_limit(server, relay.request, waits)) as events:
                    async for event in events:
                        if (taken := relay.take(event)) is not None:
                            yield taken
                return
            except _TooSlow as failure:
                slow, error = server, failure
                self._slow[_document(request)] = server
            except BackendError as failure:
                error = failure
                log.debug("%s failed over: %s", server.status.model, failure)
            if relay.ended:
                return
            if not relay.can_continue:
                for delta in relay.end():
                    yield delta
                return
        if error is not None:
            raise error
        status = self._board.status
        kind = BackendError if status.state in ("error", "refused", "failing") else BackendUnavailable
        raise kind(status.message or "no server at aix.url is ready")

    async def _with_first_event_limit(
        self, server: WatchedBackend, request: GenerateRequest, waits: bool
    ) -> AsyncGenerator[Delta | Usage]:
        """A server's stream. Raises _TooSlow if the first event is late, unless `waits`."""
        async with aclosing(server.generate(request)) as stream:
            try:
                async with asyncio.timeout(None if waits else _FIRST_EVENT_S):
                    event = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise _TooSlow("The server is slow to answer.") from None
            yield event
            async for event in stream:
                yield event

    def _choose(self, request: GenerateRequest, tried: set[WatchedBackend]) -> WatchedBackend | None:
        """The first server in the document's order that is ready and was not too slow, otherwise the first of all."""
        document = _document(request)
        usable = [server for server in self._servers if server not in tried and server.admits]
        ready = [server for server in usable if server.status.state == "ready"]
        if not ready and (local := self._last_resort()) is not None and local not in tried:
            return local
        slow = self._slow.get(document)
        candidates = [server for server in ready if server is not slow] or ready or usable
        return max(
            candidates, key=lambda server: _weight(document, self._servers.index(server)), default=None
        )

    def _last_resort(self) -> WatchedBackend | None:
        """The local engine, if it is wanted and no server can be used. While it loads, servers are still tried."""
        if self._make_local is None:
            return None
        if any(server.status.state in ("ready", "starting") for server in self._servers):
            return self._local if self._local is not None and self._local.status.state == "ready" else None
        if self._local is None:
            log.warning("no server at aix.url can be used: starting the local engine")
            self._local = self._make_local()
            self._unsubscribe.append(self._local.on_status(lambda _: self._show()))
            self._show()
        return self._local if self._local.status.state == "ready" else None

    def _probe_due_servers(self) -> None:
        """Probe servers in trouble in the background, once their pause is over."""
        for server in self._servers:
            if server.status.state == "ready" or not server.admits or server in self._probes:
                continue
            probe = asyncio.create_task(_probe(server))
            self._probes[server] = probe
            probe.add_done_callback(lambda _, server=server: self._probes.pop(server, None))  # type: ignore[misc]

    def _show(self) -> None:
        """Publish the servers' common status: ready if any of them is."""
        statuses = [server.status for server in self._servers]
        ready = [status for status in statuses if status.state == "ready"]
        if ready:
            self._release_local()
            models = [status.model for status in ready if status.model is not None]
            away = [status.message for status in statuses if status.state not in ("ready", "starting")]
            message = f"{len(ready)} of {len(statuses)} servers: {away[0]}" if away else ready[0].message
            self._board.set(BackendStatus("ready", message, model=_combined_model(models)))
            return
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        worst = min(statuses, key=lambda status: _SOONEST_FIRST.index(status.state))
        local = self._local.status if self._local is not None else None
        if local is not None and local.state == "ready":
            self._board.set(
                replace(local, message=f"the local engine, because no server can be used: {worst.message}")
            )
        elif local is not None and local.state in ("starting", "loading"):
            self._board.set(local)
        else:
            if len(statuses) > 1 and worst.state not in ("starting", "loading"):
                worst = replace(
                    worst, message=f"None of {len(statuses)} servers can be used. {worst.message}"
                )
            self._board.set(worst)
            if worst.state not in ("starting", "loading"):
                self._last_resort()

    def _release_local(self) -> None:
        if self._local is not None and self._leaving is None:
            self._leaving = asyncio.get_running_loop().call_later(_LOCAL_LINGERS_S, self._close_local)

    def _close_local(self) -> None:
        local, self._local, self._leaving = self._local, None, None
        if local is not None:
            closing = asyncio.create_task(local.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


class _TooSlow(BackendUnavailable):
    """No answer yet, and another server might give one."""


async def _probe(server: OpenAIBackend) -> None:
    with suppress(BackendError):
        async with aclosing(server.generate(_PROBE)) as events:
            async for _ in events:
                pass


def _document(request: GenerateRequest) -> str:
    return request.document or request.prompt.path


def _weight(document: str, number: int) -> bytes:
    return hashlib.blake2s(f"{number}\0{document}".encode("utf-8", "replace"), digest_size=8).digest()


def _combined_model(models: Sequence[ModelInfo]) -> ModelInfo | None:
    """The limits that prompts must keep so that every server can take them."""
    if not models:
        return None
    return replace(
        models[0],
        context_length=min(model.context_length for model in models),
        fim=all(model.fim for model in models),
        takes_context=all(model.takes_context for model in models),
        recall=all(model.recall for model in models),
    )
