"""The address of a completions server: a Unix socket or an HTTP base address, and the URLs of its endpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from aix_lsp.backends.base import BackendError

_COMPLETIONS = "/completions"
_USER = re.compile(r"//[^/@]*@")
_BASE = re.compile(r"/(v\d+[\w.]*|beta|openai)\Z")
"""The last part of a path that is an API's base, such as /v1, /api/paas/v4 or /v1beta/openai."""
_FIM_BASES = (("mistral.ai", "/v1", "/v1/fim"), ("deepseek.com", "/v1", "/beta"))
"""Services whose fill-in-the-middle endpoint is not below the usual base: host, usual base, where it is."""
_FIM_ENDPOINT = re.compile(r"/(fim|beta)/completions\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A server's root, such as `http://host:8000`, and the path of its OpenAI-style endpoints below it.

    `fixed` is the complete address of a completions endpoint, if the user gave one or the service is known; no other
    endpoints of such a server are used.
    """

    root: str
    api: str = "/v1"
    socket: str = ""
    fixed: str = ""

    @property
    def completions(self) -> str:
        return self.fixed or f"{self.root}{self.api}{_COMPLETIONS}"

    @property
    def models(self) -> str:
        return f"{self.root}{self.api}/models"

    def at(self, path: str) -> str:
        """An endpoint outside of the OpenAI-style path, such as `/aix/events`."""
        return self.root + path

    def __str__(self) -> str:
        """The address as shown in messages, without any password."""
        shown = self.fixed or self.root + self.api.removesuffix("/v1")
        return f"unix:{self.socket}" if self.socket else _USER.sub("//", shown)

    @property
    def takes_suffix(self) -> bool:
        """Whether this is a fill-in-the-middle endpoint for prompt and suffix, such as Mistral's and DeepSeek's."""
        return bool(_FIM_ENDPOINT.search(urlsplit(self.fixed).path.rstrip("/")))

    @property
    def local(self) -> bool:
        """Whether what is sent stays on this machine."""
        if self.socket:
            return True
        host = (urlsplit(self.root).hostname or "").removesuffix(".")
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


def unix(path: str) -> Address:
    """A server that listens on a Unix socket."""
    return Address("http://localhost", socket=path)


def parse(url: str) -> Address:
    """Parse the setting `url`: `unix:/path` or `http(s)://host[:port]`, optionally with `/v1` or a longer path.

    Raises BackendError if it is neither.
    """
    url = url.strip()
    if url.startswith("unix:"):
        return unix("/" + url.removeprefix("unix:").lstrip("/"))
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = _USER.sub("//", url)
        raise BackendError(
            f"aix.url is {shown!r}, but must be like http://localhost:8000 or unix:/path/of/socket."
        )
    path = parts.path.rstrip("/")
    root = f"{parts.scheme}://{parts.netloc}"
    if path.endswith(_COMPLETIONS):
        return Address(root, path.removesuffix(_COMPLETIONS), fixed=url)
    for service, usual, fim in _FIM_BASES:
        if f".{parts.hostname}".endswith(f".{service}") and path in ("", usual, fim):
            return Address(root, fim, fixed=root + fim + _COMPLETIONS)
    base = _BASE.search(path)
    if base is not None:
        return Address(root + path[: base.start()], base[0])
    return Address(root + path)
