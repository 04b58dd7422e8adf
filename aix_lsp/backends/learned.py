"""Learns from a server's errors: fields that it rejects, and how much text fits its context. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aix_lsp.backends.base import BackendError, Usage
from aix_lsp.fim.prompt import FimPrompt

_OPTIONAL = (
    "stream_options", "skip_special_tokens", "top_p", "temperature", "seed", "stop", "n", "suffix", "max_tokens",
    "cache_prompt", "input_extra", "stream",
)  # fmt: skip
"""Fields that a completion can do without: what they would do is done here, or is not essential."""
_BEYOND_STANDARD = ("stream_options", "skip_special_tokens", "top_p", "seed", "cache_prompt")
"""Left out together where a server refuses a request and does not say what of it."""
_INSIDE = {"continuous_usage_stats": "stream_options", "include_usage": "stream_options"}
_RENAMED = {"max_tokens": "max_completion_tokens"}

ASSUMED_CHARS_PER_TOKEN = 2.6
"""What prompts are measured by (completion), so that ordinary code fits."""
_STEPS = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)
"""Shares of the context length that are announced: few, for each change of it makes a cold prompt."""
_ROOMY = 16
"""So many answers in a row must show room before the share grows by a step."""
_RESERVE = 0.9


class FieldsRefused:
    """The fields that one server does not take. What its 400 names is left out, and asked again without.

    Where it names none, all that are beyond the standard are left out once; that is remembered only if it helped.
    """

    def __init__(self) -> None:
        self.left_out: set[str] = set()
        self.renamed: set[str] = set()
        self._guess: set[str] = set()

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request's body as this server takes it."""
        return {
            (_RENAMED[name] if name in self.renamed else name): value
            for name, value in body.items()
            if name not in self.left_out | self._guess
        }

    def worked(self) -> None:
        """The server has taken a request."""
        self.left_out |= self._guess
        self._guess = set()

    def learn(self, error: BackendError, body: Mapping[str, Any]) -> bool:
        """Take note of why `body`, as it was sent, was refused. True where asking again may go better."""
        guessed, self._guess = self._guess, set()
        if error.status not in (400, 422):
            return False
        sent = [name for name in _OPTIONAL if name in body]
        for name, other in _RENAMED.items():
            if name in sent and other in error.body:
                self.renamed.add(name)
                return True
        named = set(_named(error.body, sent))
        self.left_out |= named
        if named or guessed:
            return bool(named)
        self._guess = {name for name in _BEYOND_STANDARD if name in sent}
        return bool(self._guess)


def _named(body: str, sent: list[str]) -> list[str]:
    """The fields of those sent that an error names."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    error = told.get("error", told) if isinstance(told, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    if isinstance(param, str) and param.partition(".")[0] in sent:
        return [param.partition(".")[0]]
    for inner, outer in _INSIDE.items():
        if outer in sent and inner in body:
            return [outer]
    return [name for name in sent if re.search(_mention(name), body)]


def _mention(name: str) -> str:
    """A pattern of a field's name in a sentence. Where it is an English word too, it must be in quotes."""
    if name in ("n", "stop", "stream", "seed", "temperature"):
        return rf"[\"'`.‘“\[]{name}[\"'`.:’”\]]"
    return rf"\b{name}\b"


