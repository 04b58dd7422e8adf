"""Builds the requests for different completions servers, and reads their answers. Pure: no connections.

discovery.py finds out which dialect a server speaks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any

from aix_lsp.backends.address import Address
from aix_lsp.backends.base import Delta, GenerateRequest, Usage
from aix_lsp.backends.failures import not_a_completion, says_error
from aix_lsp.backends.json_values import count, logprob, milliseconds, table
from aix_lsp.fim.family import Template

MOST_STOPS = 4
"""OpenAI's limit, which some servers enforce."""
_CONVERTED = {"prompt", "max_tokens", "temperature", "top_p", "n", "seed", "stop", "confidence", "corpus"}
_EXTENSION_FIELDS = {
    field.name: field.default for field in fields(GenerateRequest) if field.name not in _CONVERTED
}
"""Fields of a request that are sent to our engine unchanged, in `aix`, unless they have these defaults."""


class Dialect(ABC):
    """The format of one kind of server's requests and answers; most use the endpoint and answers of OpenAI's API."""

    heals_itself = False
    """Whether the server itself does token healing (and structural stops, and deadlines)."""

    def url(self, address: Address) -> str:
        return address.completions

    @abstractmethod
    def body(self, request: GenerateRequest) -> dict[str, Any]: ...

    def read(self, event: Any) -> Iterator[Delta | Usage]:
        """The content of one event of the answer. Raises BackendError if it reports an error, in any format."""
        return read_completion(event)


@dataclass(frozen=True, slots=True)
class EngineDialect(Dialect):
    """Our own engine: it gets every part separately, and lays out the prompt itself (docs/engine-api.md)."""

    model: str = ""
    heals_itself = True

    def body(self, request: GenerateRequest) -> dict[str, Any]:
        prompt = request.prompt
        extension: dict[str, Any] = {
            "path": prompt.path,
            "language": prompt.language,
            "context": [{"path": file.path, "text": file.text} for file in prompt.context],
            "middle": prompt.middle,
            "confidence": {name: value for name, value in asdict(request.confidence).items() if value},
            "corpus": [text.digest for text in request.corpus],
        }
        sent = {name: value for name, value in extension.items() if value}
        for name, default in _EXTENSION_FIELDS.items():
            if (value := getattr(request, name)) != default:
                sent[name] = int(value) if isinstance(value, IntEnum) else value
        return {
            **_common(request, self.model, list(request.stop)),
            "prompt": prompt.prefix,
            "suffix": prompt.suffix,
            "aix": sent,
        }


@dataclass(frozen=True, slots=True)
class TemplateDialect(Dialect):
    """A server that only takes text, for a model whose prompt template we know."""

    template: Template
    model: str = ""
    vllm: bool = False
    """Unless asked not to, vLLM omits special tokens from its text, where stop strings could not find them; it reports
    usage with each event only if asked to."""

    def body(self, request: GenerateRequest) -> dict[str, Any]:
        stops = [*dict.fromkeys((*request.stop, *self.template.stop))][:MOST_STOPS]
        extra = {"skip_special_tokens": False, "stream_options": _USAGE_ALL_ALONG} if self.vllm else {}
        rendered = self.template.render(request.prompt)
        return {**_common(request, self.model, stops), **_INCLUDE_USAGE, **extra, "prompt": rendered}


@dataclass(frozen=True, slots=True)
class SuffixDialect(Dialect):
    """A server that knows its model's prompt format, such as Ollama's, Mistral's and DeepSeek's."""

    model: str = ""

    def body(self, request: GenerateRequest) -> dict[str, Any]:
        prompt = request.prompt
        suffix = {"suffix": prompt.suffix} if prompt.suffix else {}
        stops = list(request.stop)[:MOST_STOPS]
        return {**_common(request, self.model, stops), "prompt": prompt.prefix + prompt.middle, **suffix}


