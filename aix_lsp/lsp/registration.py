"""What is registered with the client after `initialized`: what capabilities cannot declare."""

from __future__ import annotations

from typing import Any

from aix_lsp.lsp.client import Client
from aix_lsp.settings.files import PROJECT_FILE


def registrations(client: Client) -> list[dict[str, Any]]:
    """The registrations that this client supports, for `client/registerCapability`."""
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
                "id": "aix-settings-files",
                "method": "workspace/didChangeWatchedFiles",
                "registerOptions": {"watchers": [{"globPattern": f"**/{PROJECT_FILE}"}]},
            }
        )
    return wanted
