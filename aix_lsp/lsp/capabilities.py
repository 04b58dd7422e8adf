"""What this server says it can do."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from aix_lsp.lsp.client import Client

TRIGGER_CHARACTERS = (".", ":", "(", "[", ",", "=")
"""Not blanks or line ends: a popup there would catch the Enter key of somebody who is only writing on."""


def server_capabilities(client: Client, commands: list[str]) -> types.ServerCapabilities:
    """The answer to `initialize`."""
    return types.ServerCapabilities(
        position_encoding=client.encoding,
        text_document_sync=types.TextDocumentSyncOptions(
            open_close=True,
            change=types.TextDocumentSyncKind.Incremental,
            save=types.SaveOptions(include_text=False),
        ),
        notebook_document_sync=types.NotebookDocumentSyncOptions(
            notebook_selector=[
                types.NotebookDocumentFilterWithNotebook(
                    notebook="*", cells=[types.NotebookCellLanguage(language="*")]
                )
            ],
            save=False,
        ),
        completion_provider=types.CompletionOptions(
            trigger_characters=list(TRIGGER_CHARACTERS), resolve_provider=True
        ),
        inline_completion_provider=types.InlineCompletionOptions() if client.inline_completion else None,
        execute_command_provider=types.ExecuteCommandOptions(commands=commands),
        workspace=types.WorkspaceOptions(
            workspace_folders=types.WorkspaceFoldersServerCapabilities(
                supported=True, change_notifications=True
            )
        ),
        experimental=_extensions(),
    )


def _extensions() -> dict[str, Any]:
    """What goes beyond LSP; docs/lsp.md describes each."""
    return {
        "aix/inlineCompletion": {"partialResult": "cumulative"},
        "aix/status": True,
        "aix/didCopy": True,
        "aix/feedback": ["aix/didShow", "aix/didAccept", "aix/didPartiallyAccept", "aix/didReject"],
    }
