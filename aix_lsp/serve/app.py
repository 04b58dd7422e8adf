"""Access control of a team server: authentication, quotas, and the administrator's endpoints.

Wraps the engine's routes as an ASGI app. Knows no models or processes.
"""

from __future__ import annotations

import collections
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import Counter, Gauge, Histogram
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aix_lsp.engine.events import Failed, Finished
from aix_lsp.engine.http.api import Service, make_routes
from aix_lsp.engine.http.sse import send_error
from aix_lsp.serve.dashboard import page
from aix_lsp.serve.quotas import OverQuota, Quotas
from aix_lsp.serve.usage import UsageLog
from aix_lsp.serve.users import Identity, UserDirectory

_BEARER = "Bearer "
_MOST_WATCHERS = 16
"""Simultaneous status connections of one user; an editor needs one."""
_CLASSES = ("invoked", "typed", "prefetch", "background")


class ServeMetrics:
    """The metrics of access control, in addition to the engine's."""

    def __init__(self, service: Service) -> None:
        registry = service.metrics.registry
        self.requests = Counter("aix_user_requests", "Completions asked for", ("user",), registry=registry)
        self.refused = Counter(
            "aix_user_refused", "Completions refused by a quota", ("user",), registry=registry
        )
        self.tokens = Counter("aix_user_tokens", "Tokens computed", ("user", "kind"), registry=registry)
        self.in_flight = Gauge("aix_user_in_flight", "Completions in flight", ("user",), registry=registry)
        self.errors = Counter("aix_answers", "Answers by status", ("status",), registry=registry)
        self.first_text = Histogram(
            "aix_class_first_token_seconds",
            "From submission to the first token, by priority class",
            ("priority",),
            registry=registry,
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
        )


@dataclass(slots=True)
class UserAccount:
    """Implements the engine's `Account` for one user's request."""

    who: Identity
    client: str
    tenant: str
    share: float
    access: AccessControl

    def spent(self, end: Finished | Failed, priority: int) -> None:
        """See Account."""
        self.access.spent(self.who, end, priority)


