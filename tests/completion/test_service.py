"""The service against a scripted backend: one answer each, re-attachment, divergence, reuse, superseding."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from aix_lsp.backends.base import BackendError, BackendStatus, BackendUnavailable, Priority, Usage
from aix_lsp.completion.cursor import Multiline
from aix_lsp.completion.request import ContentModified, SelectedCompletion, Superseded, Trigger
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Position
from aix_lsp.fim.confidence import ConfidenceThresholds
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, ScriptedBackend, texts, turns

SETTINGS = Settings(deadline_ms=60_000, prefetch="never")


@pytest.fixture
async def backend() -> ScriptedBackend:
    return ScriptedBackend()


@pytest.fixture
async def service(backend: ScriptedBackend) -> AsyncIterator[CompletionService]:
    made = CompletionService(backend, lambda language: SETTINGS)
    yield made
    await made.close()
    assert all(call.closed.is_set() for call in backend.calls)


# Streaming


async def test_updates_are_cumulative_and_the_last_one_is_done(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "import os\nx = |\ny = 1\n")
    answer = editor.watch()
    call = await backend.called()
    for snippet in (
        "os",
        ".get",
        "cwd()",
    ):  # a word being written is kept back: it could be taken off at the end
        call.write(snippet)
        await turns()
    call.end(usage=Usage(prompt_tokens=20, cached_tokens=12, completion_tokens=4))
    updates = await answer
    assert texts(updates) == ["os", "os.getcwd()", "os.getcwd()"]
    assert [update.done for update in updates] == [False, False, True]
    last = updates[-1].suggestions[0]
    assert (last.source, last.prompt_tokens, last.reused_tokens, last.completion_tokens) == (
        "model",
        20,
        12,
        4,
    )
    assert len({update.suggestions[0].id for update in updates}) == 1


async def test_the_prompt_is_what_stands_around_the_cursor(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "a = 1\r\nb = f(|)\r\nc = 3\r\n")
    answer = editor.watch()
    call = await backend.called()
    prompt = call.request.prompt
    assert (prompt.prefix, prompt.middle, prompt.suffix) == ("a = 1\n", "b = f(", "\nc = 3\n")
    assert (prompt.path, prompt.language) == ("a.py", "python")
    assert call.request.stop_when == "line"
    assert call.request.priority == Priority.TYPED
    call.end()
    await answer


async def test_the_deadline_brings_the_best_so_far_and_generation_goes_on(backend: ScriptedBackend) -> None:
    service = CompletionService(backend, lambda language: Settings(deadline_ms=500, prefetch="never"))
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("foo")
    updates = await answer
    assert texts(updates)[-1] == "foo"
    assert updates[-1].done
    assert not call.closed.is_set()
    editor.type("f")
    call.write("(1)")
    call.end()
    await turns()
    assert texts(await editor.watch()) == ["oo(1)"]
    await backend.not_called()
    await service.close()


async def test_what_the_filters_end_ends_in_the_backend(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("1\ny = 2")
    assert texts(await answer)[-1] == "1"
    await call.closed.wait()


@pytest.mark.parametrize("source", ["|", "\n\n|", "   |", "x = 'a\0b'|"])
async def test_odd_documents_are_answered(
    service: CompletionService, backend: ScriptedBackend, source: str
) -> None:
    editor = Editor.at(service, source)
    answer = editor.watch()
    await turns()
    for call in backend.calls:
        call.end()
    assert (await answer)[-1].done


async def test_a_cursor_past_the_end_is_at_the_end(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = 1\ny = |")
    answer = editor.watch(replace(editor.request(), position=Position(99, 99)))
    call = await backend.called()
    assert call.request.prompt.prefix + call.request.prompt.middle == "x = 1\ny = "
    call.write("2")
    call.end()
    assert texts(await answer)[-1] == "2"


async def test_inside_a_word_only_an_invoked_ask_is_answered(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "fo|o = 1\n")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()
    answer = editor.watch(editor.request("invoked"))
    (await backend.called()).end()
    await answer


async def test_a_word_begun_in_front_of_another_is_a_new_one(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "use |value\n")
    editor.type("a")
    editor.type("n")
    answer = editor.watch()
    call = await backend.called()
    call.write("other ")
    call.end()
    assert texts(await answer)[-1] == "other "
    editor.cursor = Position(0, 2)
    assert texts(await editor.watch()) == [""]
    editor.type("x")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()


@pytest.mark.parametrize(
    ("confidence", "multiline", "trigger", "least"),
    [
        (0.0, "auto", "automatic", ConfidenceThresholds()),
        (0.001, "auto", "automatic", ConfidenceThresholds(head=0.02, whole=0.001, further=0.1)),
        (0.001, "always", "automatic", ConfidenceThresholds(head=0.02, whole=0.001)),
        (0.3, "auto", "automatic", ConfidenceThresholds(head=0.3, whole=0.3, further=0.3)),
        (0.3, "auto", "invoked", ConfidenceThresholds()),
    ],
)
async def test_the_backend_is_told_what_is_too_unlikely(
    backend: ScriptedBackend,
    confidence: float,
    multiline: Multiline,
    trigger: Trigger,
    least: ConfidenceThresholds,
) -> None:
    settings = replace(SETTINGS, confidence=confidence, multiline=multiline)
    service = CompletionService(backend, lambda language: settings)
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch(editor.request(trigger))
    call = await backend.called()
    assert call.request.confidence == least
    call.end()
    await answer
    await service.close()


async def test_what_was_cut_for_doubt_is_asked_for_in_full_by_hand(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("foo(bar")
    call.end("length")
    assert texts(await answer)[-1] == "foo("
    answer = editor.watch(editor.request("invoked"))
    call = await backend.called()
    call.write("foo(barb)")
    call.end()
    assert texts(await answer)[-1] == "foo(barb)"
    assert texts(await editor.watch(editor.request("invoked"))) == ["foo(barb)"]
    await backend.not_called()


async def test_a_word_that_the_deadline_cuts_is_left_out(backend: ScriptedBackend) -> None:
    service = CompletionService(backend, lambda language: Settings(deadline_ms=500, prefetch="never"))
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("foo(ba")
    assert texts(await answer)[-1] == "foo("
    editor.type("f")
    answer = editor.watch()
    call.write("r)")
    call.end()
    assert texts(await answer)[-1] == "oo(bar)"
    await backend.not_called()
    await service.close()


async def test_crlf_documents_get_crlf(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "def f():\r\n    |\r\n")
    answer = editor.watch()
    call = await backend.called()
    assert call.request.stop_when == "block"
    call.write("x = 1\n    return x\n")
    call.end()
    assert texts(await answer)[-1] == "x = 1\r\n    return x"


# Failures


@pytest.mark.parametrize("error", [BackendUnavailable("loading"), BackendError("no"), RuntimeError("bug")])
async def test_a_failing_backend_gives_an_empty_answer(
    service: CompletionService,
    backend: ScriptedBackend,
    error: Exception,
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    (await backend.called()).fail(error)
    updates = await answer
    assert [(update.suggestions, update.done) for update in updates] == [((), True)]
    again = editor.watch()
    (await backend.called()).end()
    assert (await again)[-1].done


async def test_a_backend_that_becomes_ready_in_time_is_asked_again(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    backend.status = BackendStatus("loading")
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    popup = editor.watch(editor.request(channel="popup"))
    (await backend.called()).fail(BackendUnavailable("loading"))
    assert texts(await popup) == [""]
    await backend.not_called()
    backend.status = BackendStatus("ready")
    call = await backend.called_later()
    call.write("foo")
    call.end()
    assert texts(await answer)[-1] == "foo"


async def test_a_lasting_failure_is_said_once(
    service: CompletionService, backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    editor = Editor.at(service, "x = |\n")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            answer = editor.watch()
            (await backend.called()).fail(BackendError("set aix.model"))
            await answer
    assert len([record for record in caplog.records if "set aix.model" in record.message]) == 1


async def test_switched_off_means_no_call(backend: ScriptedBackend) -> None:
    service = CompletionService(backend, lambda language: Settings(enabled=language != "python"))
    editor = Editor.at(service, "x = |\n")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()


# Typing along, and away


async def test_typing_along_keeps_the_generation_and_the_next_ask_joins_it(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first = editor.watch()
    call = await backend.called()
    call.write("foo(")
    await turns()
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
    answer = editor.watch()
    call = await backend.called()
    call.write("foo")
    await turns()
    editor.type("g")
    await turns()
    assert call.closed.is_set()
    with pytest.raises(ContentModified):
        await answer


async def test_backspacing_within_what_was_typed_keeps_the_generation(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("foo")
    await turns()
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
    first = editor.watch()
    call = await backend.called()
    editor.type("f")
    second = editor.watch()
    await turns()
    assert not call.closed.is_set()
    call.write("foo")
    call.end()
    assert texts(await second)[-1] == "oo"
    with pytest.raises(Superseded):
        await first


async def test_a_model_that_says_otherwise_is_cancelled_and_asked_anew(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first = editor.watch()
    call = await backend.called()
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
async def test_an_ask_older_than_what_was_typed_has_no_use_for_another_text(
    service: CompletionService, backend: ScriptedBackend, in_one_piece: bool
) -> None:
    editor = Editor.at(service, "x = |\n" + "a = 1\n" * 100)
    old = editor.watch()
    call = await backend.called()
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
    old = editor.watch()
    call = await backend.called()
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
    first = editor.watch()
    call = await backend.called()
    call.write("(a")
    await turns()
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
    answer = editor.watch()
    call = await backend.called()
    editor.edit(Position(0, 0), Position(0, 0), "import os\n", Position(cursor.line + 1, cursor.column))
    editor.edit(Position(195, 0), Position(196, 0), "", editor.cursor)
    editor.type("f")
    call.write("foo")
    await turns()
    assert not call.closed.is_set()
    call.end()
    assert texts(await answer)[-1] == "foo"
    assert texts(await editor.watch()) == ["oo"]


async def test_an_edit_next_to_the_place_diverges(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "y = 1\nx = |\n")
    answer = editor.watch()
    call = await backend.called()
    editor.edit(Position(0, 4), Position(0, 5), "2", editor.cursor)
    await turns()
    assert call.closed.is_set()
    with pytest.raises(ContentModified):
        await answer


async def test_an_ask_may_be_older_than_the_document(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    request = editor.request()
    editor.type("f")
    answer = editor.watch(request)
    call = await backend.called()
    assert call.request.prompt.middle == "x = "
    call.write("foo")
    call.end()
    assert texts(await answer)[-1] == "foo"
    service.clear()
    late = editor.request()
    editor.backspace(2)
    with pytest.raises(ContentModified):
        await editor.watch(late)


# Reuse


async def finished(editor: Editor, backend: ScriptedBackend, text: str) -> None:
    """A generation at the editor's cursor that has written `text`."""
    answer = editor.watch()
    call = await backend.called()
    call.write(text)
    call.end()
    await answer


