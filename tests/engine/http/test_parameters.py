"""Every wrong field is named; what is absent or null has its default."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.engine.http.parameters import BadField, parse
from aix_lsp.fim.confidence import ConfidenceThresholds
from aix_lsp.fim.prompt import ContextFile


def test_defaults() -> None:
    plain = parse({"prompt": "x", "suffix": None, "aix": None, "max_tokens": None})
    assert plain.prompt.prefix == "x" and plain.max_tokens == 64 and plain.priority == 1 and plain.heal
    assert plain.recall is None and plain.corpus == () and not plain.confidence
    assert not plain.stream and plain.deadline_ms is None and plain.logprobs is None


def test_all_fields() -> None:
    full = parse(
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
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"min_p": 2}, "min_p"),
        ({"n": 0}, "n must"),
        ({"n": 1000}, "n must"),
        ({"seed": "x"}, "seed"),
        ({"stop": 3}, "stop"),
        ({"stop": [3]}, "stop"),
        ({"stop": ["x"] * 100}, "stop"),
        ({"logprobs": 99}, "logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"user": 5}, "user"),
        ({"aix": []}, "aix must"),
        ({"aix": {"context": "x"}}, "aix.context"),
        ({"aix": {"context": ["x"]}}, "aix.context"),
        ({"aix": {"context": [{"path": 1}]}}, "aix.context.path"),
        ({"aix": {"priority": 4}}, "aix.priority"),
        ({"aix": {"deadline_ms": 0}}, "aix.deadline_ms"),
        ({"aix": {"heal": 1}}, "aix.heal"),
        ({"aix": {"recall": 1.5}}, "aix.recall"),
        ({"aix": {"confidence": 1}}, "aix.confidence must"),
        ({"aix": {"confidence": {"whole": 2}}}, "aix.confidence.whole"),
        ({"aix": {"corpus": "x"}}, "aix.corpus"),
        ({"aix": {"corpus": [1]}}, "aix.corpus"),
        ({"aix": {"stop_when": "page"}}, "aix.stop_when"),
        ({"aix": {"stop_when": []}}, "aix.stop_when"),
        ({"aix": {"stream_key": 1}}, "aix.stream_key"),
    ],
)
def test_a_wrong_field_is_named(body: object, named: str) -> None:
    with pytest.raises(BadField, match=named.replace(".", r"\.")):
        parse(body)


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert parse(json.loads('{"prompt": "a\\ud800b \\ud83d\\ude00"}')).prompt.prefix == "a\ufffdb 😀"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["prompt", "suffix", "max_tokens", "temperature", "n", "seed", "stop", "logprobs", "aix", "user"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_anything_else_never_raises(body: dict[str, object]) -> None:
    try:
        parse(body)
    except BadField as error:
        assert any(name in str(error) for name in FIELDS)
