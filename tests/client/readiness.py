"""Waits until the engine behind a server serves, and meanwhile shows what an editor would show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.client.editor import Editor
from tests.client.wire import ConnectionLost

STATUS = "aix/status"
"""The notification that carries `{state, message, fraction, model}`."""

Show = Callable[[dict[str, Any]], None]
"""Called with each new status."""


class NotReady(Exception):
    """The engine could not start. The message is the server's own."""


async def wait_until_ready(editor: Editor, show: Show | None = None, within: float = 120.0) -> dict[str, Any]:
    """Wait for the state "ready"; returns that status. Raises NotReady on an error, or when time is up."""
    seen = 0
    latest: dict[str, Any] = {}

    def news() -> list[dict[str, Any]]:
        return [note.params for note in editor.wire.notifications if note.method == STATUS][seen:]

    try:
        async with asyncio.timeout(within):
            while True:
                for latest in await editor.wire.wait_for(news, within):
                    seen += 1
                    if show:
                        show(latest)
                    if latest["state"] == "error":
                        raise NotReady(latest.get("message", ""))
                    if latest["state"] != "starting" and latest["state"] != "loading":
                        return latest
    except (ConnectionLost, TimeoutError) as error:
        raise NotReady(f"{error or f'nothing within {within:.0f} s'}\n{editor.log()[-2000:]}") from error