async def test_a_finished_suggestion_is_used_again(
    service: CompletionService, backend: ScriptedBackend
) -> None:
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


async def test_an_accepted_line_is_not_asked_about_again(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    await finished(editor, backend, "foo()")
    editor.type("foo()")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()


async def test_nothing_found_is_remembered_too(service: CompletionService, backend: ScriptedBackend) -> None:
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


async def test_closing_the_answer_ends_the_generation(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("foo")
    await turns()
    answer.cancel()
    await turns()
    assert call.closed.is_set()


async def test_after_typing_along_a_cancelled_ask_leaves_time_for_the_next(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    first = editor.watch()
    call = await backend.called()
    call.write("foo")
    await turns()
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


async def test_nobody_coming_back_ends_it(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = |\n")
    first = editor.watch()
    call = await backend.called()
    call.write("foo")
    await turns()
    editor.type("f")
    first.cancel()
    await asyncio.wait_for(call.closed.wait(), 60)
    assert len(backend.calls) == 1


async def test_two_channels_share_a_generation(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "x = |\n")
    inline = editor.watch(editor.request(channel="inline"))
    call = await backend.called()
    popup = editor.watch(editor.request(channel="popup"))
    await turns()
    popup.cancel()
    await turns()
    assert not call.closed.is_set()
    call.write("foo")
    call.end()
    assert texts(await inline)[-1] == "foo"
    await backend.not_called()


async def test_a_new_place_ends_the_old_ones_generation(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\ny = 1\n")
    first = editor.watch()
    old = await backend.called()
    editor.cursor = Position(1, 5)
    second = editor.watch()
    new = await backend.called()
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
    answer = editor.watch()
    call = await backend.called()
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
    answer = editor.watch(replace(editor.request(), selected=selected))
    call = await backend.called()
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


async def test_an_invoked_ask_at_a_lines_end_may_get_the_next_lines(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "def f():\n    x = 1|\n")
    await finished(editor, backend, "\n")
    answer = editor.watch(editor.request("invoked"))
    call = await backend.called()
    assert call.request.stop_when == ""
    call.write("\n    return x\n\n    more")
    assert texts(await answer)[-1] == "\n    return x"
    await call.closed.wait()
    editor.type("\n")
    assert texts(await editor.watch()) == ["    return x"]
    await backend.not_called()


async def test_an_invoked_ask_gets_several_distinct_candidates(
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


async def test_a_pasted_key_is_neither_sent_nor_is_its_stand_in_shown(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    key = "ghp_" + "aB3dE5" * 6
    editor = Editor.at(service, f"token = '{key}'\nx = |\nother = '{key}'\n")
    answer = editor.watch()
    call = await backend.called()
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
    answer = editor.watch()
    call = await backend.called()
    call.request.prompt.prefix.encode()
    call.write("1")
    call.end()
    assert texts(await answer)[-1] == "1"
