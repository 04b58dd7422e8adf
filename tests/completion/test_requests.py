"""Requests against a scripted backend: answered from cache, cancelled, superseded; what is never sent."""

from __future__ import annotations

import asyncio

# Reuse
from dataclasses import replace

import pytest

from aix_lsp.backends.base import Priority
from aix_lsp.completion.request import ContentModified, SelectedCompletion, Superseded
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Position
from tests.completion.scripted import Editor, ScriptedBackend, finished, texts, turns, under_way


async def test_a_finished_suggestion_is_reused(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = |\n")
    await finished(editor, backend, "foo(a, b)")
    for typed, rest in [("f", "oo(a, b)"), ("oo(", "a, b)"), ("a, ", "b)")]:
        editor.type(typed)
        updates = await editor.watch()
        assert texts(updates) == [rest]
        assert updates[0].suggestions[0].source == "reuse"
        assert updates[0].suggestions[0].prompt_tokens == 0
    editor.backspace(4)
    assert texts(await editor.watch()) == ["(a, b)"]
    await backend.not_called()


async def test_file_language_and_suffix_matter(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = |\n")
    await finished(editor, backend, "foo()")
    others = [
        Editor.at(service, "x = |\n", uri="file:///project/b.py"),
        Editor.at(service, "x = |\ny = 2\n"),
        Editor.at(service, "x = |\n", language="ruby"),
    ]
    for number, other in enumerate(others):
        await finished(other, backend, f"bar{number}")
        assert texts(await other.watch()) == [f"bar{number}"]


async def test_an_accepted_line_is_not_requested_again(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    await finished(editor, backend, "foo()")
    editor.type("foo()")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()


async def test_an_empty_answer_is_cached_too(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = 1|\n")
    await finished(editor, backend, "\n")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()


async def test_clear_forgets(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = |\n")
    await finished(editor, backend, "foo()")
    service.clear()
    await finished(editor, backend, "bar()")
    assert texts(await editor.watch()) == ["bar()"]


# Cancelling and superseding


async def test_closing_the_answer_cancels_the_generation(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend, "foo")
    answer.cancel()
    await turns()
    assert call.closed.is_set()


async def test_after_typing_along_a_cancelled_request_leaves_time_for_the_next(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first, call = await under_way(editor, backend, "foo")
    editor.type("f")
    first.cancel()
    await turns()
    assert not call.closed.is_set()
    second = editor.watch()
    await turns()
    call.write("bar")
    call.end()
    assert texts(await second)[-1] == "oobar"
    await backend.not_called()


async def test_a_generation_ends_if_nobody_comes_back(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first, call = await under_way(editor, backend, "foo")
    editor.type("f")
    first.cancel()
    await asyncio.wait_for(call.closed.wait(), 60)
    assert len(backend.calls) == 1


async def test_two_channels_share_a_generation(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = |\n")
    inline, call = await under_way(editor, backend, request=editor.request(channel="inline"))
    popup = editor.watch(editor.request(channel="popup"))
    await turns()
    popup.cancel()
    await turns()
    assert not call.closed.is_set()
    call.write("foo")
    call.end()
    assert texts(await inline)[-1] == "foo"
    await backend.not_called()


async def test_a_new_position_ends_the_old_ones_generation(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\ny = 1\n")
    first, old = await under_way(editor, backend)
    editor.cursor = Position(1, 5)
    second, new = await under_way(editor, backend)
    await turns()
    assert old.closed.is_set()
    assert old.request.stream_key == new.request.stream_key
    new.end()
    with pytest.raises(Superseded):
        await first
    await second


async def test_closing_the_document_ends_everything(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend)
    service.document_closed(editor.uri)
    await turns()
    assert call.closed.is_set()
    with pytest.raises(ContentModified):
        await answer


# Popup entries and candidates


async def test_the_selected_entry_counts_as_typed(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "pri|\n")
    selected = SelectedCompletion(Position(0, 0), "print")
    answer, call = await under_way(editor, backend, request=replace(editor.request(), selected=selected))
    assert call.request.prompt.middle == "print"
    call.write("(x")
    await turns()
    editor.type("n")
    await turns()
    assert not call.closed.is_set()
    call.write(")")
    call.end()
    assert texts(await answer)[-1] == "(x)"
    editor.edit(Position(0, 0), editor.cursor, "print")
    assert texts(await editor.watch()) == ["(x)"]
    await backend.not_called()


async def test_an_explicit_request_at_the_end_of_a_line_may_get_the_next_lines(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "def f():\n    x = 1|\n")
    await finished(editor, backend, "\n")
    answer, call = await under_way(editor, backend, request=editor.request("invoked"))
    assert call.request.stop_when == ""
    call.write("\n    return x\n\n    more")
    assert texts(await answer)[-1] == "\n    return x"
    await call.closed.wait()
    editor.type("\n")
    assert texts(await editor.watch()) == ["    return x"]
    await backend.not_called()


async def test_an_explicit_request_gets_several_distinct_candidates(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch(editor.request("invoked", candidates=3))
    first, more = await backend.called(), await backend.called()
    assert (first.request.n, more.request.n) == (1, 2)
    assert first.request.priority == Priority.INVOKED
    assert first.request.temperature == 0 < more.request.temperature
    assert first.request.stream_key != more.request.stream_key
    first.write("foo( 1)")
    first.end()
    more.write("foo(1)", 0)
    more.write("bar", 1)
    more.end()
    suggestions = (await answer)[-1].suggestions
    assert [suggestion.text for suggestion in suggestions] == ["foo( 1)", "bar"]
    assert len({suggestion.id for suggestion in suggestions}) == 2


async def test_candidates_that_parse_come_first(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "def f(a):\n    x = |\n    return x\n")
    answer = editor.watch(editor.request("invoked", candidates=3))
    first, more = await backend.called(), await backend.called()
    first.write("a b")
    first.end()
    more.write("a + b c", 0)
    more.write("a + 1", 1)
    more.end()
    assert [suggestion.text for suggestion in (await answer)[-1].suggestions] == ["a + 1", "a b", "a + b c"]


# What is never sent


async def test_a_file_that_may_hold_secrets_is_inactive(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "TOKEN=|\n", uri="file:///project/.env")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()
    assert ".env may hold secrets" in (service.inactive_reason(editor.uri, "dotenv") or "")


async def test_neither_a_pasted_key_is_sent_nor_its_placeholder_shown(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    key = "ghp_" + "aB3dE5" * 6
    editor = Editor.at(service, f"token = '{key}'\nx = |\nother = '{key}'\n")
    answer, call = await under_way(editor, backend)
    prompt = call.request.prompt
    stand_in = "ghp_" + "xX0xX0" * 6
    assert prompt.prefix + prompt.middle == f"token = '{stand_in}'\nx = "
    assert prompt.suffix == f"\nother = '{stand_in}'\n"
    call.write(f"f('{stand_in}')")
    call.end()
    assert texts(await answer)[-1] == "f('ghp_"


async def test_a_lone_surrogate_does_not_stop_anything(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "s = '\ud83d'\nx = |\n")
    answer, call = await under_way(editor, backend)
    call.request.prompt.prefix.encode()
    call.write("1")
    call.end()
    assert texts(await answer)[-1] == "1"
