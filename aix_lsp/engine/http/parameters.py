"""From a request's JSON to a completion that is known to be sound, or an error that names the field. No
HTTP here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aix_lsp.fim.confidence import NO_THRESHOLD, ConfidenceThresholds
from aix_lsp.fim.prompt import ContextFile, FimPrompt

_MOST_CANDIDATES = 16
_MOST_STOPS = 64
_MOST_LOGPROBS = 20
_MOST_TEXTS = 1024


class BadField(ValueError):
    """A field cannot be used. The message names it and says what it takes."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What is asked for. Times in milliseconds; see docs/engine-api.md for the fields."""

    prompt: FimPrompt
    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_when: str = ""
    confidence: ConfidenceThresholds = NO_THRESHOLD
    logprobs: int | None = None
    stream: bool = False
    client: str = ""
    tenant: str = ""
    stream_key: str = ""
    priority: int = 1
    deadline_ms: int | None = None
    heal: bool = True
    recall: float | None = None
    corpus: tuple[str, ...] = ()


def parse(body: object) -> CompletionRequest:
    """The request in a decoded JSON body. Raises BadField."""
    fields = _Fields(body, "")
    extension = _Fields(fields.mapping("aix"), "aix.")
    prompt = FimPrompt(
        prefix=fields.text("prompt"),
        suffix=fields.text("suffix"),
        middle=extension.text("middle"),
        path=extension.text("path"),
        language=extension.text("language"),
        context=_context(extension.value("context")),
    )
    return CompletionRequest(
        prompt=prompt,
        max_tokens=fields.integer("max_tokens", 64, 1),
        temperature=fields.number("temperature", 0.0, 0.0),
        top_p=fields.number("top_p", 1.0, 0.0, 1.0),
        top_k=fields.integer("top_k", 0, 0),
        min_p=fields.number("min_p", 0.0, 0.0, 1.0),
        n=fields.integer("n", 1, 1, _MOST_CANDIDATES),
        seed=fields.optional_integer("seed"),
        stop=_stops(fields.value("stop")),
        stop_when=extension.choice("stop_when", ("", "line", "block")),
        confidence=_confidence(extension.mapping("confidence")),
        logprobs=fields.optional_integer("logprobs", 0, _MOST_LOGPROBS),
        stream=fields.flag("stream", False),
        client=fields.text("user"),
        tenant=extension.text("tenant"),
        stream_key=extension.text("stream_key"),
        priority=extension.integer("priority", 1, 0, 3),
        deadline_ms=extension.optional_integer("deadline_ms", 1),
        heal=extension.flag("heal", True),
        recall=extension.optional_number("recall", 0.0, 1.0),
        corpus=_texts(extension.value("corpus"), "aix.corpus"),
    )


def parse_texts(body: object) -> tuple[str, ...]:
    """The texts in a decoded body of /aix/corpus. Raises BadField."""
    return _texts(_Fields(body, "").value("texts"), "texts")


def _confidence(fields: object) -> ConfidenceThresholds:
    probabilities = _Fields(fields, "aix.confidence.")
    return ConfidenceThresholds(
        **{name: probabilities.number(name, 0.0, 0.0, 1.0) for name in ("head", "whole", "further")}
    )


class _Fields:
    """Typed access to an object's fields; null counts as absent."""

    def __init__(self, fields: object, where: str) -> None:
        if not isinstance(fields, Mapping):
            raise BadField(f"{where.rstrip('.') or 'the body'} must be a JSON object")
        self._fields = fields
        self._where = where

    def value(self, name: str) -> Any:
        return self._fields.get(name)

    def mapping(self, name: str) -> Any:
        value = self.value(name)
        return {} if value is None else value

    def text(self, name: str) -> str:
        return text(self.value(name), self._where + name)

    def flag(self, name: str, default: bool) -> bool:
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadField(f"{self._where}{name} must be true or false")
        return value

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        value = self.value(name)
        if value is None:
            return known[0]
        if value not in known:
            raise BadField(f"{self._where}{name} must be one of {', '.join(map(repr, known))}")
        return str(value)

    def integer(self, name: str, default: int, low: int, high: int | None = None) -> int:
        value = self.optional_integer(name, low, high)
        return default if value is None else value

    def optional_integer(self, name: str, low: int | None = None, high: int | None = None) -> int | None:
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or _outside(value, low, high):
            raise BadField(f"{self._where}{name} must be a whole number{_range(low, high)}")
        return value

    def number(self, name: str, default: float, low: float, high: float | None = None) -> float:
        value = self.optional_number(name, low, high)
        return default if value is None else value

    def optional_number(self, name: str, low: float, high: float | None = None) -> float | None:
        value = self.value(name)
        if value is None:
            return None
        sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not sound or _outside(value, low, high):
            raise BadField(f"{self._where}{name} must be a number{_range(low, high)}")
        return float(value)


def text(value: object, where: str) -> str:
    """A field's text. Half surrogate pairs, which JSON can hold and UTF-8 cannot, become U+FFFD."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadField(f"{where} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _outside(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return ""
    return f" of at confidence {low}" if high is None else f" from {low} to {high}"


def _stops(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS:
        raise BadField(f"stop must be a string or a list of at most {_MOST_STOPS} strings")
    return tuple(found for found in (text(stop, "stop") for stop in stops) if found)


def _texts(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST_TEXTS:
        raise BadField(f"{where} must be a list of at most {_MOST_TEXTS} strings")
    return tuple(text(one, where) for one in value)


def _context(value: object) -> tuple[ContextFile, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(file, Mapping) for file in value):
        raise BadField("aix.context must be a list of objects with path and text")
    return tuple(
        ContextFile(text(file.get("path"), "aix.context.path"), text(file.get("text"), "aix.context.text"))
        for file in value
    )
