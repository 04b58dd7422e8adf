"""Builds the prompt for a cursor: chooses window and context within the prompt budget, and replaces secrets."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

from aix_lsp.backends.base import Backend, GenerateRequest, ModelInfo, Priority, StopWhen, Usage
from aix_lsp.completion.context.provider import ContextProvider
from aix_lsp.completion.prompt_budget import FIRST, PromptBudget, ReadAhead
from aix_lsp.completion.request import CompletionContext
from aix_lsp.completion.text import Text
from aix_lsp.fim.block import opens_block
from aix_lsp.fim.confidence import NO_THRESHOLD
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.fim.window import Window, WindowLimits, next_window, same_window
from aix_lsp.languages import language_of
from aix_lsp.privacy.documents import PATIENCE_S, without_secrets
from aix_lsp.privacy.secrets import encodable, redact
from aix_lsp.settings import Settings

_CHARS_PER_TOKEN = 2.6
"""Low for code (3 to 4 is usual), so that a prompt fits; the engine truncates one that does not."""
_SUFFIX_SHARE = 0.25
_CONTEXT_SHARE = 0.3
"""The largest share of the prompt: the text around the cursor matters more than any other file."""
_MOST_CHARS = 32768
_LONGEST_MS = 15_000
"""A generation may continue after its request's deadline, so that the next request can join it, for this long."""
_VARIED = 0.7
"""Temperature of further candidates; at 0 they would all be the same."""
AHEAD = 4
"""A prompt that is read ahead may be this many times as long as others."""
_WORTH = 1.5
"""A window is read ahead if it has at least this many times as much text as the one in the prompt."""
_AHEAD_MS = 60_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to a backend for a generation."""

    request: GenerateRequest
    """For the first candidate."""
    placeholders: tuple[str, ...]
    """The placeholders for its secrets."""
    window: Window


class PromptBuilder:
    """Builds the prompts of one client, each based on the one before, so that a backend has its beginning cached."""

    def __init__(
        self,
        backend: Backend,
        context_provider: ContextProvider,
        unreported: Callable[[], tuple[int, int]] = lambda: (0, 0),
    ) -> None:
        """`unreported` returns how many suggestions were shown and accepted since it was last called."""
        self._unreported = unreported
        self._backend = backend
        self._context_provider = context_provider
        self._budget = PromptBudget()
        self._session = secrets.token_hex(4)

    def build(
        self, context: CompletionContext, before: Window | None, read_ahead: ReadAhead, *, kept: bool
    ) -> Prompt:
        """The prompt at the context's cursor; `before` is the window that the backend read last for the document, and
        `kept` whether that may still be in its cache.

        What is being read ahead is given up if it is of no use at the cursor.
        """
        text, placeholders = _without_secrets(context)
        larger = self._limits(context, AHEAD)
        if same_window(read_ahead.window, text, context.position, larger) is None:
            read_ahead.cancel()
        window = same_window(before if kept else None, text, context.position, larger)
        if window is None:
            usual = self._limits(context)
            window = next_window(_within(before, usual), text, context.position, usual)
        return self._prompt(context, window, placeholders, moved=window.moved_from(before))

    def ahead(
        self, context: CompletionContext, before: Window | None, reading: Window | None
    ) -> Prompt | None:
        """The prompt of a larger window around the cursor, to be read while the backend is idle.

        None if prompts need not be short, or if `before`, which was read, or `reading`, which is being read, has most
        of that window.
        """
        larger = self._limits(context, AHEAD)
        if self._budget.longest is None or larger == self._limits(context):
            return None
        text, placeholders = _without_secrets(context)
        window = next_window(None, text, context.position, larger)
        for other in (before, reading):
            known = same_window(other, text, context.position, larger)
            if known is not None and window.size < _WORTH * known.size:
                return None
        prompt = self._prompt(context, window, placeholders, moved=False)
        return replace(prompt, request=_only_read(prompt.request))

    def read(self, usage: Usage) -> bool:
        """Record how fast a prompt was processed; returns whether the next should be read anew.

        That is so if the first prompt was kept short for nothing, or if the backend has lost what it had read ahead.
        """
        known = self._budget.longest
        self._budget.add(usage)
        longest = self._budget.longest
        if longest is None:
            return False
        if known is None:
            return longest > FIRST
        return usage.prompt_tokens - usage.cached_tokens > known

    def _prompt(
        self, context: CompletionContext, window: Window, found: tuple[str, ...], *, moved: bool
    ) -> Prompt:
        """`moved`: whether the backend has to read all of the window anyway, so that its context may change, too."""
        settings, document = context.settings, context.document
        model = self._backend.status.model
        room = context_chars(settings, model, self._longest(context))
        files = self._context_provider.files(context, window, room, moved=moved)
        corpus = self._context_provider.corpus(context, window) if recalls(settings, model) else ()
        prompt, placeholders = clean(window.prompt(document.path, document.language, files), found)
        others = self._context_provider.placeholders(document.uri)
        # Acceptance is not reported to other people's servers unless the user wants that.
        reports = not settings.url or settings.report_acceptance
        shown, accepted = self._unreported() if reports else (0, 0)
        request = GenerateRequest(
            prompt=prompt,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            stop_when=_stop_when(context),
            confidence=context.confidence,
            stream_key=self._stream_key(document.uri),
            priority=Priority.INVOKED if context.request.trigger == "invoked" else Priority.TYPED,
            deadline_ms=max(_LONGEST_MS, settings.deadline_ms),
            recall=None if settings.recall else 0.0,
            corpus=corpus,
            shown=shown,
            accepted=accepted,
        )
        return Prompt(request, (*placeholders, *others), window)

    def _limits(self, context: CompletionContext, times: int = 1) -> WindowLimits:
        longest = self._longest(context)
        return limits(
            context.settings, self._backend.status.model, None if longest is None else times * longest
        )

    def _longest(self, context: CompletionContext) -> int | None:
        """The longest prompt in tokens; None for no limit. A remote server need not say how fast it reads."""
        return self._budget.longest or (None if context.settings.url else FIRST)

    def _stream_key(self, uri: str) -> str:
        """The engine's name for a document's stream, which tells a remote server nothing about the path."""
        digest = hashlib.blake2s(uri.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return f"{self._session}:{digest}"


def _without_secrets(context: CompletionContext) -> tuple[Text, tuple[str, ...]]:
    document = context.document
    return without_secrets(document.text, document.language, *context.position, PATIENCE_S)


def _within(window: Window | None, limits: WindowLimits) -> Window | None:
    """A window if it is within limits: one that was read ahead need not be."""
    if window is None or len(window.suffix) > limits.suffix_chars:
        return None
    return window


def _only_read(request: GenerateRequest) -> GenerateRequest:
    """`request` for the sake of its prompt alone, when there is nothing else to do."""
    return replace(
        request,
        max_tokens=1,
        stop_when="",
        confidence=NO_THRESHOLD,
        stream_key=f"{request.stream_key}:ahead",
        priority=Priority.BACKGROUND,
        deadline_ms=_AHEAD_MS,
        recall=0.0,
        corpus=(),
    )


def varied(request: GenerateRequest, count: int) -> GenerateRequest:
    """The request for `count` further candidates, in addition to `request`."""
    return replace(
        request,
        n=count,
        temperature=max(_VARIED, request.temperature),
        stream_key=f"{request.stream_key}:more",
    )


def prefetched(request: GenerateRequest) -> GenerateRequest:
    """`request` at the priority of one that nobody waits for yet."""
    return replace(request, priority=Priority.PREFETCH, stream_key=f"{request.stream_key}:prefetch")


def limits(settings: Settings, model: ModelInfo | None, longest: int | None = None) -> WindowLimits:
    """How much of a document fits the model, the settings and the prompt budget."""
    room = _room(settings, model, longest)
    tokens = max(64, room - _context_tokens(settings, model, room))
    chars = min(_MOST_CHARS, int(tokens * _CHARS_PER_TOKEN))
    suffix = int(chars * _SUFFIX_SHARE)
    return WindowLimits(
        prefix_lines=settings.prefix_lines,
        suffix_lines=settings.suffix_lines,
        prefix_chars=chars - suffix,
        suffix_chars=suffix,
        middle_chars=(chars - suffix) // 4,
    )


def context_chars(settings: Settings, model: ModelInfo | None, longest: int | None = None) -> int:
    """How many characters of other files go into a prompt."""
    return int(_context_tokens(settings, model, _room(settings, model, longest)) * _CHARS_PER_TOKEN)


def _room(settings: Settings, model: ModelInfo | None, longest: int | None) -> int:
    """The most tokens of a prompt."""
    context_length = model.context_length if model is not None else 2048
    if longest is not None:
        context_length = min(context_length, longest + settings.max_tokens)
    return context_length - settings.max_tokens - 32


def _context_tokens(settings: Settings, model: ModelInfo | None, room: int) -> int:
    """The most tokens of context files; zero for a model with recall, which needs no other files in the prompt."""
    if model is None or not model.takes_context or recalls(settings, model):
        return 0
    return max(0, min(settings.context_tokens, int(room * _CONTEXT_SHARE)))


def recalls(settings: Settings, model: ModelInfo | None) -> bool:
    """Whether the engine uses recall."""
    return settings.recall and model is not None and model.recall


def _stop_when(context: CompletionContext) -> StopWhen:
    """When the backend may end the generation by itself; if it might end too early, the filters do it instead."""
    if context.cursor.in_mid_line:  # we must see whether the model ends its line or only its insertion
        return ""
    line = context.cursor.line_before
    if context.multiline and line.strip() and not opens_block(line, language_of(context.cursor.language)):
        return ""  # the lines that follow are no deeper than the cursor's
    return "block" if context.multiline else "line"


def clean(prompt: FimPrompt, placeholders: tuple[str, ...]) -> tuple[FimPrompt, tuple[str, ...]]:
    """The prompt as it may be sent, and the placeholders for its secrets.

    The document's secrets have been replaced by `placeholders` already (privacy/documents); those in context files
    are replaced here.
    """
    before = encodable(prompt.prefix + prompt.middle)
    suffix = encodable(prompt.suffix)
    context = [redact(encodable(file.text)) for file in prompt.context]
    anchor = len(prompt.prefix)
    sent = replace(
        prompt,
        prefix=before[:anchor],
        middle=before[anchor:],
        suffix=suffix,
        path=encodable(prompt.path),
        context=tuple(
            ContextFile(encodable(file.path), clean.text)
            for file, clean in zip(prompt.context, context, strict=True)
        ),
    )
    shown = (each for each in placeholders if each in before or each in suffix)
    return sent, (*shown, *chain.from_iterable(part.placeholders for part in context))
