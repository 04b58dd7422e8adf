"""Unexpected documents and positions: a clear answer or an empty one, and the server survives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.client.editor import Editor
from tests.client.listening import Listening
from tests.client.lsp import inline_items, insert_text
from tests.client.readiness import wait_until_ready
from tests.client.wire import ResponseError
from tests.end_to_end.conftest import PATIENT, SOURCE

ENCODINGS = ("utf-8", "utf-16", "utf-32")
MEBIBYTE = 1 << 20

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = {
    "empty": "",
    "one newline": "\n",
    "only blanks": " \t  \n\n   ",
    "binary": bytes(range(256)).decode("latin-1") * 64,
    "lone surrogate halves cannot be sent, but controls can": "\x00\x01\x7f\ufeff\ufffd",
    "emoji, CJK and combining marks": "name = '👩‍👩‍👧‍👦 日本語 é'\nprint(name",
    "U+2028, form feed and next line": "a = 1\u2028b = 2\x0cc = 3\x85print(",
    "FIM markers": "x = '<|fim_middle|><|endoftext|>'\nprint(",
    "deep nesting": "(" * 3000,
    "an unfinished string": 'x = """' + "a" * 500,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(engine_home: Path) -> AsyncIterator[Editor]:
    """An editor whose server is shared by all tests of this file, one after another."""
    async with await Editor.start(engine_home) as editor:
        await editor.initialize(options=PATIENT)
        await wait_until_ready(editor)
        yield editor


@pytest_asyncio.fixture(loop_scope="module")
async def hardy(server: Editor) -> AsyncIterator[Editor]:
    """An editor whose server must still serve after the test, without having logged a traceback."""
    yield server
    for buffer in list(server.buffers.values()):
        server.close(buffer)
    probe = server.open(None, SOURCE)
    assert inline_items(await server.inline(probe, "invoked").result())
    server.close(probe)
    assert "Traceback" not in server.log()


async def ask_everything(editor: Editor, buffer: Any) -> list[dict[str, Any]]:
    """Send all three kinds of request at the cursor; each must be answered. Returns the inline items."""
    calls = [editor.complete(buffer), editor.stream(buffer, "invoked"), editor.inline(buffer, "invoked")]
    results = [await call.result(60) for call in calls]
    assert [call.answers for call in calls] == [1, 1, 1]
    return inline_items(results[-1])


@pytest.mark.parametrize("name", TEXTS)
async def test_odd_texts(hardy: Editor, name: str) -> None:
    buffer = hardy.open(None, TEXTS[name])
    await ask_everything(hardy, buffer)
    buffer.move(0)
    await ask_everything(hardy, buffer)


@pytest.mark.parametrize("language", ["", "klingon", "plaintext", "PYTHON", "x" * 1000])
async def test_unknown_languages(hardy: Editor, language: str) -> None:
    await ask_everything(hardy, hardy.open(None, SOURCE, language=language))


@pytest.mark.parametrize(
    "uri",
    [
        "untitled:Untitled-9",
        "file:///",
        "file:///no/such/dir/x.py",
        "git:/a?b=c",
        "nonsense",
        "vscode-notebook-cell:/a#b",
    ],
)
async def test_odd_uris(hardy: Editor, uri: str) -> None:
    await ask_everything(hardy, hardy.open(uri, SOURCE))


async def test_a_document_that_is_not_open(hardy: Editor) -> None:
    buffer = hardy.open(None, SOURCE)
    hardy.close(buffer)
    for ask in (hardy.complete, hardy.inline, hardy.stream):
        try:
            assert inline_items(await ask(buffer, "invoked").result()) == []
        except ResponseError as error:
            assert "open" in str(error)


@pytest.mark.parametrize("place", [(999, 0), (0, 99999), (999, 999), (2**31 - 1, 2**31 - 1)])
async def test_cursors_past_the_end(hardy: Editor, place: tuple[int, int]) -> None:
    buffer = hardy.open(None, SOURCE)
    for method in ("textDocument/completion", "textDocument/inlineCompletion", "aix/inlineCompletion"):
        params = {
            "textDocument": {"uri": buffer.uri},
            "position": {"line": place[0], "character": place[1]},
            "context": {"triggerKind": 1},
        }
        call = hardy.wire.request(method, params)
        for item in inline_items(await call.result()):
            assert insert_text(item) if "insertText" in item else item["label"]
        assert call.answers == 1


async def test_a_file_of_ten_megabytes(hardy: Editor) -> None:
    lines = "".join(f"value_{index} = compute(value_{index - 1}, {index})\n" for index in range(260_000))
    buffer = hardy.open(None, lines)
    assert len(lines) > 10 * MEBIBYTE
    buffer.move(len(lines) // 2)
    hardy.type(buffer, "x")
    await ask_everything(hardy, buffer)


async def test_a_line_of_one_megabyte(hardy: Editor) -> None:
    buffer = hardy.open(None, "data = [" + "12345678, " * (MEBIBYTE // 10))
    hardy.type(buffer, "9")
    await ask_everything(hardy, buffer)
    buffer.move(len(buffer.text) // 2)
    await ask_everything(hardy, buffer)


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
async def test_line_endings_are_kept(hardy: Editor, ending: str) -> None:
    buffer = hardy.open(None, (SOURCE + "accounts:\n            ").replace("\n", ending))
    items = await ask_everything(hardy, buffer)
    assert items
    text = insert_text(items[0])
    assert "\n" not in text.replace(ending, "")
    assert "\r" not in text.replace(ending, "")


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_emoji_and_cjk_before_the_cursor(listener: Listening, encoding: str) -> None:
    async with await listener.join() as editor:
        options = PATIENT | {"token": listener.token}
        await editor.initialize({"general": {"positionEncodings": [encoding]}}, options=options)
        await wait_until_ready(editor)
        assert editor.encoding == encoding
        head = SOURCE.rpartition("\n")[0] + '\n        "🎉日本語é" in '
        buffer = editor.open(None, head + "self.)\n")
        buffer.move(len(head) + len("self."))
        items = inline_items(await editor.inline(buffer, "invoked").result())
        assert items
        span = items[0]["range"]
        assert buffer.offset(span["start"]) == buffer.cursor
        assert span["start"] == buffer.position(buffer.cursor)
        assert span["end"]["line"] == span["start"]["line"]
        editor.accept(buffer, items[0])
        assert buffer.text.startswith(head + "self." + insert_text(items[0]))
        await ask_everything(editor, buffer)


async def test_edits_out_of_range_and_of_unopened_documents(hardy: Editor) -> None:
    buffer = hardy.open(None, "x = 1\n")
    wild = {"start": {"line": 5, "character": 70}, "end": {"line": 9, "character": 0}}
    buffer.version += 1
    hardy.changed(buffer, [{"range": wild, "text": "y = 2\n"}])
    stranger = {"uri": "untitled:never-opened", "version": 2}
    hardy.wire.notify("textDocument/didChange", {"textDocument": stranger, "contentChanges": [{"text": "z"}]})
    hardy.wire.notify("textDocument/didClose", {"textDocument": {"uri": "untitled:never-opened"}})
    buffer.text += "y = 2\n"
    buffer.move(len(buffer.text))
    for item in await ask_everything(hardy, buffer):
        assert buffer.offset(item["range"]["start"]) <= buffer.cursor
