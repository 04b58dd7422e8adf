"""Inline completion, the standard request and our streaming one."""

from __future__ import annotations

import itertools

import pytest

from tests.client.peer import DirectPeer
from tests.client.places import INLINE, STREAM, URI, applied, at
from tests.lsp.scripted import ScriptedBackend

ENCODINGS = ["utf-8", "utf-16", "utf-32"]


@pytest.mark.parametrize("method", [INLINE, STREAM])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("source", "said", "result"),
    [
        ("x = |\n", "1", "x = 1\n"),
        ("print(|)\n", "a)", "print(a)\n"),
        ("s = '漢😀é' + (|)\n", "f('😀'))", "s = '漢😀é' + (f('😀'))\n"),
        ("a\r\nb = (|)\r\nc\r\n", "漢)", "a\r\nb = (漢)\r\nc\r\n"),
        ("# \u2028\x0c x\ny = |\n", "2", "# \u2028\x0c x\ny = 2\n"),
    ],
)
async def test_accepting_gives_the_text(
    peer: DirectPeer,
    backend: ScriptedBackend,
    method: str,
    encoding: str,
    source: str,
    said: str,
    result: str,
) -> None:
    backend.say = lambda request: [said]
    capabilities = {"general": {"positionEncodings": [encoding]}}
    told = await peer.initialize(capabilities)
    assert told["capabilities"]["positionEncoding"] == encoding
    text, params = at(source, encoding)
    peer.open(URI, text)
    [item] = (await peer.ask(method, params))["items"]
    assert applied(text, item, encoding) == result


async def test_the_capability_is_declared(peer: DirectPeer) -> None:
    capabilities = (await peer.initialize())["capabilities"]
    assert capabilities["inlineCompletionProvider"] == {}
    assert STREAM in capabilities["experimental"]


@pytest.mark.parametrize("method", [INLINE, STREAM])
async def test_the_selected_entry_is_continued(
    peer: DirectPeer, backend: ScriptedBackend, method: str
) -> None:
    backend.say = lambda request: ["(a)"]
    await peer.initialize()
    text, params = at("x = os.pa|\n")
    selected = {
        "range": {"start": {"line": 0, "character": 7}, "end": {"line": 0, "character": 9}},
        "text": "path.join",
    }
    peer.open(URI, text)
    context = {"triggerKind": 2, "selectedCompletionInfo": selected}
    [item] = (await peer.ask(method, params | {"context": context}))["items"]
    assert item["insertText"] == "path.join(a)"
    assert item["range"] == selected["range"]
    assert backend.generations[0].request.prompt.prefix.endswith("os.path.join") or (
        backend.generations[0].request.prompt.middle.endswith("os.path.join")
    )


async def test_a_selection_elsewhere_is_ignored(peer: DirectPeer) -> None:
    await peer.initialize()
    text, params = at("a = 1\nx = |\n")
    place = {"line": 0, "character": 0}
    selected = {"range": {"start": place, "end": place}, "text": "zzz"}
    peer.open(URI, text)
    context = {"triggerKind": 2, "selectedCompletionInfo": selected}
    [item] = (await peer.ask(INLINE, params | {"context": context}))["items"]
    assert item["insertText"] == "x_done"


@pytest.mark.parametrize(("kind", "wanted"), [(1, 3), (2, 1)])
async def test_several_candidates_when_invoked(
    peer: DirectPeer, backend: ScriptedBackend, kind: int, wanted: int
) -> None:
    await peer.initialize(initializationOptions={"candidates": 3})
    await peer.wait(lambda: peer.session.started.is_set())
    text, params = at("x = |\n", context={"triggerKind": kind})
    peer.open(URI, text)
    assert (await peer.ask(INLINE, params))["items"]
    assert sum(generation.request.n for generation in backend.generations) == wanted


async def test_a_partial_result_token_of_the_standard_request(peer: DirectPeer) -> None:
    await peer.initialize()
    text, params = at("x = |\n", partialResultToken="t")
    peer.open(URI, text)
    assert await peer.ask(INLINE, params) == {"items": []}
    [items] = peer.progress("t")
    assert [item["insertText"] for item in items] == ["x_done"]


