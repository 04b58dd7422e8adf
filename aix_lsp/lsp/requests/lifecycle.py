"""`initialize`, `initialized`, `shutdown`, `exit`."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp import __version__
from aix_lsp.lsp.capabilities import Client, server_capabilities
from aix_lsp.lsp.jsonrpc import INVALID_PARAMS, INVALID_REQUEST
from aix_lsp.lsp.parent import end_of
from aix_lsp.lsp.protocol import Phase
from aix_lsp.lsp.requests.commands import COMMANDS
from aix_lsp.lsp.session import Session
from aix_lsp.settings import unwrap

logger = logging.getLogger(__name__)


def initialize(session: Session, params: Any) -> types.InitializeResult:
    """Answer with our capabilities at once; everything slow starts at `initialized`."""
    if not isinstance(params, Mapping):
        raise JsonRpcException("invalid params: expected an object", INVALID_PARAMS)
    _check_token(session, params.get("initializationOptions"))
    session.client = Client.from_initialize(params)
    session.documents.store.encoding = session.client.encoding
    for uri in _folders(params):
        session.workspace.add(uri)
    session.configuration.set_options(params.get("initializationOptions"))
    session.status.notifies = session.client.status
    session.status.shows_progress = session.client.work_done_progress
    session.protocol.phase = Phase.INITIALIZED
    if session.client.process_id is not None and session.dependencies.options.transport == "stdio":
        session.run_soon(_disconnect_after(session, end_of(session.client.process_id)))
    logger.info("a session with %s began", session.client.name or "a client without a name")
    info = types.ServerInfo("aix-lsp", __version__)
    return types.InitializeResult(server_capabilities(session.client, list(COMMANDS)), info)


def initialized(session: Session, _: Any) -> None:
    session.start()


def shutdown(session: Session, _: Any) -> None:
    session.protocol.phase = Phase.SHUT_DOWN
    session.run_soon(session.protocol.cancel_all())


def exit_(session: Session, _: Any) -> None:
    session.disconnected()


def _check_token(session: Session, options: Any) -> None:
    """Refuse a socket's client that does not know the token."""
    wanted = session.required_token
    given = unwrap(options).get("token", "")
    if wanted and not (isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())):
        session.disconnected()
        raise JsonRpcException("initializationOptions.token is not this server's token", INVALID_REQUEST)


async def _disconnect_after(session: Session, end: Awaitable[None]) -> None:
    """End the session with its editor's process, even if that has crashed."""
    await end
    session.disconnected()


def _folders(params: Mapping[str, Any]) -> list[str]:
    """The workspace folders, or the one root of older clients."""
    folders = params.get("workspaceFolders")
    if isinstance(folders, list):
        named = (folder.get("uri") for folder in folders if isinstance(folder, Mapping))
        return [uri for uri in named if isinstance(uri, str)]
    root = params.get("rootUri")
    if isinstance(root, str) and root:
        return [root]
    path = params.get("rootPath")
    return [Path(path).as_uri()] if isinstance(path, str) and Path(path).is_absolute() else []