class ContextBudget:
    """How much of a server's context length to announce, so that prompts fit which are measured in characters.

    Numbers, hexadecimal, Japanese or emoji take far more tokens a character than code does. The share of the context
    length that is announced follows the densest text seen lately.
    """

    def __init__(self, context_length: int) -> None:
        self._length = context_length
        self._step = 0
        self._roomy = 0

    @property
    def context_length(self) -> int:
        """What to announce, in tokens of ASSUMED_CHARS_PER_TOKEN characters."""
        return int(self._length * _STEPS[self._step])

    def answered(self, usage: Usage, chars: int) -> None:
        """A prompt of `chars` characters cost so many tokens."""
        if usage.prompt_tokens < 64:
            return
        wanted = _step_for(chars / usage.prompt_tokens / ASSUMED_CHARS_PER_TOKEN)
        if wanted >= self._step:
            self._step, self._roomy = wanted, 0
            return
        self._roomy += 1
        if self._roomy >= _ROOMY:
            self._step, self._roomy = self._step - 1, 0

    def refused(self, error: BackendError, chars: int, max_tokens: int) -> float | None:
        """A prompt of `chars` characters was too long. The share of it that should fit, or None if that is not why."""
        told = too_long(error)
        if told is None:
            return None
        limit, tokens = told
        if limit:
            self._length = min(self._length, limit)
        # vLLM stops counting once it is too much, and tells "at least" one token more than there may be.
        if not limit or tokens <= 0 or (tokens <= limit + 1 and "at least" in error.body):
            self._step = min(self._step + 1, len(_STEPS) - 1)
            return 0.5
        room = max(limit - max_tokens, limit // 4)
        self._step = max(self._step, _step_for(chars / tokens / ASSUMED_CHARS_PER_TOKEN))
        return min(0.9, max(0.02, _RESERVE * room / tokens))


def _step_for(share: float) -> int:
    """The first step that is no more than `share`."""
    return next((step for step, value in enumerate(_STEPS) if value <= share), len(_STEPS) - 1)


_LIMITS = (
    r"(?:maximum|max\w*) (?:context|model) length (?:is|of) (\d+)",
    r"available context size \((\d+)",
    r"context (?:length|size|window)\D{0,40}?(\d{3,})",
    r"must be <= (\d+)",
    r"\bn_ctx\b\W+(\d+)",
    r"model with (\d+) maximum context length",
)  # fmt: skip
_TOKENS = (
    r"\bn_prompt_tokens\b\W+(\d+)",
    r"\((\d+) in (?:the|your) (?:messages|prompt)",
    r"prompt (?:contains|has)(?: at least)? (\d+)",
    r"prompt \(length (\d+)\)",
    r"(\d+) in the prompt",
    r"requested (\d+)",
    r"Given: (\d+)",
    r"request \((\d+) tokens\)",
    r"contains (\d+) tokens",
    r"(\d+) input tokens",
)  # fmt: skip
_LENGTH = re.compile(
    r"context|too long|too large|token limit|max\w* length|exceed|n_ctx|must be <=", re.IGNORECASE
)
_ABOUT_TOKENS = re.compile(r"token|context|length|n_ctx", re.IGNORECASE)


def too_long(error: BackendError) -> tuple[int, int] | None:
    """Whether an error says that the prompt is too long: the limit and the prompt's length in tokens, 0 if untold."""
    if error.status == 413:
        return 0, 0
    if error.status not in (400, 422, 500) or not _LENGTH.search(error.body):
        return None
    limit, tokens = _first(_LIMITS, error.body), _first(_TOKENS, error.body)
    if limit or (_ABOUT_TOKENS.search(error.body) and re.search(r"context|too l", error.body, re.IGNORECASE)):
        return limit, tokens
    return None


def _first(patterns: tuple[str, ...], text: str) -> int:
    return next(
        (int(found[1]) for pattern in patterns if (found := re.search(pattern, text, re.IGNORECASE))), 0
    )


def size(prompt: FimPrompt) -> int:
    """The characters of a prompt."""
    context = sum(len(file.text) + len(file.path) for file in prompt.context)
    return len(prompt.prefix) + len(prompt.middle) + len(prompt.suffix) + context


def shortened(prompt: FimPrompt, share: float) -> FimPrompt:
    """About `share` of a prompt: without other files, and with less of the text farthest from the cursor."""
    target = int(size(prompt) * share)
    suffix_chars = min(len(prompt.suffix), target // 4)
    before = target - suffix_chars
    middle = prompt.middle[-before:] if before else ""
    prefix = prompt.prefix[max(0, len(prompt.prefix) - max(0, before - len(middle))) :]
    return replace(prompt, prefix=prefix, middle=middle, suffix=prompt.suffix[:suffix_chars], context=())