async def test_streaming_is_cumulative_and_ends_with_done(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.say = lambda request: ["os", ".path", ".join(", "a)"]
    await peer.initialize()
    text, params = at("x = |\n", partialResultToken="t")
    peer.open(URI, text)
    result = await peer.ask(STREAM, params)
    values = peer.progress("t")
    assert [value["sequence"] for value in values] == list(range(len(values)))
    assert [value["done"] for value in values] == [False] * (len(values) - 1) + [True]
    texts = [value["text"] for value in values]
    assert texts[-1] == result["items"][0]["insertText"] == "os.path.join(a)"
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert len(set(texts)) >= 3
    assert all(value["range"] == result["items"][0]["range"] for value in values)


async def test_the_answer_reports_its_cost(peer: DirectPeer) -> None:
    await peer.initialize()
    text, params = at("x = |\n")
    peer.open(URI, text)
    [item] = (await peer.ask(STREAM, params))["items"]
    data = item["data"]
    assert (data["source"], data["promptTokens"], data["reusedTokens"], data["completionTokens"]) == (
        "model",
        10,
        4,
        2,
    )
    assert 0 <= data["firstTextMs"] <= data["totalMs"]
    [item] = (await peer.ask(STREAM, params))["items"]
    assert item["data"]["source"] == "reuse"


async def test_no_suggestion_is_an_empty_list(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.say = lambda request: []
    await peer.initialize()
    text, params = at("x = |\n", partialResultToken="t")
    peer.open(URI, text)
    assert await peer.ask(STREAM, params) == {"items": []}
    assert peer.progress("t") == [{"text": "", "sequence": 0, "done": True}]
    assert await peer.ask(INLINE, params) == {"items": []}


async def test_a_slow_reader_misses_steps_but_not_the_end(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.say = lambda request: [f"a{n}, " for n in range(20)]
    await peer.initialize()
    text, params = at("x = (|\n", partialResultToken="t")
    peer.open(URI, text)
    peer.unread = 10**6
    result = await peer.ask(STREAM, params)
    [value] = peer.progress("t")
    assert value["done"] and value["text"] == result["items"][0]["insertText"]
    assert value["sequence"] > 0
    assert not peer.aborted


async def test_a_client_that_never_reads_is_cut_off(peer: DirectPeer) -> None:
    await peer.initialize()
    peer.unread = 10**9
    peer.request("still/there")
    await peer.wait(lambda: peer.aborted)
    assert peer.session.protocol.outbox is None


SMALL: list[tuple[str, int, int]] = [
    ("", 0, 0),
    ("", 99, 99),
    ("x = 1", 0, 2**31 - 1),
    ("😀", 0, 1),
    ("a\r\n", 0, 2),
    ("\r\r\r", 2, 5),
    ("\0\1\2binary\xff\n" * 50, 3, 4),
    ("half \ud83d", 0, 6),
]
HUGE: list[tuple[str, int, int]] = [
    ("x" * 1_000_000, 0, 500_000),
    ("line\n" * 2_000_000, 1_000_000, 2),
    ("😀" * 200_000, 0, 7),
]


@pytest.mark.parametrize(
    ("text", "line", "character", "language"),
    [(*place, language) for place in SMALL for language in ("python", "", "no-such-language")]
    + [(*place, "python") for place in HUGE],
)
async def test_strange_documents_and_positions(
    peer: DirectPeer, text: str, line: int, character: int, language: str
) -> None:
    await peer.initialize()
    peer.open("untitled:Untitled-1", text, language)
    params = {
        "textDocument": {"uri": "untitled:Untitled-1"},
        "position": {"line": line, "character": character},
    }
    for method in (INLINE, STREAM):
        assert "items" in await peer.ask(method, params | {"context": {"triggerKind": 1}})
    assert "items" in await peer.ask("textDocument/completion", params)