@dataclass(frozen=True, slots=True)
class InfillDialect(Dialect):
    """llama.cpp's own /infill, for a model whose format we do not know but its GGUF file does."""

    def url(self, address: Address) -> str:
        return address.at("/infill")

    def body(self, request: GenerateRequest) -> dict[str, Any]:
        prompt = request.prompt
        return {
            "input_prefix": prompt.prefix + prompt.middle,
            "input_suffix": prompt.suffix,
            "input_extra": [{"filename": file.path, "text": file.text} for file in prompt.context],
            "prompt": "",
            "n_predict": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": list(request.stop),
            "cache_prompt": True,
            "stream": True,
            **({} if request.seed is None else {"seed": request.seed}),
        }

    def read(self, event: Any) -> Iterator[Delta | Usage]:
        broken = not isinstance(event, dict) or event.get("error")
        if broken or ("content" not in event and says_error(event)):
            raise not_a_completion(event)
        text, ended = event.get("content") or "", bool(event.get("stop"))
        if not isinstance(text, str):
            raise not_a_completion(event)
        reason = ("length" if event.get("stop_type") == "limit" else "stop") if ended else None
        if text or ended:
            yield Delta(text, finish_reason=reason)
        if ended:
            # "tokens_cached" is what the slot holds afterwards; "cache_n" is what was reused.
            reused = count(table(event.get("timings")).get("cache_n"))
            yield Usage(count(event.get("tokens_evaluated")), reused, count(event.get("tokens_predicted")))


_USAGE_ALL_ALONG = {"include_usage": True, "continuous_usage_stats": True}
"""So that usage is known even if a stream is ended early."""
_INCLUDE_USAGE = {"stream_options": {"include_usage": True}}


def _common(request: GenerateRequest, model: str, stops: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stream": True,
    }
    if model:
        body["model"] = model
    if request.n > 1:
        body["n"] = request.n
    if request.seed is not None:
        body["seed"] = request.seed
    if stops:
        body["stop"] = stops
    return body


def read_completion(event: Any) -> Iterator[Delta | Usage]:
    """Read an event in OpenAI's form: with `text` or, as in chats and from Mistral's FIM endpoint, with `delta`."""
    if not isinstance(event, dict) or event.get("error") or not _is_part_of_completion(event):
        raise not_a_completion(event)
    for choice in event.get("choices") or ():
        yield from _read_choice(choice)
    own = table(event.get("aix"))
    if isinstance(event.get("usage"), dict):
        yield _read_usage(event["usage"], own)
    elif "prompt_tokens" in own:
        yield _read_usage(own, own)


def _is_part_of_completion(event: dict[str, Any]) -> bool:
    """Whether an event may belong to a completion. Servers also send pings and timings, which are to be ignored."""
    choices = event.get("choices")
    if choices is None:
        return "usage" in event or "aix" in event or not says_error(event)
    return isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices)


def _read_choice(choice: dict[str, Any]) -> Iterator[Delta]:
    said = table(choice.get("delta") or choice.get("message"))
    text = choice.get("text") or said.get("content") or ""
    if not isinstance(text, str):
        raise not_a_completion(choice)
    reason = choice.get("finish_reason")
    own = table(choice.get("aix"))
    if text or reason:
        yield Delta(
            text=text,
            index=count(choice.get("index")),
            finish_reason=_reason(reason),
            logprob=logprob(own.get("logprob", _sum_logprobs(choice.get("logprobs")))),
            tokens=count(own.get("tokens")),
        )


def _reason(value: Any) -> str | None:
    """Why a candidate has ended, in our words."""
    if not value:
        return None
    return _REASONS.get(value, "stop") if isinstance(value, str) else "stop"


_REASONS = {"stop": "stop", "length": "length", "cancelled": "cancelled", "abort": "cancelled"}


def _sum_logprobs(value: Any) -> float | None:
    values = table(value).get("token_logprobs")
    found = map(logprob, values) if isinstance(values, list) else ()
    known = [value for value in found if value is not None]
    return sum(known) if known else None


def _read_usage(usage: dict[str, Any], own: dict[str, Any]) -> Usage:
    details = table(usage.get("prompt_tokens_details"))
    return Usage(
        prompt_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count(usage.get("cached_tokens") or details.get("cached_tokens")),
        completion_tokens=count(usage.get("completion_tokens")),
        queue_ms=milliseconds(own.get("queue_ms")),
        first_token_ms=milliseconds(own.get("first_token_ms")),
    )
