"""The completion popup: items that every client can filter, sort and insert."""

from __future__ import annotations

from typing import Any

import pytest

from aix_lsp.backends.base import BackendStatus, BackendUnavailable, GenerateRequest
from aix_lsp.lsp.requests.popup_items import word_before
from tests.client.peer import DirectPeer
from tests.client.places import INLINE, POPUP, URI, applied, at
from tests.lsp.scripted import READY, ScriptedBackend

FULL = {
    "textDocument": {
        "completion": {
            "completionItem": {
                "insertReplaceSupport": True,
                "labelDetailsSupport": True,
                "documentationFormat": ["markdown", "plaintext"],
                "insertTextModeSupport": {"valueSet": [1, 2]},
                "resolveSupport": {"properties": ["documentation"]},
            },
            "completionList": {"itemDefaults": ["editRange", "insertTextMode", "data"]},
        }
    }
}
SOME = {"textDocument": {"completion": {"completionItem": {"documentationFormat": ["markdown"]}}}}


async def popup(
    peer: DirectPeer, backend: ScriptedBackend, source: str, said: str, capabilities: Any = None, **more: Any
) -> dict[str, Any]:
    backend.say = lambda request: [said]
    await peer.initialize(capabilities)
    text, params = at(source)
    peer.open(URI, text)
    result: dict[str, Any] = await peer.ask(POPUP, params | more)
    return result


async def test_a_plain_client_gets_a_plain_item(peer: DirectPeer, backend: ScriptedBackend) -> None:
    result = await popup(peer, backend, "x = os.pa|\n", "th.join(a)")
    [item] = result["items"]
    assert item["label"] == "path.join(a)"
    assert item["filterText"] == "path.join(a)"
    assert item["textEdit"]["newText"] == "path.join(a)"
    assert item["documentation"] == "th.join(a)"
    assert item["detail"] == "aix"
    assert "itemDefaults" not in result and "labelDetails" not in item and "insertTextMode" not in item
    assert applied("x = os.pa\n", item) == "x = os.path.join(a)\n"


async def test_a_client_that_knows_everything(peer: DirectPeer, backend: ScriptedBackend) -> None:
    result = await popup(peer, backend, "x = os.pa|\n", "th.join(a)", FULL)
    [item] = result["items"]
    assert item["textEditText"] == "path.join(a)" and "textEdit" not in item
    assert item["labelDetails"] == {"description": "aix"}
    assert "documentation" not in item
    word = {"start": {"line": 0, "character": 7}, "end": {"line": 0, "character": 9}}
    assert result["itemDefaults"] == {"editRange": {"insert": word, "replace": word}, "insertTextMode": 1}
    assert applied("x = os.pa\n", item, defaults=result["itemDefaults"]) == "x = os.path.join(a)\n"
    resolved = await peer.ask("completionItem/resolve", item)
    assert resolved == item | {"documentation": {"kind": "markdown", "value": "```python\nth.join(a)\n```"}}


async def test_resolving_an_unknown_item_changes_nothing(peer: DirectPeer) -> None:
    await peer.initialize(FULL)
    unusual = {"label": "x", "insertTextMode": 1, "kind": 99, "newField": [1]}
    for item in (unusual, {"label": "x"}, {"label": "x", "data": 3}, {"label": "x", "data": {"id": "no"}}):
        assert await peer.ask("completionItem/resolve", item) == item


async def test_several_lines(peer: DirectPeer, backend: ScriptedBackend) -> None:
    said = 'def f(a):\n    """```quoted```"""\n    return a'
    result = await popup(peer, backend, "|\n\n\nx = 1\n", said, SOME)
    [item] = result["items"]
    assert item["label"] == "def f(a): ⏎"
    assert item["detail"] == "aix · 3 lines"
    assert item["documentation"]["value"] == f"````python\n{said}\n````"
    assert item["filterText"] == "def f(a):"


async def test_ranges_replace_closers_in_either_mode(peer: DirectPeer, backend: ScriptedBackend) -> None:
    capabilities = {"textDocument": {"completion": {"completionItem": {"insertReplaceSupport": True}}}}
    backend.say = lambda request: ["o, bar)"]
    await peer.initialize(capabilities, clientInfo={"name": "some editor"})
    text, params = at("print(fo|)\n")
    peer.open(URI, text)
    [item] = (await peer.ask(POPUP, params))["items"]
    assert applied(text, item) == "print(foo, bar)\n"
    assert set(item["textEdit"]) == {"range", "newText"}
    assert item["textEdit"]["newText"] == "foo, bar)"


