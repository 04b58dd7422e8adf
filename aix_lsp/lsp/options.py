"""The options with which the language server is started: the command line passes them to `aix_lsp.lsp.main.run`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class LspOptions:
    """Transport, who may connect, and the settings given as flags."""

    transport: Literal["stdio", "tcp", "ws"] = "stdio"
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port; the address is printed as one JSON line on standard output (never with stdio)."""
    token: str = ""
    """The secret that clients must present on TCP and WebSocket. Without one (`--no-token`, on loopback addresses
    only), anyone on this machine may connect, but cannot set what is run or contacted."""
    announce_token: bool = False
    """Whether the line that announces the address also contains the token, because it was generated here."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may open the WebSocket, such as "https://ide.example"; others are refused."""
    parent_pid: int | None = None
    """The process whose end ends the server."""
    max_message_bytes: int = 64 << 20
    """A larger message is skipped and answered with an error."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings given as flags, by their external (camelCase) names; they override every other source."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
