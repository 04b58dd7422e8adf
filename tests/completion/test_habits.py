"""Where suggestions are never taken the model is asked seldom, and how that is learnt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from aix_lsp import statistics
from aix_lsp.completion.completion_context import completion_context
from aix_lsp.completion.document import Edit, Position
from aix_lsp.completion.edit_kind import EditKind
from aix_lsp.completion.habits import Habits, name_in, situation
from aix_lsp.completion.request import CompletionRequest, SelectedCompletion
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.telemetry import Telemetry
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, ScriptedBackend, texts

SETTINGS = Settings(deadline_ms=60_000, prefetch="never")


@pytest.fixture
async def backend() -> ScriptedBackend:
    return ScriptedBackend()


@pytest.fixture
async def service(backend: ScriptedBackend) -> AsyncIterator[CompletionService]:
    made = CompletionService(backend, lambda language: SETTINGS)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("source", "edit_kind", "expected"),
    [
        ("x = fo|", "", "word"),
        ("x = |", "", "blank"),
        ("    |", "", "blank line"),
        ("# no|", "", "comment"),
        ("f();  # no|", "", "comment"),
        ("x = 'no;|", "", "string"),
        ('""" no\n|', "", "long string"),
        ("f(a,\n|", "", "blank line"),
        ("x = f(|", "", "opener"),
        ("x = f(|)", "", "opener"),
        ("x = a +|", "", "punctuation"),
        ("f();|", "", "behind ;"),
        ("f()|", "", "behind )"),
        ("f()|)", "", "punctuation"),
        ("x = a, | + b", "", "mid-line, blank"),
        ("x = a,| + b", "", "mid-line, punctuation"),
        ("x = a.| + b", "", "mid-line, opener"),
        ("x = fo| + b", "", "mid-line, word"),
        ("x = fo|", "deleting", "deleting"),
        ("x = fo|", "undoing", "undoing"),
        ("x = fo|", "several cursors", "several cursors"),
    ],
)
async def test_situations(
    service: CompletionService, source: str, edit_kind: EditKind, expected: str
) -> None:
    context = completion_context(Editor.at(service, source).request(), SETTINGS, None)
    assert context is not None
    assert situation(context, edit_kind) == expected


async def test_an_open_popup_is_a_situation(service: CompletionService) -> None:
    editor = Editor.at(service, "x = fo|")
    request = CompletionRequest(
        editor.snapshot, editor.cursor, selected=SelectedCompletion(Position(0, 4), "foo")
    )
    context = completion_context(request, SETTINGS, None)
    assert context is not None
    assert situation(context, "") == "popup"


def known(given: int, taken: int, accepted: int) -> Habits:
    habits = Habits()
    counts = {name_in("blank", "given"): given, name_in("blank", "taken"): taken, "accepted": accepted}
    habits.know(counts)
    return habits


@pytest.mark.parametrize(
    ("given", "taken", "accepted", "pending_requests"),
    [
        (0, 0, 0, 100),
        (500, 0, 0, 100),  # a client that tells nothing
        (500, 0, 50, 10),
        (500, 4, 50, 10),
        (500, 5, 50, 100),
        (99, 0, 50, 100),
    ],
)
def test_what_is_worth_asking(given: int, taken: int, accepted: int, pending_requests: int) -> None:
    habits = known(given, taken, accepted)
    assert sum(habits.worth("blank") for _ in range(100)) == pending_requests
    assert habits.worth("word")


def test_what_was_measured_gives_way_to_what_the_user_does() -> None:
    habits = Habits()
    assert not habits.worth("behind ;")
    habits.know({"accepted": 30})
    for name in ("given", "taken", "taken"):
        habits.count(name_in("behind ;", name), 1)
    assert all(habits.worth("behind ;") for _ in range(30))


async def test_seldom_asked_but_by_hand(service: CompletionService, backend: ScriptedBackend) -> None:
    editor = Editor.at(service, "f();|\n", language="javascript")
    assert texts(await editor.watch()) == [""]
    await backend.not_called()
    answer = editor.watch(editor.request("invoked"))
    call = await backend.called()
    call.write(" g();")
    call.end()
    assert texts(await answer)[-1] == " g();"


async def test_with_several_cursors_nothing_is_asked(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "a = |\nb = \n")
    old = editor.snapshot
    first, second = Position(0, 4), Position(1, 4)
    editor.text = editor.text.replace(first, first, "x").replace(second, second, "x")
    editor.version, editor.cursor = 2, Position(1, 5)
    service.document_changed(old, editor.snapshot, [Edit(first, first, "x"), Edit(second, second, "x")])
    assert texts(await editor.watch()) == [""]
    await backend.not_called()
    editor.type("y")
    other = editor.watch()
    (await backend.called()).end()
    await other


async def test_what_earlier_sessions_learnt_is_read() -> None:
    statistics.add({"accepted": 50, name_in("blank", "given"): 1000})
    telemetry = Telemetry(lambda uri: None)
    while telemetry.habits.worth("blank"):
        await asyncio.sleep(0.001)
    await telemetry.close()


async def test_what_becomes_of_suggestions_is_counted_by_situation(
    service: CompletionService, backend: ScriptedBackend
) -> None:
    editor = Editor.at(service, "x = |\n")
    answer = editor.watch()
    call = await backend.called()
    call.write("foo")
    call.end()
    given = (await answer)[-1].suggestions[0]
    for event in ("shown", "accepted", "accepted"):
        service.feedback(given.id, event)
    await service.close()
    saved = statistics.total()
    assert (saved[name_in("blank", "given")], saved[name_in("blank", "taken")]) == (1, 1)
