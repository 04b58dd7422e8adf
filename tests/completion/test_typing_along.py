"""Generations during typing: joined, kept through edits, cancelled when the text diverges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aix_lsp.completion.request import ContentModified, Superseded
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Position
from tests.completion.scripted import SETTINGS, Editor, ScriptedBackend, texts, turns, under_way


async def test_typing_along_keeps_the_generation_and_the_next_request_joins_it(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first, call = await under_way(editor, backend, "foo(")
    editor.type("f")
    second = editor.watch()
    await turns()
    with pytest.raises(Superseded):
        await first
    call.write("1)")
    call.end()
    updates = await second
    assert texts(updates) == ["oo(", "oo(1)", "oo(1)"]
    await backend.not_called()


async def test_divergence_closes_the_stream_at_the_change(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend, "foo")
    editor.type("g")
    await turns()
    assert call.closed.is_set()
    with pytest.raises(ContentModified):
        await answer


async def test_backspacing_within_what_was_typed_keeps_the_generation(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend, "foo")
    editor.type("fo")
    editor.backspace()
    await turns()
    assert not call.closed.is_set()
    editor.backspace()
    editor.backspace()
    await turns()
    assert call.closed.is_set()
    with pytest.raises(ContentModified):
        await answer


async def test_typing_ahead_of_the_model_waits_for_it(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first, call = await under_way(editor, backend)
    editor.type("f")
    second = editor.watch()
    await turns()
    assert not call.closed.is_set()
    call.write("foo")
    call.end()
    assert texts(await second)[-1] == "oo"
    with pytest.raises(Superseded):
        await first


async def test_a_generation_that_diverges_is_cancelled_and_restarted(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first, call = await under_way(editor, backend)
    editor.type("g")
    second = editor.watch()
    await turns()
    call.write("foo")
    other = await backend.called()
    await call.closed.wait()
    assert other.request.prompt.prefix + other.request.prompt.middle == "x = g"
    other.write("et()")
    other.end()
    assert texts(await second)[-1] == "et()"
    with pytest.raises(Superseded):
        await first


@pytest.mark.parametrize("in_one_piece", [True, False])
async def test_a_request_older_than_the_typing_does_not_accept_another_text(
    service: CompletionService, backend: ScriptedBackend, in_one_piece: bool
) -> None:
    editor = Editor.at(service, "x = |\n" + "a = 1\n" * 100)
    old, call = await under_way(editor, backend)
    editor.type("g")
    new = editor.watch(editor.request(channel="popup"))
    await turns()
    editor.edit(Position(90, 0), Position(90, 0), "y = 1\n", editor.cursor)
    call.write("foo")
    if in_one_piece:
        call.end()
    with pytest.raises(ContentModified):
        await old
    other = await backend.called()
    other.write("et()")
    other.end()
    assert texts(await new)[-1] == "et()"


async def test_two_channels_that_waited_for_a_pause_share_a_generation(backend: ScriptedBackend) -> None:
    made = CompletionService(backend, lambda _: replace(SETTINGS, url="http://elsewhere", wait_ms=50))
    editor = Editor.at(made, "x = |\n")
    for character in "foo":
        editor.type(character)
    answers = [editor.watch(editor.request(channel=channel)) for channel in ("inline", "popup")]
    call = await backend.called_later()
    call.write("bar()")
    call.end()
    assert [texts(await answer)[-1] for answer in answers] == ["bar()"] * 2
    await backend.not_called()
    await made.close()


async def test_two_channels_whose_generation_turns_out_wrong_share_the_next(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    old, call = await under_way(editor, backend)
    editor.type("g")
    answers = [editor.watch(editor.request(channel=channel)) for channel in ("inline", "popup")]
    await turns()
    call.write("foo")
    other = await backend.called()
    other.write("et()")
    other.end()
    assert [texts(await answer)[-1] for answer in answers] == ["et()"] * 2
    await backend.not_called()
    with pytest.raises(Superseded):
        await old


async def test_a_paired_bracket_is_typing_along(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = f|\n")
    first, call = await under_way(editor, backend, "(a")
    editor.pair("()")
    await turns()
    assert not call.closed.is_set()
    second = editor.watch()
    call.write(", b)")
    call.end()
    suggestion = (await second)[-1].suggestions[0]
    assert (suggestion.text, suggestion.replace_right) == ("a, b)", 1)
    await backend.not_called()
    with pytest.raises(Superseded):
        await first


async def test_edits_elsewhere_leave_a_generation_alone(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "import re\n" + "a = 1\n" * 100 + "x = |\n" + "b = 2\n" * 100)
    cursor = editor.cursor
    answer, call = await under_way(editor, backend)
    editor.edit(Position(0, 0), Position(0, 0), "import os\n", Position(cursor.line + 1, cursor.column))
    editor.edit(Position(195, 0), Position(196, 0), "", editor.cursor)
    editor.type("f")
    call.write("foo")
    await turns()
    assert not call.closed.is_set()
    call.end()
    assert texts(await answer)[-1] == "foo"
    assert texts(await editor.watch()) == ["oo"]


async def test_an_edit_next_to_the_cursor_diverges(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "y = 1\nx = |\n")
    answer, call = await under_way(editor, backend)
    editor.edit(Position(0, 4), Position(0, 5), "2", editor.cursor)
    await turns()
    assert call.closed.is_set()
    with pytest.raises(ContentModified):
        await answer


async def test_a_request_may_be_older_than_the_document(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    request = editor.request()
    editor.type("f")
    answer, call = await under_way(editor, backend, request=request)
    assert call.request.prompt.middle == "x = "
    call.write("foo")
    call.end()
    assert texts(await answer)[-1] == "foo"
    service.clear()
    late = editor.request()
    editor.backspace(2)
    with pytest.raises(ContentModified):
        await editor.watch(late)
