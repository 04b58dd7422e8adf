"""Open, type, and get suggestions from the embedded model, through all requests that the server offers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from tests.client.editor import Editor
from tests.client.engine_watch import EngineClient
from tests.client.listening import Listening
from tests.client.lsp import inline_items, insert_text
from tests.client.readiness import wait_until_ready
from tests.end_to_end.conftest import PATIENT, SOURCE


def items_of(result: Any) -> list[dict[str, Any]]:
    return list(result["items"]) if isinstance(result, dict) else list(result or [])


async def test_inline_completion_suggests_text_found_elsewhere_in_the_file(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    items = inline_items(await editor.inline(buffer, "invoked").result())
    assert insert_text(items[0]).startswith("accounts")


async def test_our_own_request_reports_the_cost_of_a_suggestion(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    data = inline_items(await editor.stream(buffer, "invoked").result())[0]["data"]
    assert data["source"] == "model"
    assert data["promptTokens"] > 100
    assert 0 < data["firstTextMs"] <= data["totalMs"]


async def test_accepting_inserts_exactly_the_suggestion(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    item = inline_items(await editor.inline(buffer, "invoked").result())[0]
    editor.accept(buffer, item)
    assert buffer.text == SOURCE + insert_text(item)


async def test_the_engine_learns_how_many_suggestions_were_accepted(
    editor: Editor, engine_home: Path
) -> None:
    async with EngineClient(engine_home) as engine:
        before = await engine.metrics()
        buffer = editor.open(None, SOURCE)
        item = inline_items(await editor.stream(buffer, "invoked").result())[0]
        editor.accept(buffer, item)
        editor.wire.notify("aix/didAccept", {"id": item["data"]["id"]})
        editor.type(buffer, "\n\nvalue = Ledger(")  # needs a new request to the model
        await editor.inline(buffer, "invoked").result()
        after = await engine.metrics()
    for outcome in ("shown", "accepted"):
        name = f'aix_suggestions_total{{outcome="{outcome}"}}'
        assert after[name] >= before[name] + 1


async def test_completion_has_an_item_with_a_range_that_fits(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    editor.type(buffer, "acc")
    result = await editor.complete(buffer).result()
    ours = items_of(result)
    assert ours
    edit = ours[0].get("textEdit") or {"range": result["itemDefaults"]["editRange"]}
    span = edit.get("range") or edit["insert"]
    span = span.get("insert", span)
    covered = buffer.text[buffer.offset(span["start"]) : buffer.cursor]
    text = ours[0].get("filterText") or ours[0]["label"]
    assert text.startswith(covered)


async def test_streaming_text_is_cumulative_and_ends_as_the_answer(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE + "accounts:\n            ")
    call = editor.stream(buffer, "invoked")
    items = inline_items(await call.result())
    values = [value for _, value in call.progress]
    assert items
    assert [value["sequence"] for value in values] == sorted({value["sequence"] for value in values})
    texts = [value["text"] for value in values]
    assert len(texts) > 1
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert [value["done"] for value in values] == [False] * (len(values) - 1) + [True]
    assert texts[-1] == insert_text(items[0])


async def test_typing_along_is_answered_without_the_model(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    first = insert_text(inline_items(await editor.inline(buffer, "invoked").result())[0])
    editor.type(buffer, first[:3])
    items = inline_items(await editor.stream(buffer).result())
    assert insert_text(items[0]) == first[3:]
    assert items[0]["data"]["source"] == "reuse"


async def test_the_next_keystroke_computes_a_handful_of_tokens(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE[: -len("self.")])
    await editor.stream(buffer, "invoked").result()
    for char in "self":
        editor.type(buffer, char)
        items = inline_items(await editor.stream(buffer, "invoked").result())
        if items and items[0]["data"]["source"] == "model":
            data = items[0]["data"]
            assert data["promptTokens"] - data["reusedTokens"] <= 8


async def test_partial_results_of_the_popup_contain_each_item_once(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    call = editor.complete(buffer, partial=True)
    result = items_of(await call.result())
    streamed = [item for _, value in call.progress for item in items_of(value)]
    assert streamed or result
    assert not (streamed and result), "the final answer repeats what was streamed"
    texts = [item.get("textEditText") or item["textEdit"]["newText"] for item in streamed]
    assert len(texts) == len(set(texts))


async def test_incremental_edits_are_equivalent_to_the_whole_text(listener: Listening) -> None:
    """After edits behind emoji and CJK characters, the answer is the same as for the text opened afresh.

    Without recall, which finds each of the two texts in the other once that is uploaded.
    """
    for encoding in ("utf-8", "utf-16", "utf-32"):
        async with await listener.join() as editor:
            options = PATIENT | {"token": listener.token, "recall": False}
            await editor.initialize({"general": {"positionEncodings": [encoding]}}, options=options)
            assert editor.encoding == encoding
            await wait_until_ready(editor)
            edited = editor.open(None, SOURCE.replace("already", "🎉日本 already"))
            edited.move(edited.find("🎉日本", after=True))
            editor.type(edited, "é🐍x")
            editor.backspace(edited, 2)
            edited.move(len(edited.text))
            fresh = editor.open(None, edited.text)
            answers = [
                inline_items(await editor.inline(buffer, "invoked").result()) for buffer in (edited, fresh)
            ]
            assert answers[0]
            assert insert_text(answers[0][0]) == insert_text(answers[1][0])
            editor.accept(edited, answers[0][0])
            assert edited.text == fresh.text + insert_text(answers[0][0])
