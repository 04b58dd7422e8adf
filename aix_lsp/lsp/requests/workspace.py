"""`workspace/` notifications that change settings, folders and files, and `window/workDoneProgress/cancel`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsprotocol import types

from aix_lsp.lsp.session import Session


def did_change_configuration(session: Session, params: Any) -> None:
    """Reload all settings; a client without `workspace/configuration` sends them in the params."""
    if isinstance(params, Mapping):
        session.configuration.set_pushed(params.get("settings"))
    session.run_soon(session.reconfigure())


def did_change_watched_files(session: Session, params: types.DidChangeWatchedFilesParams) -> None:
    """Handle files that were written, created or deleted outside the editor."""
    session.files_changed([change.uri for change in params.changes])


def did_change_workspace_folders(session: Session, params: types.DidChangeWorkspaceFoldersParams) -> None:
    for folder in params.event.removed:
        session.workspace.remove(folder.uri)
    for folder in params.event.added:
        session.workspace.add(folder.uri)
    session.folders_changed()


def set_trace(session: Session, params: Any) -> None:
    """Does nothing: our log has its own level, the setting `logLevel`."""


def work_done_progress_cancel(session: Session, params: types.WorkDoneProgressCancelParams) -> None:
    """Handle that the user does not want to wait for the model, or to have other files indexed."""
    if params.token == session.status.loading.token:
        session.give_up_loading()
    elif params.token == session.status.indexing.token:
        session.give_up_indexing()
    elif params.token == session.status.downloading.token:
        session.give_up_download()
