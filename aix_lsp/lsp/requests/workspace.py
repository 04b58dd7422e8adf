"""What changes a session's settings or folders from outside; and the client's say about progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsprotocol import types

from aix_lsp.lsp.session import Session


def did_change_configuration(session: Session, params: Any) -> None:
    """Read all settings again; a client that cannot be asked has sent them along."""
    if isinstance(params, Mapping):
        session.configuration.set_pushed(params.get("settings"))
    session.run_soon(session.reconfigure())


def did_change_watched_files(session: Session, params: types.DidChangeWatchedFilesParams) -> None:
    """Files were written, made or deleted outside of the editor."""
    session.files_changed([change.uri for change in params.changes])


def did_change_workspace_folders(session: Session, params: types.DidChangeWorkspaceFoldersParams) -> None:
    for folder in params.event.removed:
        session.workspace.remove(folder.uri)
    for folder in params.event.added:
        session.workspace.add(folder.uri, folder.name)
    session.folders_changed()


def set_trace(session: Session, params: Any) -> None:
    """Accepted: our log has a level of its own, `logLevel`."""


def work_done_progress_cancel(session: Session, params: types.WorkDoneProgressCancelParams) -> None:
    """The user does not want to wait for the model, or have other files indexed."""
    if params.token == session.status.loading.token:
        session.give_up_loading()
    elif params.token == session.status.indexing.token:
        session.give_up_indexing()
