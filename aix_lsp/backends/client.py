"""HTTP to a completions server: connections, event streams, failures. Does not know the fields of requests."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from aix_lsp.backends.address import Address
from aix_lsp.backends.base import BackendError, BackendUnavailable
from aix_lsp.backends.certificates import missing_authorities, tls_context
from aix_lsp.backends.failures import cut_off, refused, unreachable, words
from aix_lsp.backends.sse import SseError, SseParser

if TYPE_CHECKING:
    import aiohttp

_CONNECT_S = 10.0
_SILENCE_S = 120.0
_LARGEST_ANSWER = 4 << 20
"""Bytes of JSON, which may take twenty times as much memory."""
_LARGEST_ERROR = 64 << 10
_ERROR_S = 5.0
"""How long an error's words are waited for."""
_SNIFFED = 8
"""Bytes that tell whether events come."""
_LONGEST_SHOWN = 300
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_KEY = re.compile(r"[!-~]*")
_LOOKS_LIKE_EVENTS = re.compile(rb"(\xef\xbb\xbf)?\s*(data|event|id|retry)?:")
"""How a stream of events begins, for servers that do not declare its type."""


class HttpClient:
    """Kept-alive connections to one server. Used on one event loop only.

    Proxies come from HTTP_PROXY, HTTPS_PROXY and NO_PROXY, but are never used for this machine's own addresses; custom
    certificate authorities come from SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE. Redirects are followed on the
    same host only, with method and body unchanged. A request fails if the server sends nothing for `silence_s` seconds.
    """

    def __init__(self, address: Address, key: str = "", *, silence_s: float = _SILENCE_S) -> None:
        if not _KEY.fullmatch(key):
            raise BackendError(
                "The key in aix.apiKey or AIX_LSP_API_KEY contains characters that no key can have."
            )
        self.address = address
        self._key = key
        self._silence_s = silence_s
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._moved: dict[str, str] = {}
        """Permanent redirects, by the URL requested."""

    async def get(self, url: str) -> Any:
        """The JSON at `url`. Raises BackendError, BackendUnavailable."""
        from aiohttp import ClientError

        response = await self._request("GET", url, None)
        try:
            return self._json(await self._body(response))
        except (ClientError, OSError) as error:
            raise cut_off(error, self.address) from error
        finally:
            response.close()

    async def post(self, url: str, body: Any) -> None:
        """Send JSON and ignore the answer's content. Raises BackendError, BackendUnavailable."""
        response = await self._request("POST", url, body)
        response.release()

    async def events(self, url: str, body: Any = None, session: str = "") -> AsyncGenerator[Any]:
        """Stream the JSON of each event of the answer to `body` (None for a GET), until `[DONE]` or the end.

        `session` tells routers which requests belong together (x-session-id), so that they find the same cache. Closing
        the generator closes the connection at once, which is how a generation is cancelled. A stream that breaks off
        raises BackendUnavailable. An answer that is not a stream counts as one event.
        """
        from aiohttp import ClientError

        response = await self._request("GET" if body is None else "POST", url, body, session)
        parser = SseParser()
        try:
            is_stream = "event-stream" in response.content_type
            first = b"" if is_stream else await _beginning(response)
            if not is_stream and not _LOOKS_LIKE_EVENTS.match(first):
                yield self._json(await self._body(response, first))
                return
            async for chunk in _chunks(response, first):
                for data in parser.feed(chunk):
                    if data.strip() == "[DONE]":
                        return
                    yield self._json(data)
        except SseError as error:
            raise BackendError(f"{self.address} sent {error}; check aix.url.", trouble="failing") from error
        except (ClientError, OSError) as error:
            raise cut_off(error, self.address) from error
        finally:
            # Not release(): it would keep the connection by reading the rest of the stream.
            response.close()

    async def close(self) -> None:
        """Close all connections, for good: requests in flight, and later ones, raise BackendUnavailable."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(self, method: str, url: str, body: Any, session: str = "") -> aiohttp.ClientResponse:
        asked = self._moved.get(url, url)
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._send(method, asked, body, {"x-session-id": session} if session else {})
            if response.status not in _REDIRECTS:
                break
            response.close()
            target = _joined(asked, response.headers.get("Location", ""))
            if not _same_host(asked, target):
                shown = re.sub(r"[?#].*", "", target)[:_LONGEST_SHOWN]
                raise BackendError(
                    f"{self.address} redirects to {shown or 'no address'}, another host; set aix.url to the server "
                    "you mean.",
                    trouble="refused",
                )
            if response.status in (301, 308):
                self._moved[url] = target
            asked = target
        else:
            raise BackendError(f"{self.address} redirects in a loop; check aix.url.", trouble="refused")
        if response.status >= 400:
            try:
                said = self._without_key(await _error_body(response))
                raise refused(response.status, said, self.address, response.headers)
            finally:
                response.close()
        return response

    def hide_key(self, error: BackendError) -> None:
        """Take the key out of what a server has said: some name the key that they refuse."""
        error.args = tuple(self._without_key(str(part)) for part in error.args)
        error.body = self._without_key(error.body)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text

    async def _send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        from aiohttp import ClientConnectorError, ClientError, ClientOSError, ServerDisconnectedError

        dropped = (ServerDisconnectedError, ClientOSError, ConnectionResetError)
        for again in (True, False):
            session = self._opened()
            try:
                return await session.request(method, url, json=body, headers=headers, allow_redirects=False)
            except (ValueError, ClientError, OSError) as error:
                # A kept-alive connection may time out just as it is used; nothing has been answered yet.
                if again and isinstance(error, dropped) and not isinstance(error, ClientConnectorError):
                    continue
                raise unreachable(error, self.address, self._proxy(url), missing_authorities()) from error
            except RuntimeError as error:
                if not session.closed:
                    raise
                raise self._gone() from error
        raise AssertionError("one of the attempts returns or raises")

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise self._gone()
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=self._silence_s),
                headers={"Authorization": f"Bearer {self._key}"} if self._key else None,
                trust_env=not self.address.local,
            )
        return self._session

    def _gone(self) -> BackendUnavailable:
        return BackendUnavailable(f"The connection to {self.address} has been closed.")

    def _connector(self) -> aiohttp.BaseConnector:
        import aiohttp

        if self.address.socket:
            return aiohttp.UnixConnector(self.address.socket, limit=0)
        secure = self.address.root.startswith("https:")
        return aiohttp.TCPConnector(limit=0, ssl=tls_context() if secure else True)

    def _proxy(self, url: str) -> str:
        """The proxy used for `url`, as shown in messages; empty if there is none."""
        parts = urlsplit(url)
        if self.address.local or not parts.hostname or proxy_bypass(parts.hostname):
            return ""
        return re.sub(r"//[^/@]*@", "//", getproxies().get(parts.scheme, ""))

    async def _body(self, response: aiohttp.ClientResponse, first: bytes = b"") -> str:
        found = bytearray()
        async for chunk in _chunks(response, first):
            found += chunk
            if len(found) > _LARGEST_ANSWER:
                raise BackendError(
                    f"{self.address} sends more than {_LARGEST_ANSWER >> 20} MiB; check aix.url.",
                    trouble="failing",
                )
        return found.decode("utf-8", "replace")

    def _json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            said = words(self._without_key(text))
            raise BackendError(
                f"{self.address} does not return JSON; check aix.url."
                + (f" It says: {said}" if said else ""),
                trouble="failing",
            ) from error


def _joined(asked: str, location: str) -> str:
    """Where a redirect leads; empty where that is no address."""
    try:
        return urljoin(asked, location)
    except ValueError:
        return ""


def _same_host(one: str, other: str) -> bool:
    """Whether a request to `one` may be redirected to `other`, key and all: same host, not from TLS to plain text."""
    try:
        was, now = urlsplit(one), urlsplit(other)
        ports = was.port, now.port
    except ValueError:
        return False
    if was.hostname != now.hostname or now.scheme not in ("http", "https"):
        return False
    if was.scheme == now.scheme:
        return ports[0] == ports[1]
    return now.scheme == "https" and (ports == (None, None) or ports == (80, 443))


async def _chunks(response: aiohttp.ClientResponse, first: bytes) -> AsyncGenerator[bytes]:
    """The body of an answer as it arrives; `first` has already been read."""
    if first:
        yield first
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except RuntimeError as error:
        # aiohttp's error if the connection was lost before the next chunk was awaited.
        raise ConnectionResetError(str(error)) from error


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of an answer, however it is cut into pieces: enough to see whether they are events."""
    first = b""
    while len(first.lstrip()) < _SNIFFED and len(first) < _LARGEST_ERROR and not response.content.at_eof():
        try:
            first += await response.content.readany()
        except RuntimeError as error:
            raise ConnectionResetError(str(error)) from error  # as in _chunks
    return first


async def _error_body(response: aiohttp.ClientResponse) -> str:
    """The beginning of an error response's body, as far as it arrives."""
    from aiohttp import ClientError

    found = b""
    try:
        async with asyncio.timeout(_ERROR_S), aclosing(_chunks(response, b"")) as chunks:
            async for chunk in chunks:
                found += chunk
                if len(found) >= _LARGEST_ERROR:
                    break
    except (ClientError, OSError):  # a TimeoutError is one
        pass
    return found[:_LARGEST_ERROR].decode("utf-8", "replace")
