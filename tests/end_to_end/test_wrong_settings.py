"""Wrong settings are named in a message, and the defaults are used. The tests share one server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.client.editor import Editor
from tests.client.listening import Listening, listening
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready
from tests.end_to_end.conftest import PATIENT, SOURCE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tokenless(engine_home: Path) -> AsyncIterator[Listening]:
    """A server without a token, for options that could not carry one."""
    async with listening("tcp", engine_home, "--no-token") as server:
        yield server


async def suggests(editor: Editor) -> None:
    await wait_until_ready(editor)
    buffer = editor.open(None, SOURCE)
    assert inline_items(await editor.inline(buffer, "invoked").result())


def shown(editor: Editor) -> str:
    """The messages shown to the user."""
    return "\n".join(
        note.params["message"] for note in editor.wire.notifications if note.method == "window/showMessage"
    )


WRONG_SETTINGS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"maxTokens": -5}, "maxTokens"),
    ({"maxTokens": "many"}, "maxTokens"),
    ({"maxTokenz": 10}, "maxTokens"),
    ({"multiline": "sometimes"}, "multiline"),
    ({"languages": {"python": {"maxTokens": "x"}}}, "maxTokens"),
)


@pytest.mark.parametrize(("options", "named"), WRONG_SETTINGS, ids=lambda value: json.dumps(value)[:40])
async def test_wrong_settings_are_named_and_the_defaults_used(
    listener: Listening, options: dict[str, Any], named: str
) -> None:
    async with await listener.join() as editor:
        await editor.initialize(options=PATIENT | {"token": listener.token} | options)
        await suggests(editor)
        assert named in shown(editor)


@pytest.mark.parametrize("options", [[], ["not", "an", "object"], "text", 7, {"aix": 7}])
async def test_options_that_are_not_an_object_are_ignored(tokenless: Listening, options: Any) -> None:
    """Vim and Neovim send an empty dictionary as an empty list."""
    async with await tokenless.join() as editor:
        await editor.initialize(options=options)
        await wait_until_ready(editor)
        await editor.inline(editor.open(None, SOURCE), "invoked").result()
        assert "Traceback" not in tokenless.log()


async def test_wrong_answers_to_workspace_configuration(listener: Listening) -> None:
    async with await listener.join({"temperature": "hot"}) as editor:
        await editor.initialize(options=PATIENT | {"token": listener.token})
        await suggests(editor)
        assert "temperature" in shown(editor)


async def test_a_settings_file_with_a_syntax_error(listener: Listening, tmp_path: Path) -> None:
    (tmp_path / ".aix-lsp.toml").write_text("max_tokens = = 3\n")
    async with await listener.join() as editor:
        await editor.initialize(root=tmp_path, options=PATIENT | {"token": listener.token})
        await suggests(editor)
        assert ".aix-lsp.toml" in shown(editor)
