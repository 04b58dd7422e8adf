"""The service against a scripted backend: one answer each, streaming, failures."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from aix_lsp.backends.base import BackendError, BackendStatus, BackendUnavailable, Priority, Usage
from aix_lsp.completion.cursor import Multiline
from aix_lsp.completion.request import Trigger
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Position
from aix_lsp.fim.confidence import ConfidenceThresholds
from aix_lsp.settings import Settings
from tests.completion.scripted import SETTINGS, Editor, ScriptedBackend, texts, turns, under_way

# Streaming


async def test_updates_are_cumulative_and_the_last_one_is_done(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "import os\nx = |\ny = 1\n")
    answer, call = await under_way(editor, backend)
    for snippet in (
        "os",
        ".get",
        "cwd()",
    ):  # an unfinished word is held back: it may be removed at the end
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


async def test_the_prompt_is_the_text_around_the_cursor(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "a = 1\r\nb = f(|)\r\nc = 3\r\n")
    answer, call = await under_way(editor, backend)
    prompt = call.request.prompt
    assert (prompt.prefix, prompt.middle, prompt.suffix) == ("a = 1\n", "b = f(", "\nc = 3\n")
    assert (prompt.path, prompt.language) == ("a.py", "python")
    assert call.request.stop_when == "line"
    assert call.request.priority == Priority.TYPED
    call.end()
    await answer


def bring_the_deadline_forward(editor: Editor) -> None:
    """As if most of a request's time had passed; from the next text on, it waits only for a moment."""
    [pending] = editor.service._documents[editor.uri].pending_requests.values()
    pending.deadline = asyncio.get_running_loop().time() + 0.05


async def test_the_deadline_returns_the_best_so_far_and_generation_continues(
    backend: ScriptedBackend,
) -> None:
    service = CompletionService(backend, lambda language: replace(SETTINGS, deadline_ms=60_000))
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend)
    bring_the_deadline_forward(editor)
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


async def test_a_suggestion_ended_by_a_filter_is_cancelled_in_the_backend(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend)
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
    answer, call = await under_way(
        editor, backend, request=replace(editor.request(), position=Position(99, 99))
    )
    assert call.request.prompt.prefix + call.request.prompt.middle == "x = 1\ny = "
    call.write("2")
    call.end()
    assert texts(await answer)[-1] == "2"


async def test_inside_a_word_only_explicit_requests_are_answered(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "fo|o = 1\n")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()
    answer = editor.watch(editor.request("invoked"))
    (await backend.called()).end()
    await answer


async def test_a_word_begun_before_another_is_a_new_one(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "use |value\n")
    editor.type("a")
    editor.type("n")
    answer, call = await under_way(editor, backend)
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
async def test_the_backend_receives_the_confidence_thresholds(
    backend: ScriptedBackend,
    confidence: float,
    multiline: Multiline,
    trigger: Trigger,
    least: ConfidenceThresholds,
) -> None:
    settings = replace(SETTINGS, confidence=confidence, multiline=multiline)
    service = CompletionService(backend, lambda language: settings)
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend, request=editor.request(trigger))
    assert call.request.confidence == least
    call.end()
    await answer
    await service.close()


async def test_an_explicit_request_gets_in_full_what_was_cut_for_low_confidence(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend)
    call.write("foo(bar")
    call.end("length")
    assert texts(await answer)[-1] == "foo("
    answer, call = await under_way(editor, backend, request=editor.request("invoked"))
    call.write("foo(barb)")
    call.end()
    assert texts(await answer)[-1] == "foo(barb)"
    assert texts(await editor.watch(editor.request("invoked"))) == ["foo(barb)"]
    await backend.not_called()


async def test_a_word_cut_by_the_deadline_is_left_out(backend: ScriptedBackend) -> None:
    service = CompletionService(backend, lambda language: replace(SETTINGS, deadline_ms=60_000))
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend)
    bring_the_deadline_forward(editor)
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
    answer, call = await under_way(editor, backend)
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


async def test_a_backend_that_becomes_ready_in_time_is_retried(
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


async def test_a_lasting_failure_is_reported_once(
    service: CompletionService, backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    editor = Editor.at(service, "x = |\n")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            answer = editor.watch()
            (await backend.called()).fail(BackendError("set aix.model"))
            await answer
    assert len([record for record in caplog.records if "set aix.model" in record.message]) == 1


async def test_no_backend_call_when_switched_off(backend: ScriptedBackend) -> None:
    service = CompletionService(backend, lambda language: Settings(enabled=language != "python"))
    editor = Editor.at(service, "x = |\n")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()