async def test_a_client_without_a_name_has_no_closer_to_replace(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    """ALE inserts an item's text and ignores its range."""
    [item] = (await popup(peer, backend, "print(fo|)\n", "o, bar)"))["items"]
    assert item["textEdit"]["newText"] == item["label"] == "foo, bar"
    assert applied("print(fo)\n", item) == "print(foo, bar)\n"


@pytest.mark.parametrize("first", [False, True])
async def test_the_first_place_is_the_language_servers(
    peer: DirectPeer, backend: ScriptedBackend, first: bool
) -> None:
    backend.say = lambda request: ["th"]
    await peer.initialize(initializationOptions={"popupFirst": first})
    text, params = at("x = os.pa|\n")
    peer.open(URI, text)
    [item] = (await peer.ask(POPUP, params))["items"]
    others = ["0", "00.path", "11", "a", "path", "zzz", "~", "_x"]
    place = sorted([*others, item["sortText"]]).index(item["sortText"])
    assert place == (0 if first else len(others))
    assert item.get("preselect", False) is first


@pytest.mark.parametrize(
    ("options", "incomplete"),
    [({}, True), ({"popup": False}, False), ({"enabled": False}, False)],
)
async def test_is_incomplete(
    peer: DirectPeer, backend: ScriptedBackend, options: dict[str, Any], incomplete: bool
) -> None:
    backend.say = lambda request: []
    await peer.initialize(initializationOptions=options)
    await peer.wait(lambda: peer.session.started.is_set())
    text, params = at("x = |\n")
    peer.open(URI, text)
    result = await peer.ask(POPUP, params)
    assert result["items"] == []
    assert result["isIncomplete"] is incomplete


async def test_a_document_that_is_not_open(peer: DirectPeer) -> None:
    await peer.initialize()
    assert await peer.ask(POPUP, at("x|")[1]) == {"isIncomplete": False, "items": []}


async def test_partial_results_append(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.say = lambda request: ["def f(a", "):\n", "    return a"]
    await peer.initialize(FULL)
    text, params = at("|\n\n\nx = 1\n", partialResultToken="t")
    peer.open(URI, text)
    result = await peer.ask(POPUP, params)
    assert result["items"] == []
    line, whole = peer.progress("t")
    assert [item["textEditText"] for item in line["items"]] == ["def f(a):"]
    assert line["isIncomplete"] and "editRange" in line["itemDefaults"]
    assert [item["textEditText"] for item in whole] == ["def f(a):\n    return a"]
    assert line["items"][0]["sortText"] < whole[0]["sortText"]
    shown = [await peer.ask("completionItem/resolve", item) for item in (line["items"][0], whole[0])]
    assert [item["documentation"]["value"].count("\n") for item in shown] == [2, 3]


async def test_partial_results_of_one_line_come_once(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.say = lambda request: ["th", ".join"]
    await peer.initialize(FULL)
    text, params = at("x = os.pa|\n", partialResultToken=7)
    peer.open(URI, text)
    assert (await peer.ask(POPUP, params))["items"] == []
    [only] = peer.progress(7)
    assert [item["textEditText"] for item in only["items"]] == ["path.join"]


async def test_an_explicit_request_after_a_pause_returns_several(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    await peer.initialize(initializationOptions={"candidates": 2})
    await peer.wait(lambda: peer.session.started.is_set())
    text, params = at("x = |\n", context={"triggerKind": 1})
    peer.open(URI, text)
    await peer.ask(POPUP, params)
    assert sum(generation.request.n for generation in backend.generations) == 2


async def test_an_automatic_request_returns_one(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await peer.initialize(initializationOptions={"candidates": 2})
    await peer.wait(lambda: peer.session.started.is_set())
    text, params = at("x = |\n", context={"triggerKind": 1})
    peer.open(URI, "")
    peer.change(URI, 2, {"text": text})
    await peer.ask(POPUP, params)
    assert [generation.request.n for generation in backend.generations] == [1]


async def test_the_popup_does_not_wait_for_a_loading_model(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    """The deadline is a minute here; ghost text waits for the model."""

    def say(request: GenerateRequest) -> list[str]:
        if backend.status.state != "ready":
            raise BackendUnavailable("loading")
        return ["done"]

    backend.say = say
    backend.status = BackendStatus("loading")
    await peer.initialize()
    text, params = at("x = |")
    peer.open(URI, text)
    ghost = peer.request(INLINE, params)
    assert (await peer.ask(POPUP, params))["items"] == []
    assert not peer.answers(ghost)
    backend.become(READY)
    assert (await peer.answer(ghost))["result"]["items"][0]["insertText"] == "done"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x = naïve_1", "naïve_1"),
        ("x.", ""),
        ("", ""),
        ("a" * 400_000 + "@@", ""),
        ("@" * 400_000 + "ab", "ab"),
    ],
    ids=["word", "none", "empty", "a long word before", "a long line"],
)
def test_the_word_before_the_cursor_whatever_the_line(text: str, word: str) -> None:
    """If this took quadratic time, the server would be blocked for minutes."""
    assert word_before(text) == word
