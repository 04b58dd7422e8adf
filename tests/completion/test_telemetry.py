"""The counts: each suggestion is counted once, whatever a client reports about it, and however often."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from aix_lsp import statistics
from aix_lsp.backends.base import Usage
from aix_lsp.completion.request import ContentModified, Suggestion
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.telemetry import Feedback, figures, retained
from aix_lsp.completion.text import Position, Text
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, ScriptedBackend, under_way

GIVEN = [Suggestion("a", "foo(a, b)")]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("shown", 0)] * 3, {"shown": 1, "shown_characters": 9}),
        (
            [("accepted", 0), ("accepted", 0), ("rejected", 0)],
            {"shown": 1, "shown_characters": 9, "accepted": 1, "kept_characters": 9},
        ),
        (
            [("partly", 4), ("partly", 3), ("accepted", 0)],
            {"shown": 1, "shown_characters": 9, "partly": 1, "kept_characters": 9},
        ),
        ([("partly", 100)], {"shown": 1, "shown_characters": 9, "partly": 1, "kept_characters": 9}),
        ([("partly", -1)], {"shown": 1, "shown_characters": 9, "partly": 1}),
        ([("rejected", 0), ("rejected", 0)], {"rejected": 1}),
        ([("devoured", 0), ("", 0)], {}),
    ],
)
def test_feedback_on_a_suggestion(events: list[tuple[str, int]], expected: dict[str, int]) -> None:
    counts: Counter[str] = Counter()
    feedback = Feedback(lambda name, value, language: counts.update({name: value, language: value}))
    feedback.given(GIVEN, "go")
    for event, characters in events:
        feedback.event("a", event, characters)
        feedback.event("unknown", event, characters)
    assert counts.pop("go", 0) == sum(expected.values())
    assert +counts == expected
    assert set(counts) <= set(statistics.COUNTS)


def test_suggestions_are_unwelcome_after_a_run_of_rejections_until_one_is_accepted() -> None:
    feedback = Feedback(lambda name, value, language: None)
    suggestions = [Suggestion(name, "text") for name in "abcde"]
    feedback.given(suggestions, "go")
    for suggestion in suggestions[:4]:
        assert not feedback.unwelcome
        feedback.event(suggestion.id, "rejected", 0)
    assert feedback.unwelcome
    feedback.event("e", "partly", 2)
    assert not feedback.unwelcome


def test_figures() -> None:
    told = figures({"shown": 4, "accepted": 1, "partly": 1, "answered": 8, "reused": 2, "first_text_slow": 1})
    assert (told["acceptance"], told["reuse"], told["cache"]) == (0.5, 0.25, None)
    assert json.loads(json.dumps(told)) == told
    assert figures({})["first_text_ms"] == {"p50": None, "p95": None}


@pytest.mark.parametrize(
    ("inserted", "text", "expected"),
    [
        ("foo(a)\n    return b", "x = foo(a)\n    return b\n", (14, 14)),
        ("foo(a)\n    return b", "x = foo(a)\n    return c\n", (14, 6)),
        ("foo(a)", "", (6, 0)),
    ],
)
def test_retention(inserted: str, text: str, expected: tuple[int, int]) -> None:
    assert retained(inserted, Text.of(text), 0) == expected


async def test_the_service_counts_and_saves(backend: ScriptedBackend, service: CompletionService) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, call = await under_way(editor, backend)
    call.write("foo()")
    call.end()
    given = (await answer)[-1].suggestions[0]
    editor.type("f")
    again = (await editor.watch())[-1].suggestions[0]
    assert again.id == given.id
    service.feedback(given.id, "shown")
    service.feedback(given.id, "accepted")
    editor.type("oo()")
    editor.edit(Position(0, 4), Position(0, 7), "bar")
    service.document_closed(editor.uri)
    told = service.statistics()
    assert (told["requests"], told["generations"], told["reused"], told["shown"]) == (2, 1, 1, 1)
    assert (told["kept_characters"], told["retention"]) == (4, 0.0)
    apart = told["languages"]["python"]
    assert (apart["requests"], apart["shown"], apart["kept_characters"]) == (2, 1, 4)
    await service.close()
    saved = statistics.total()
    assert (saved["requests"], saved["accepted"]) == (2, 1)


async def test_a_generation_cancelled_unseen_is_waste(
    backend: ScriptedBackend, service: CompletionService
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer, _ = await under_way(editor, backend, "foo")
    editor.type("g")
    with pytest.raises(ContentModified):
        await answer
    await service.close()
    told = service.statistics()
    assert (told["generations"], told["wasted_tokens"], told["answered"]) == (1, 1, 0)


async def test_each_stream_of_a_generation_is_counted_once(
    backend: ScriptedBackend, service: CompletionService
) -> None:
    """Further candidates of an explicit request are a request of their own; a filter that ends one loses no count."""
    editor = Editor.at(service, "x = |\n")
    first, call = await under_way(editor, backend)
    call.cost(Usage(100, 90, 0))
    call.write("foo()\n")
    await first
    assert call.closed.is_set()
    invoked, more = await under_way(editor, backend, request=editor.request("invoked", 3))
    more.cost(Usage(100, 100, 0))
    for index, text in enumerate(("bar(", "baz(")):
        more.write(text, index)
    more.end(usage=Usage(100, 100, 5))
    assert len((await invoked)[-1].suggestions) == 3
    told = service.statistics()
    await service.close()
    assert (told["generations"], told["prompt_tokens"], told["cached_tokens"]) == (2, 200, 190)
    assert told["completion_tokens"] == 1 + 5


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(), [(0, 0), (1, 1), (0, 0)]),
        (Settings(url="http://host"), [(0, 0)] * 3),
        (Settings(url="http://host", report_acceptance=True), [(0, 0), (1, 1), (0, 0)]),
    ],
)
async def test_a_request_reports_what_was_accepted_since_the_last_one(
    backend: ScriptedBackend, settings: Settings, told: list[tuple[int, int]]
) -> None:
    chosen = replace(settings, deadline_ms=60_000, prefetch="never", wait_ms=0)
    service = CompletionService(backend, lambda language: chosen)
    editor = Editor.at(service, "x = |\n")
    found = []
    for _ in range(3):
        answer, call = await under_way(editor, backend)
        found.append((call.request.shown, call.request.accepted))
        call.write("foo()")
        call.end()
        given = (await answer)[-1].suggestions[0]
        if len(found) == 1:
            service.feedback(given.id, "accepted")
        editor.type("bar\ny = ")
    await service.close()
    assert found == told
