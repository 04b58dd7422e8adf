"""HTTP to a completions server: connections, streams of events, failures. Knows no request's fields."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from aix_lsp.backends.address import Address
from aix_lsp.backends.base import BackendError
from aix_lsp.backends.failures import cut_off, refused, unreachable
from aix_lsp.backends.sse import SseError, SseParser

if TYPE_CHECKING:
    import ssl

    import aiohttp

_CONNECT_S = 10.0
_SILENCE_S = 120.0
_LARGEST_ANSWER = 64 << 20


class Client:
    """Kept-alive connections to one server. Use it on one event loop only.

    Proxies come from HTTP_PROXY, HTTPS_PROXY and NO_PROXY; own certificate authorities from SSL_CERT_FILE,
    SSL_CERT_DIR or REQUESTS_CA_BUNDLE. A server that is silent for `silence_s` seconds while something is
    awaited from it is given up.
    """

    def __init__(self, address: Address, key: str = "", *, silence_s: float = _SILENCE_S) -> None:
        self.address = address
        self._key = key
        self._silence_s = silence_s
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> Any:
        """The JSON at `url`. Raises BackendError, BackendUnavailable."""
        from aiohttp import ClientError

        response = await self._request("GET", url, None)
        try:
            return self._json(await _body(response))
        except (ClientError, OSError) as error:
            raise cut_off(error, self.address) from error
        finally:
            response.close()

    async def post(self, url: str, body: Any) -> None:
        """Send JSON whose answer tells nothing. Raises BackendError, BackendUnavailable."""
        response = await self._request("POST", url, body)
        response.release()

    async def events(self, url: str, body: Any = None) -> AsyncGenerator[Any]:
        """Stream the JSON of each event of the answer to `body` (or to a GET), until `[DONE]` or the end.

        Closing the generator closes the connection at once, which is how a generation is cancelled. A stream
        that breaks off raises BackendUnavailable. An answer that is not a stream is one event.
        """
        from aiohttp import ClientError

        response = await self._request("GET" if body is None else "POST", url, body)
        parser = SseParser()
        try:
            if "event-stream" not in response.content_type:
                yield self._json(await _body(response))
                return
            async for chunk in response.content.iter_any():
                for data in parser.feed(chunk):
                    if data.strip() == "[DONE]":
                        return
                    yield self._json(data)
        except SseError as error:
            raise BackendError(f"{self.address} sent {error}; check aix.url.") from error
        except (ClientError, OSError) as error:
            raise cut_off(error, self.address) from error
        finally:
            # Not release(): it would keep the connection by reading the rest of the stream.
            response.close()

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(self, method: str, url: str, body: Any) -> aiohttp.ClientResponse:
        from aiohttp import (
            ClientConnectorError,
            ClientError,
            ClientOSError,
            ServerDisconnectedError,
        )

        session = self._opened()
        for attempt in (1, 2):
            try:
                response = await session.request(method, url, json=body)
                break
            except ClientConnectorError as error:
                raise unreachable(error, self.address) from error
            except (ServerDisconnectedError, ClientOSError) as error:
                # A kept connection may die of age just as it is used; nothing has been answered yet.
                if attempt == 2:
                    raise unreachable(error, self.address) from error
            except (ValueError, ClientError, OSError) as error:
                raise unreachable(error, self.address) from error
        if response.status >= 400:
            try:
                raise refused(response.status, await _body(response), self.address)
            finally:
                response.close()
        return response

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=self._silence_s),
                headers={"Authorization": f"Bearer {self._key}"} if self._key else None,
                trust_env=not self.address.socket,
            )
        return self._session

    def _connector(self) -> aiohttp.BaseConnector:
        import aiohttp

        if self.address.socket:
            return aiohttp.UnixConnector(self.address.socket, limit=0)
        secure = self.address.root.startswith("https:")
        return aiohttp.TCPConnector(limit=0, ssl=_tls() if secure else True)

    def _json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise BackendError(f"{self.address} does not answer in JSON; check aix.url.") from error


async def _body(response: aiohttp.ClientResponse) -> str:
    parts, size = [], 0
    async for chunk in response.content.iter_any():
        parts.append(chunk)
        size += len(chunk)
        if size > _LARGEST_ANSWER:
            raise OSError("the answer is too large")
    return b"".join(parts).decode("utf-8", "replace")


def _tls() -> ssl.SSLContext:
    import ssl

    # OpenSSL itself reads SSL_CERT_FILE and SSL_CERT_DIR.
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    context = ssl.create_default_context()
    if bundle:
        context.load_verify_locations(cafile=bundle)
    return context
