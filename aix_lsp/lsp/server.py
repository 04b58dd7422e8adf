"""Builds the server side of one connection: a session, and the handler of each method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pygls.lsp.server import LanguageServer

from aix_lsp import __version__
from aix_lsp.lsp.converter import shared_converter
from aix_lsp.lsp.outbox import Outbox
from aix_lsp.lsp.protocol import Protocol
from aix_lsp.lsp.requests import (
    commands,
    completion,
    documents,
    feedback,
    inline_completion,
    lifecycle,
    workspace,
)
from aix_lsp.lsp.session import Dependencies, Session

Handler = Callable[..., Any]

REQUESTS: dict[str, Handler] = {
    "initialize": lifecycle.initialize,
    "shutdown": lifecycle.shutdown,
    "textDocument/completion": completion.completion,
    "completionItem/resolve": completion.resolve,
    "textDocument/inlineCompletion": inline_completion.inline_completion,
    "aix/inlineCompletion": inline_completion.stream_inline_completion,
    "workspace/executeCommand": commands.execute_command,
}
"""Called when the request is received, so that each sees the documents as they were; may return a coroutine for what
takes time. The annotation of a handler, here and below, is the type of the params that it gets: `Any` is plain JSON."""

NOTIFICATIONS: dict[str, Handler] = {
    "initialized": lifecycle.initialized,
    "exit": lifecycle.exit_,
    "textDocument/didOpen": documents.did_open,
    "textDocument/didChange": documents.did_change,
    "textDocument/didSave": documents.did_save,
    "textDocument/didClose": documents.did_close,
    "notebookDocument/didOpen": documents.notebook_did_open,
    "notebookDocument/didChange": documents.notebook_did_change,
    "notebookDocument/didSave": documents.notebook_did_save,
    "notebookDocument/didClose": documents.notebook_did_close,
    "workspace/didChangeConfiguration": workspace.did_change_configuration,
    "workspace/didChangeWatchedFiles": workspace.did_change_watched_files,
    "workspace/didChangeWorkspaceFolders": workspace.did_change_workspace_folders,
    "window/workDoneProgress/cancel": workspace.work_done_progress_cancel,
    "$/setTrace": workspace.set_trace,
    "aix/didCopy": documents.did_copy,
    "aix/didShow": feedback.noting("shown"),
    "aix/didAccept": feedback.noting("accepted"),
    "aix/didPartiallyAccept": feedback.noting("partly"),
    "aix/didReject": feedback.noting("rejected"),
}


def build(dependencies: Dependencies, outbox: Outbox, *, on_socket: bool = False) -> Session:
    """A session that answers into `outbox`; feed message bodies to its `protocol.receive`. See Session."""
    server = LanguageServer("aix-lsp", __version__, protocol_cls=Protocol, converter_factory=shared_converter)
    session = Session(server, dependencies, on_socket=on_socket)
    protocol = session.protocol
    protocol.outbox = outbox
    # Not with pygls' decorator: inspecting signatures took most of the time of opening a connection.
    protocol.fm.features.update({name: partial(handler, session) for name, handler in NOTIFICATIONS.items()})
    protocol.requests.update({name: partial(handler, session) for name, handler in REQUESTS.items()})
    return session
