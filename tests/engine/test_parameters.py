"""Every invalid field is named; one that is absent or null gets its default."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.engine.parameters import BadField, CompletionParameters, parse, parse_texts
from aix_lsp.fim.confidence import ConfidenceThresholds
from aix_lsp.fim.prompt import ContextFile


def parsed(body: object) -> CompletionParameters:
    return parse(json.dumps(body).encode())


def test_defaults() -> None:
    plain = parsed({"prompt": "x", "suffix": None, "aix": None, "max_tokens": None})
    assert plain.prompt.prefix == "x" and plain.max_tokens == 64 and plain.priority == 1 and plain.heal
    assert plain.recall is None and plain.corpus == () and not plain.confidence
    assert not plain.stream and plain.deadline_ms is None and plain.logprobs is None


def test_all_fields() -> None:
    full = parsed(
        {
            "prompt": "a",
            "suffix": "b",
            "stop": ["x", ""],
            "n": 3,
            "temperature": 1,
            "user": "me",
            "stream": True,
            "unknown": 1,
            "aix": {
                "path": "p",
                "language": "python",
                "context": [{"path": "q", "text": "t"}],
                "middle": "m",
                "stream_key": "k",
                "priority": 3,
                "deadline_ms": 200,
                "heal": False,
                "stop_when": "block",
                "confidence": {"head": 0.5, "further": 1},
                "recall": 1,
                "corpus": ["d1", "d2"],
            },
        }
    )
    assert full.prompt.context == (ContextFile("q", "t"),) and full.prompt.middle == "m"
    assert (full.stop, full.n, full.temperature, full.client) == (("x",), 3, 1.0, "me")
    assert full.confidence == ConfidenceThresholds(head=0.5, further=1.0)
    assert (full.recall, full.corpus) == (1.0, ("d1", "d2"))
    assert (full.stream_key, full.priority, full.deadline_ms, full.heal) == ("k", 3, 200, False)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "body"),
        ({"prompt": 1}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"suffix": 1}, "suffix"),
        ({"model": "m" * 513}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 10**400}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 1e308}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"top_k": 10**30}, "top_k"),
        ({"min_p": 2}, "min_p"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"seed": "x"}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"stop": 3}, "stop"),
        ({"stop": [3]}, "stop[0]"),
        ({"stop": ["x"] * 5}, "stop"),
        ({"stop": ["x", "y" * 65]}, "stop[1]"),
        ({"stop": "y" * 65}, "stop"),
        ({"logprobs": 99}, "logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"user": 5}, "user"),
        ({"user": "u" * 513}, "user"),
        ({"aix": []}, "aix"),
        ({"aix": {"path": "p" * 4097}}, "aix.path"),
        ({"aix": {"language": "p" * 513}}, "aix.language"),
        ({"aix": {"context": "x"}}, "aix.context"),
        ({"aix": {"context": ["x"]}}, "aix.context[0]"),
        ({"aix": {"context": [{"path": 1}]}}, "aix.context[0].path"),
        ({"aix": {"context": [{"path": "", "text": "x"}] * 257}}, "aix.context"),
        ({"aix": {"context": [{"path": "p" * 4097}]}}, "aix.context[0].path"),
        ({"aix": {"priority": 4}}, "aix.priority"),
        ({"aix": {"deadline_ms": 0}}, "aix.deadline_ms"),
        ({"aix": {"deadline_ms": 10**400}}, "aix.deadline_ms"),
        ({"aix": {"heal": 1}}, "aix.heal"),
        ({"aix": {"recall": 1.5}}, "aix.recall"),
        ({"aix": {"confidence": 1}}, "aix.confidence"),
        ({"aix": {"confidence": {"whole": 2}}}, "aix.confidence.whole"),
        ({"aix": {"corpus": "x"}}, "aix.corpus"),
        ({"aix": {"corpus": [1]}}, "aix.corpus[0]"),
        ({"aix": {"corpus": ["d"] * 1025}}, "aix.corpus"),
        ({"aix": {"corpus": ["d" * 65]}}, "aix.corpus[0]"),
        ({"aix": {"stop_when": "page"}}, "aix.stop_when"),
        ({"aix": {"stop_when": []}}, "aix.stop_when"),
        ({"aix": {"stream_key": 1}}, "aix.stream_key"),
        ({"aix": {"tenant": "t" * 513}}, "aix.tenant"),
    ],
)
def test_a_wrong_field_is_named(body: object, named: str) -> None:
    with pytest.raises(BadField) as caught:
        parsed(body)
    assert str(caught.value).removeprefix("the ").partition(":")[0] == named


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"prompt": NaN}',
        b'{"x": ' + b"[" * 1_000_000,
        b'{"x": 1} 2',
        b'{"temperature": Infinity}',
    ],
)
def test_invalid_json_is_reported_as_such(body: bytes) -> None:
    with pytest.raises(BadField, match="JSON"):
        parse(body)


def test_texts() -> None:
    assert parse_texts(b'{"texts": ["a", "b"]}') == ("a", "b")
    assert parse_texts(b"{}") == ()
    with pytest.raises(BadField, match="texts"):
        parse_texts(json.dumps({"texts": ["x"] * 1025}).encode())


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"a\ud800b \ud83d\ude00", "a\ufffdb 😀"),
        (r"\ud800", "\ufffd"),
        (r"\udc00\ud800\udc00", "\ufffd\U00010000"),
        (r"\\ud800 \u0041\ud800", "\\ud800 A\ufffd"),
        (r"\ud800\ud800\udc00\n", "\ufffd\U00010000\n"),
    ],
)
def test_half_a_surrogate_pair_is_replaced(escaped: str, text: str) -> None:
    assert parse(f'{{"prompt": "{escaped}"}}'.encode()).prompt.prefix == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["prompt", "suffix", "max_tokens", "temperature", "n", "seed", "stop", "logprobs", "aix", "user"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_anything_else_never_raises(body: dict[str, object]) -> None:
    try:
        parsed(body)
    except BadField as error:
        assert any(name in str(error) for name in FIELDS)
