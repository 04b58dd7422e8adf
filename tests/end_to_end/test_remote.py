"""A remote server from an editor user's point of view: how many requests it gets, and what is shown if it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.backends.servers import DONE, CompletionsServer, event, says, serving
from tests.client.editor import Editor
from tests.client.engine_watch import wait_until
from tests.client.listening import Listening
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready
from tests.end_to_end.conftest import PATIENT

KEYS = "import os\n\ndef main(arguments):\n    total = 0\n"


async def babbles(_: dict[str, Any]) -> AsyncIterator[bytes]:
    """A fast model that never agrees with the typed text."""
    yield event(" result = compute(everything)", reason="stop")
    yield DONE


def notes(editor: Editor, method: str) -> list[Any]:
    return [note.params for note in editor.wire.notifications if note.method == method]


@pytest.mark.parametrize("wait_ms", [1000, 200, 0])
async def test_popup_and_ghost_text_cost_one_request_between_them(listener: Listening, wait_ms: int) -> None:
    word = "abcdefghijklmnopqrst"
    async with serving(CompletionsServer(babbles)) as server, await listener.join() as editor:
        server.models = {"data": [{"id": "qwen", "owned_by": "vllm"}]}
        await editor.initialize(options={"url": server.url, "waitMs": wait_ms, "token": listener.token})
        await wait_until_ready(editor)
        buffer = editor.open(None, "# a\n")
        calls = []
        for character in word:
            editor.type(buffer, character)
            calls += [editor.inline(buffer), editor.complete(buffer)]
            await asyncio.wait([calls[-1].future], timeout=0.05)  # the pause between two keys
        await asyncio.gather(*(call.result() for call in calls), return_exceptions=True)
        prompts = [body["prompt"] for body in server.bodies]
        # Within a word each key has a prompt of its own. How many keys reach the server depends on the machine.
        assert prompts and len(prompts) == len(set(prompts))
        assert prompts[-1].endswith(word)


async def test_a_refusing_server_is_reported_once_and_cleared(fresh_home: Path) -> None:
    async with serving(CompletionsServer(says("x = 1"))) as server, await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"url": server.url, "waitMs": 0, "deadlineMs": 15_000})
        await wait_until_ready(editor)
        server.refusal = (500, {"error": {"message": "CUDA out of memory"}})
        buffer = editor.open(None, "# a\n")
        for character in KEYS:
            editor.type(buffer, character)
            assert inline_items(await editor.inline(buffer).result()) == []
        assert len(server.bodies) < len(KEYS) // 2
        [shown] = notes(editor, "window/showMessage")
        assert "CUDA out of memory" in shown["message"]
        status = notes(editor, "aix/status")[-1]
        assert status["state"] == "error" and "CUDA out of memory" in status["message"]
        server.refusal = None

        async def goes_on() -> bool:
            editor.type(buffer, "y")
            return bool(inline_items(await editor.inline(buffer, "invoked").result()))

        async with asyncio.timeout(60):
            while not await goes_on():
                await asyncio.sleep(0.2)
        await wait_until(lambda: notes(editor, "aix/status")[-1]["state"] == "ready")
        assert len(notes(editor, "window/showMessage")) == 1
        assert await editor.shutdown() == 0


ANSWERS = [
    ("def add(a, b):\n    return ", ["```python\n", "a + b", "\n```"], "a + b"),
    ("def add(a, b):\n    return ", ["Here is the completed code:\n", "\nreturn a + b"], ""),
    ("def add(a, b):\n    ", ["    return", " a + b"], "return a + b"),
    ("def add(a, b):\n    ", [" ", "    return", " a + b"], "return a + b"),
    ("def add(a, b):\n    return ", ["a + b", " <EO", "T>"], "a + b"),
    ("name = ", ['"gr\ufffd'], '"gr'),
]


@pytest.mark.parametrize(("source", "pieces", "shown"), ANSWERS)
async def test_careless_output_of_a_server_is_cleaned(
    listener: Listening, source: str, pieces: list[str], shown: str
) -> None:
    async with serving(CompletionsServer(says(*pieces))) as server, await listener.join() as editor:
        server.models = {"data": [{"id": "codellama", "owned_by": "vllm"}]}
        await editor.initialize(options=PATIENT | {"url": server.url, "token": listener.token})
        await wait_until_ready(editor)
        buffer = editor.open(None, source)
        items = inline_items(await editor.inline(buffer, "invoked").result())
        texts = {item["insertText"] for item in items}
        assert texts == ({shown} if shown else set())
