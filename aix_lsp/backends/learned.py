"""Learns from a server's errors which fields it rejects, and how much text fits its context. Pure."""

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
"""Fields that a request can do without: their effect is emulated or not essential."""
_BEYOND_STANDARD = ("stream_options", "skip_special_tokens", "top_p", "seed", "cache_prompt")
"""Left out together if a server refuses a request without naming a field."""
_INSIDE = {"continuous_usage_stats": "stream_options", "include_usage": "stream_options"}
_RENAMED = {"max_tokens": "max_completion_tokens"}

ASSUMED_CHARS_PER_TOKEN = 2.6
"""The estimate by which prompts are measured (completion); ordinary code fits."""
_STEPS = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)
"""Shares of the context length to announce: only a few, because each change makes the next prompt a cold one."""
_ROOMY = 16
"""Successive answers that must leave room before the share grows by a step."""
_RESERVE = 0.9
_SHORTEST_CONTEXT = 128
"""Tokens. A lower limit is that of another field, as in "top_p must be <= 1"."""


class FieldsRefused:
    """The fields that one server rejects. Fields named in a 400 error are left out, and the request repeated.

    If none is named, all non-standard fields are left out once; this is remembered only if it helped.
    """

    def __init__(self) -> None:
        self.left_out: set[str] = set()
        self.renamed: set[str] = set()
        self._guess: set[str] = set()

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request's body in the form that this server accepts."""
        return {
            (_RENAMED[name] if name in self.renamed else name): value
            for name, value in body.items()
            if name not in self.left_out | self._guess
        }

    def worked(self) -> None:
        """The server accepted a request."""
        self.left_out |= self._guess
        self._guess = set()

    def learn(self, error: BackendError, body: Mapping[str, Any]) -> bool:
        """Record why `body` was refused. True if repeating the request may succeed."""
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
    """The fields named in an error, of those sent."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    error = answer.get("error", answer) if isinstance(answer, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    if isinstance(param, str) and param.partition(".")[0] in sent:
        return [param.partition(".")[0]]
    for inner, outer in _INSIDE.items():
        if outer in sent and inner in body:
            return [outer]
    return [name for name in sent if re.search(_mention(name), body)]


def _mention(name: str) -> str:
    """A pattern for a field's name in a sentence. If it is also an English word, it must be in quotes."""
    if name in ("n", "stop", "stream", "seed", "temperature"):
        return rf"[\"'`.‘“\[]{name}[\"'`.:’”\]]"
    return rf"\b{name}\b"


class ContextBudget:
    """How much of a server's context length to announce, given that prompts are measured in characters.

    Numbers, hexadecimal, Japanese and emoji have far more tokens per character than code. The announced share of the
    context length follows the densest text seen recently.
    """

    def __init__(self, context_length: int) -> None:
        self._length = context_length
        self._step = 0
        self._roomy = 0

    @property
    def context_length(self) -> int:
        """The context length to announce, in tokens of ASSUMED_CHARS_PER_TOKEN characters."""
        return int(self._length * _STEPS[self._step])

    def answered(self, usage: Usage, chars: int) -> None:
        """Record how many tokens a prompt of `chars` characters had."""
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
        """The share of a prompt of `chars` characters that should fit if it was refused as too long; else None."""
        found = too_long(error)
        if found is None:
            return None
        limit, tokens = found
        if limit:
            self._length = min(self._length, limit)
        # vLLM stops counting once it is too much, and reports "at least" one token more than is allowed.
        if not limit or tokens <= 0 or (tokens <= limit + 1 and "at least" in error.body):
            self._step = min(self._step + 1, len(_STEPS) - 1)
            return 0.5
        room = max(limit - max_tokens, limit // 4)
        self._step = max(self._step, _step_for(chars / tokens / ASSUMED_CHARS_PER_TOKEN))
        return min(0.9, max(0.02, _RESERVE * room / tokens))


def _step_for(share: float) -> int:
    """The largest step that is at most `share`."""
    return next((step for step, value in enumerate(_STEPS) if value <= share), len(_STEPS) - 1)


_LIMITS = (
    r"max\w{0,20} (?:context|model) length (?:is|of) (\d{1,9})",
    r"available context size \((\d{1,9})",
    r"context (?:length|size|window)\D{0,40}?(\d{3,9})",
    r"must be <= (\d{1,9})",
    r"\bn_ctx\b\W+(\d{1,9})",
    r"model with (\d{1,9}) maximum context length",
)  # fmt: skip
_TOKENS = (
    r"\bn_prompt_tokens\b\W+(\d{1,9})",
    r"\((\d{1,9}) in (?:the|your) (?:messages|prompt)",
    r"prompt (?:contains|has)(?: at least)? (\d{1,9})",
    r"prompt \(length (\d{1,9})\)",
    r"(\d{1,9}) in the prompt",
    r"requested (\d{1,9})",
    r"Given: (\d{1,9})",
    r"request \((\d{1,9}) tokens\)",
    r"contains (\d{1,9}) tokens",
    r"(\d{1,9}) input tokens",
)  # fmt: skip
_LENGTH = re.compile(
    r"context|too long|too large|token limit|max\w{0,20} length|exceed|n_ctx|must be <=", re.IGNORECASE
)
_ABOUT_TOKENS = re.compile(r"token|context|length|n_ctx", re.IGNORECASE)


def too_long(error: BackendError) -> tuple[int, int] | None:
    """If an error says that the prompt is too long: the limit and the prompt's length in tokens, 0 if not stated."""
    if error.status == 413:
        return 0, 0
    if error.status not in (400, 422, 500) or not _LENGTH.search(error.body):
        return None
    limit, tokens = _first(_LIMITS, error.body), _first(_TOKENS, error.body)
    limit = limit if limit >= _SHORTEST_CONTEXT else 0
    if limit or (_ABOUT_TOKENS.search(error.body) and re.search(r"context|too l", error.body, re.IGNORECASE)):
        return limit, tokens
    return None


def _first(patterns: tuple[str, ...], text: str) -> int:
    return next(
        (int(found[1]) for pattern in patterns if (found := re.search(pattern, text, re.IGNORECASE))), 0
    )


def size(prompt: FimPrompt) -> int:
    """A prompt's length in characters."""
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
