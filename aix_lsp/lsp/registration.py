"""What is registered with the client after `initialized`: what capabilities cannot declare."""

from __future__ import annotations

from typing import Any

from aix_lsp.completion.context.file_names import LANGUAGES
from aix_lsp.lsp.client import Client
from aix_lsp.settings.files import PROJECT_FILE


def registrations(client: Client, searched: bool) -> list[dict[str, Any]]:
    """The registrations that this client supports, for `client/registerCapability`.

    `searched` says whether other files are searched for context, so that their changes are of interest.
    """
    wanted: list[dict[str, Any]] = []
    if client.registers_configuration:
        wanted.append(
            {
                "id": "aix-configuration",
                "method": "workspace/didChangeConfiguration",
                "registerOptions": {"section": "aix"},
            }
        )
    if client.registers_watched_files:
        wanted.append(
            {
                "id": "aix-files",
                "method": "workspace/didChangeWatchedFiles",
                "registerOptions": {"watchers": [{"globPattern": glob} for glob in _globs(searched)]},
            }
        )
    return wanted


def _globs(searched: bool) -> list[str]:
    return [f"**/{PROJECT_FILE}", *([f"**/*.{{{','.join(LANGUAGES)}}}"] if searched else [])]
