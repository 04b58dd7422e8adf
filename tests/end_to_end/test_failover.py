"""Servers in a list are killed during typing: suggestions continue, and the editor shows no error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.backends.servers import DONE, CompletionsServer, event, serving
from tests.client.editor import Editor
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready

LINE = "total = sum(prices) + tax"


async def completes_the_line(body: dict[str, Any]) -> AsyncIterator[bytes]:
    """A model that knows one line and writes it in small pieces."""
    prefix, _, rest = body["prompt"].partition("<|fim_suffix|>")
    written = (prefix + rest.partition("<|fim_middle|>")[2]).rpartition("\n")[2].rpartition("|>")[2]
    for at in range(len(written), len(LINE), 2):
        yield event(LINE[at : at + 2])
        await asyncio.sleep(0.005)
    yield event("", reason="stop")
    yield DONE


async def test_a_server_is_killed_during_typing(fresh_home: Path) -> None:
    models = {"data": [{"id": "qwen2.5-coder", "owned_by": "vllm"}]}
    async with (
        serving(CompletionsServer(completes_the_line)) as one,
        serving(CompletionsServer(completes_the_line)) as two,
        await Editor.start(fresh_home) as editor,
    ):
        one.models = two.models = models
        options = {"url": [one.url, two.url], "deadlineMs": 15_000, "waitMs": 0}
        await editor.initialize(options=options)
        await wait_until_ready(editor)
        buffer = editor.open(None, "prices = [1, 2]\ntax = 3\n")
        shown = []
        for number, character in enumerate(LINE):
            if number == 6:
                busy = one if one.bodies else two
                await busy.kill()
            editor.type(buffer, character)
            items = inline_items(await editor.inline(buffer, "invoked").result())
            shown.append(items[0]["insertText"] if items else "")
        for number, text in enumerate(shown[:-1]):
            # Items may replace the typed part of the line.
            assert LINE.endswith(text) and len(text) >= len(LINE) - number - 1, number
        assert one.bodies and two.bodies
        told = [note.params for note in editor.wire.notifications]
        assert not [params for params in told if isinstance(params, dict) and params.get("state") == "error"]
        assert not [note for note in editor.wire.notifications if note.method == "window/showMessage"]
        assert await editor.shutdown() == 0
