"""Servers whose JSON has values of any type in any place: what is valid is used, or an error is reported."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from aix_lsp.backends.address import parse
from aix_lsp.backends.base import BackendError, BackendStatus, Delta, ModelInfo, Usage
from aix_lsp.backends.dialects import InfillDialect, read_completion
from aix_lsp.backends.discovery import discover
from aix_lsp.backends.supervisor import read_status
from aix_lsp.settings import Settings
from tests.test_logs import is_harmless

ADDRESS = parse("http://h:1")
CARD = {
    "name": "m", "family": "qwen", "context_length": 4096, "fim": True, "takes_context": True, "recall": False,
    "device": "cpu", "dtype": "int8", "running": "lean",
}  # fmt: skip
CHOICE = {
    "index": 0, "text": "a", "finish_reason": "stop", "logprobs": {"token_logprobs": [-0.5, None]},
    "aix": {"logprob": -0.5, "tokens": 2},
}  # fmt: skip
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}
EVENTS: list[dict[str, Any]] = [
    {"choices": [CHOICE], "usage": USAGE, "aix": {"queue_ms": 0.5, "first_token_ms": 2.0}},
    {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}], "usage": None},
    {"choices": [], "aix": {"prompt_tokens": 9, "cached_tokens": 1, "completion_tokens": 2}},
]
INFILL = {
    "content": "a", "stop": True, "stop_type": "limit", "tokens_evaluated": 9, "tokens_predicted": 2,
    "timings": {"cache_n": 3},
}  # fmt: skip
MODELS: list[dict[str, Any]] = [
    {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 4096, "type": "llm"}]},
    {"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 4096, "n_ctx_train": 8192}}]},
    {"models": [{"id": "m", "capabilities": {"completion_fim": True}, "context_length": 4096}]},
    {"data": [{"id": "m", "owned_by": "aix-lsp", "aix": CARD}]},
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from([10**400, 1e308, -1e308, math.nan, math.inf, "\ud800", "7", "error", [[]] * 3]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["error", "message", "id", "content", "aix", "loc"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each value inside a JSON value, and to the value itself."""
    yield path
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], put: Any) -> Any:
    """A copy of a JSON value with another one at `path`."""
    if not path:
        return put
    found = copy.deepcopy(value)
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = put
    return found


def anywhere(*values: Any) -> st.SearchStrategy[Any]:
    """The values, with one of their parts replaced by anything."""
    all_places = [(value, path) for value in values for path in places(value)]
    return st.builds(
        lambda place, put: changed(place[0], place[1], put), st.sampled_from(all_places), ANYTHING
    )


def check(item: Delta | Usage) -> None:
    """Assert that an event has the declared types, and can be added up and forwarded as JSON."""
    if isinstance(item, Usage):
        numbers = [item.prompt_tokens, item.cached_tokens, item.completion_tokens]
        assert all(type(number) is int and number >= 0 for number in numbers)
        assert all(
            type(time) is float and 0 <= time < math.inf for time in (item.queue_ms, item.first_token_ms)
        )
        return
    assert type(item.text) is str
    assert item.finish_reason in (None, "stop", "length", "cancelled")
    assert item.logprob is None or (type(item.logprob) is float and -math.inf < item.logprob <= 0)
    assert all(type(number) is int and number >= 0 for number in (item.index, item.tokens))


@given(anywhere(*EVENTS))
@example(changed(EVENTS[0], ("choices", 0, "logprobs", "token_logprobs", 0), 10**400))
def test_an_event_is_read_or_an_error_for_the_user(told: Any) -> None:
    try:
        for item in read_completion(told):
            check(item)
    except BackendError as error:
        assert error.trouble is not None and is_harmless(str(error))


@given(anywhere(INFILL))
def test_an_infill_is_read_or_an_error_for_the_user(told: Any) -> None:
    try:
        for item in InfillDialect().read(told):
            check(item)
    except BackendError as error:
        assert error.trouble is not None and is_harmless(str(error))


class _Told:
    """An HTTP client whose server answers with this list of models."""

    address = ADDRESS

    def __init__(self, models: Any) -> None:
        self._models = models

    async def get(self, url: str) -> Any:
        if not url.endswith("/models"):
            raise BackendError("no such endpoint", status=404)
        return self._models


def check_model(found: ModelInfo) -> None:
    names = [found.name, found.family, found.device, found.dtype, found.running]
    assert all(type(name) is str and name.isprintable() for name in names)
    assert type(found.context_length) is int and found.context_length > 0
    assert all(type(flag) is bool for flag in (found.fim, found.takes_context, found.recall))


@given(anywhere(*MODELS))
def test_a_list_of_models_is_read_or_an_error_for_the_user(told: Any) -> None:
    try:
        server = asyncio.run(discover(_Told(told), Settings()))  # type: ignore[arg-type]
    except BackendError as error:
        assert is_harmless(str(error))
    else:
        check_model(server.model)


@given(anywhere({"state": "ready", "model": CARD}, {"state": "loading", "stage": "weights", "fraction": 0.5}))
def test_any_status_of_an_engine_is_read(told: Any) -> None:
    status = read_status(told) if isinstance(told, dict) else BackendStatus("stopped")
    assert type(status.message) is str
    assert status.fraction is None or 0 <= status.fraction <= 1
    if status.model is not None:
        check_model(status.model)
