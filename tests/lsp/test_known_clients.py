"""The real program, with the capabilities of known editors, through pytest-lsp.

The client parses every answer with lsprotocol's types, and warns if one is not allowed by the specification or
by the editor's capabilities.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient, LspSpecificationWarning, client_capabilities, make_test_lsp_client

from tests.client.peer import DirectPeer
from tests.client.places import URI, applied
from tests.lsp.program import PATIENCE_S, PROGRAM

EDITORS = ["visual_studio_code", "neovim@0.6.1", "neovim@0.9.1", "neovim@0.11.0", "emacs"]
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def session(editor: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[LanguageClient, str]]:
    """A client with the editor's capabilities, initialized, and the negotiated position encoding."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    client = make_test_lsp_client()
    await client.start_io(sys.executable, "-c", PROGRAM.format(extra="", parent_pid=None))
    folder = types.WorkspaceFolder("file:///w", "w")
    params = types.InitializeParams(client_capabilities(editor), workspace_folders=[folder])
    async with asyncio.timeout(PATIENCE_S):
        told = await client.initialize_session(params)
    yield client, str(told.capabilities.position_encoding)
    async with asyncio.timeout(PATIENCE_S):
        await client.shutdown_session()
    assert client._server is not None and client._server.returncode == 0
    assert client.error is None


def open_document(client: LanguageClient, text: str) -> types.TextDocumentIdentifier:
    item = types.TextDocumentItem(URI, "python", 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    return types.TextDocumentIdentifier(URI)


@pytest.mark.filterwarnings(f"error::{LspSpecificationWarning.__module__}.{LspSpecificationWarning.__name__}")
@pytest.mark.parametrize("editor", EDITORS)
async def test_popup_and_inline_completion(editor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "x = 1\nwo"
    async with session(editor, monkeypatch) as (client, encoding):
        document = open_document(client, text)
        place = types.Position(1, 2)
        popup = await client.text_document_completion_async(types.CompletionParams(document, place))
        assert isinstance(popup, types.CompletionList)
        [item] = popup.items
        plain = client.protocol._converter.unstructure(popup)
        assert applied(text, plain["items"][0], encoding, plain.get("itemDefaults")) == "x = 1\nwowo_done"
        resolved = await client.completion_item_resolve_async(item)
        assert resolved.documentation is not None
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        inline = await client.text_document_inline_completion_async(
            types.InlineCompletionParams(context, document, place)
        )
        assert isinstance(inline, types.InlineCompletionList)
        assert inline.items[0].insert_text == "wo_done"
        command = inline.items[0].command
        assert command is not None
        await client.workspace_execute_command_async(
            types.ExecuteCommandParams(command.command, command.arguments)
        )


@pytest.mark.parametrize(("name", "offered"), [("vim-lsp", False), ("coc.nvim", True), ("", True)])
async def test_ghost_text_is_not_offered_where_it_would_replace_the_line(
    peer: DirectPeer, name: str, offered: bool
) -> None:
    told = await peer.initialize(clientInfo={"name": name})
    assert (told["capabilities"].get("inlineCompletionProvider") is not None) is offered
    assert told["capabilities"]["completionProvider"]