class AccessControl:
    """Admits users by their tokens, within their quotas, and the administrator to the administration endpoints."""

    def __init__(
        self,
        service: Service,
        directory: UserDirectory,
        usage: UsageLog,
        admin_token: str,
        drain: Callable[[], None] | None = None,
        together: Callable[[], Awaitable[dict[str, Any]]] | None = None,
    ) -> None:
        """`drain` is None if something else ends replicas; `together` returns the figures of several replicas."""
        self.service = service
        self.directory = directory
        self.quotas = Quotas()
        self.usage = usage
        self.metrics = ServeMetrics(service)
        self.draining: Literal["", "stop", "hand over"] = ""
        """Refuse all new requests ("stop"), or answer only those on connections that are still open ("hand over")."""
        self.active = 0
        """Requests being answered."""
        self._admin_token = f"{_BEARER}{admin_token}".encode() if admin_token else b""
        self._drain = drain
        self._together = together
        self._watching: collections.Counter[str] = collections.Counter()
        self._app = self._routes()

    def _routes(self) -> ASGIApp:
        admin = [
            Route("/admin/status", self._status),
            Route("/admin/users", self._users),
            *([Route("/admin/drain", self._start_draining, methods=["POST"])] if self._drain else []),
        ]
        return Starlette(routes=[*make_routes(self.service), *admin, Route("/", page)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.active += 1
        try:
            await self._admit(scope, receive, self._counted(send))
        finally:
            self.active -= 1

    def _counted(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.errors.labels(str(message["status"])).inc()
                if self.draining:
                    # The client's next request then goes to another server, or to none.
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        return counted

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        given = Headers(scope=scope).get("authorization", "")
        if path == "/health" and self.draining:
            await send_error(send, 503, "this server is shutting down", "draining")
        elif path in ("/", "/health"):
            await self._app(scope, receive, send)
        elif path.startswith("/admin/") or path in ("/metrics", "/aix/status"):
            await self._admit_administrator(given, scope, receive, send)
        else:
            who = self.directory.identify(given.removeprefix(_BEARER)) if given.startswith(_BEARER) else None
            if who is None:
                message = "this server requires a user's token: Authorization: Bearer aix_… (setting apiKey)"
                await send_error(send, 401, message, "unauthorized", {"www-authenticate": "Bearer"})
            elif self.draining == "stop" and scope["method"] == "POST":
                await send_error(
                    send, 503, "this server is shutting down; try again", "draining", {"retry-after": "5"}
                )
            else:
                await self._admit_user(who, scope, receive, send)

    async def _admit_administrator(self, given: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._admin_token:
            await send_error(send, 403, "this server was started without --admin-token-file", "forbidden")
        elif not hmac.compare_digest(given.encode(), self._admin_token):
            message = "requires the administrator's token: Authorization: Bearer and the content of --admin-token-file"
            await send_error(send, 401, message, "unauthorized", {"www-authenticate": "Bearer"})
        else:
            await self._app(scope, receive, send)

    async def _admit_user(self, who: Identity, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._admit_watcher(who, scope, receive, send)
            return
        try:
            self.quotas.enter(who)
        except OverQuota as over:
            self.metrics.refused.labels(who.name).inc()
            self.usage.add(who.name, refused=1)
            await send_error(send, 429, str(over), "over_quota", {"retry-after": str(over.retry_after_s)})
            return
        share = who.user_class.share
        scope["aix.account"] = UserAccount(who, who.name, who.name, share, self)
        self.metrics.in_flight.labels(who.name).inc()
        try:
            await self._app(scope, receive, send)
        finally:
            self.quotas.leave(who)
            self.metrics.in_flight.labels(who.name).dec()

    async def _admit_watcher(self, who: Identity, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request that costs no tokens, but may keep a connection open to watch the state."""
        if self._watching[who.name] >= _MOST_WATCHERS:
            message = f"{who.name} has {_MOST_WATCHERS} connections that watch this server; close some"
            await send_error(send, 429, message, "over_quota", {"retry-after": "5"})
            return
        self._watching[who.name] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._watching[who.name] -= 1

    def spent(self, who: Identity, end: Finished | Failed, priority: int) -> None:
        """Charge a completion that has ended, even if its client has left."""
        self.metrics.requests.labels(who.name).inc()
        if isinstance(end, Failed):
            self.usage.add(who.name, requests=1, failed=1)
            return
        computed = end.prompt_tokens - end.cached_tokens
        self.quotas.spent(who, computed + end.completion_tokens)
        if end.first_token_ms:
            self.metrics.first_text.labels(_CLASSES[priority]).observe(end.first_token_ms / 1e3)
        tokens = self.metrics.tokens
        tokens.labels(who.name, "prompt").inc(computed)
        tokens.labels(who.name, "cached").inc(end.cached_tokens)
        tokens.labels(who.name, "completion").inc(end.completion_tokens)
        self.usage.add(
            who.name,
            requests=1,
            prompt_tokens=end.prompt_tokens,
            cached_tokens=end.cached_tokens,
            completion_tokens=end.completion_tokens,
        )

    # Administration

    async def _status(self, request: Request) -> Response:
        """GET /admin/status: the data for the page at /."""
        found = await self._together() if self._together else self.service.figures_json()
        if self.draining:
            found["state"]["state"] = "draining"
        return JSONResponse(found, headers={"cache-control": "no-store"})

    async def _users(self, request: Request) -> Response:
        """GET /admin/users: all users, and what they have in use."""
        return JSONResponse({"users": [self._described(name) for name in sorted(self.directory.users.users)]})

    def _described(self, name: str) -> Mapping[str, Any]:
        who = self.directory.identity(name, self.directory.users.users[name])
        return {
            "name": name,
            "class": who.class_name,
            "inFlight": self.quotas.of_user(name),
            "mayHaveInFlight": who.in_flight,
            "tokensAMinute": who.tokens_a_minute,
            "tokensLeft": self.quotas.left(who),
        }

    async def _start_draining(self, request: Request) -> Response:
        """POST /admin/drain: the same as SIGTERM."""
        assert self._drain is not None
        self._drain()
        return JSONResponse({"state": "draining"})
