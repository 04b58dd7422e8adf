"""Sends requests to one completions server, in the form that it accepts, and emulates what it lacks.

A request refused for a reason that can be avoided (learned.py) is adapted and repeated at once; this is remembered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from cachetools import LRUCache

from aix_lsp.backends.base import BackendError, BackendUnavailable, Delta, GenerateRequest, ModelInfo, Usage
from aix_lsp.backends.client import HttpClient
from aix_lsp.backends.dialects import EngineDialect, InfillDialect, SuffixDialect, TemplateDialect
from aix_lsp.backends.discovery import Server
from aix_lsp.backends.emulation import EmulatedStream, cut_word, markers
from aix_lsp.backends.learned import ContextBudget, FieldsRefused, shortened, size

log = logging.getLogger(__name__)

_MOST_ATTEMPTS = 8
"""A server may name one rejected field at a time."""
_LONGEST_TOKEN = 256
"""Characters; runs of blanks are the longest tokens of vocabularies."""
_PIECES_A_TOKEN, _FURTHER_PIECES = 8, 64
"""A gateway may cut tokens into characters, and tell the usage with each."""
_NO_SUFFIX = (
    " Suggestions will not know what follows the cursor: set aix.fimFamily to the family of the model."
)


class Exchange:
    """Requests to one server, whose kind and model are known."""

    def __init__(self, client: HttpClient, server: Server, learned: Callable[[], None]) -> None:
        """`learned` is called when `model` has changed because of an answer."""
        self.client = client
        self.server = server
        self._learned = learned
        self._dialect = server.dialect
        self._fields = FieldsRefused()
        self._budget = ContextBudget(server.model.context_length)
        self._tokens = markers(server.template)
        self._declined: LRUCache[int, str] = LRUCache(maxsize=64)
        """What the model would have written instead of the word at the cursor, by the prompt without that word."""

    @property
    def model(self) -> ModelInfo:
        """The server's model, with the limits learned so far."""
        model = self.server.model
        return replace(
            model,
            context_length=self._budget.context_length,
            fim=model.fim and "suffix" not in self._fields.left_out,
        )

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """See Backend.generate. Errors caused by the server have a `trouble`."""
        if self._dialect.heals_itself:
            async with aclosing(self._ask(request)) as events:
                async for event in events:
                    yield event
            return
        prompt, word = cut_word(request.prompt) if request.heal else (request.prompt, "")
        place = hash((prompt.prefix, prompt.middle, prompt.suffix))
        if word and not word.startswith(self._declined.get(place, "")[: len(word)]):
            # While a word is typed, the prompt without it stays the same, and the answer would, too.
            prompt, word = request.prompt, ""
        # The answer first repeats the word, whose tokens have at least one character each.
        healed = replace(request, prompt=prompt, max_tokens=request.max_tokens + len(word))
        stream = EmulatedStream(request, word, self._tokens)
        loop = asyncio.get_running_loop()
        until = None if request.deadline_ms is None else loop.time() + request.deadline_ms / 1000
        async with aclosing(self._emulate(healed, stream, until)) as events:
            async for event in events:
                yield event
        if stream.useless:
            if request.temperature == 0:
                self._declined[place] = stream.declined
            # The model would write another word: complete the word at the cursor instead, even from a split token.
            plain = EmulatedStream(request, "", self._tokens)
            async with aclosing(self._emulate(request, plain, until)) as events:
                async for event in events:
                    yield event

    async def _emulate(
        self, request: GenerateRequest, stream: EmulatedStream, until: float | None
    ) -> AsyncGenerator[Delta | Usage]:
        """The events of `request` that `stream` lets through, until the event loop's clock reaches `until`."""
        silent = True
        async with aclosing(self._ask(request)) as events:
            while not stream.cut_short:
                try:
                    async with asyncio.timeout_at(until):
                        event = await anext(events)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    if silent:
                        raise BackendUnavailable(
                            f"{self.client.address} has not answered in time.", trouble="failing"
                        ) from None
                    for delta in stream.end("length"):
                        yield delta
                    return
                silent = False
                if isinstance(event, Usage):
                    yield event
                elif (taken := stream.take(event)) and not stream.useless:
                    yield taken
        if not stream.useless:
            for delta in stream.end("stop"):
                yield delta

    async def _ask(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """The server's own events. A refused request is repeated with fewer fields or a shorter prompt, if possible."""
        for attempt in range(_MOST_ATTEMPTS):
            body = self._fields.apply(self._dialect.body(request))
            began = False
            try:
                async with aclosing(self._read(request, body)) as items:
                    async for item in items:
                        if not began:
                            began = True
                            self._fields.worked()
                        yield item
                return
            except BackendError as error:
                again = (
                    None if began or attempt == _MOST_ATTEMPTS - 1 else self._adapted(request, body, error)
                )
                if again is None:
                    raise
                request = again

    async def _read(self, request: GenerateRequest, body: dict[str, object]) -> AsyncGenerator[Delta | Usage]:
        dialect, chars = self._dialect, size(request.prompt)
        # For our engine only: a public service must not learn which requests belong to one document.
        routed = isinstance(dialect, EngineDialect) or (isinstance(dialect, TemplateDialect) and dialect.vllm)
        session = request.document if routed else ""
        room = _Room(request)
        async with aclosing(self.client.events(dialect.url(self.client.address), body, session)) as events:
            async for event in events:
                for item in self._items(event):
                    if not room.takes(item):
                        log.info("%s writes more than was asked for, which is cut off", self.client.address)
                        return
                    if isinstance(item, Usage):
                        self._note(item, chars)
                    yield item

    def _items(self, event: Any) -> Iterator[Delta | Usage]:
        try:
            yield from self._dialect.read(event)
        except BackendError as error:
            self.client.hide_key(error)
            raise

    def _note(self, usage: Usage, chars: int) -> None:
        before = self._budget.context_length
        self._budget.answered(usage, chars)
        if self._budget.context_length != before:
            self._learned()

    def _adapted(
        self, request: GenerateRequest, body: dict[str, object], error: BackendError
    ) -> GenerateRequest | None:
        """The request, adapted so that it may be repeated after `error`, or None."""
        share = self._budget.refused(error, size(request.prompt), request.max_tokens)
        if share is not None:
            if size(request.prompt) < 16:
                return None
            log.info(
                "%s rejects the prompt as too long; retrying with %.0f %% of it",
                self.client.address,
                100 * share,
            )
            self._learned()
            return replace(request, prompt=shortened(request.prompt, share))
        if isinstance(self._dialect, InfillDialect) and (
            error.status == 501 or "not supported" in error.body
        ):
            # The model file names no fill-in-the-middle tokens.
            self._dialect = SuffixDialect(self.server.model.name)
            self._fields.left_out.add("suffix")
            log.warning("%s cannot fill in the middle.%s", self.client.address, _NO_SUFFIX)
            self._learned()
            return request
        known = self._fields.left_out | self._fields.renamed
        if not self._fields.learn(error, body):
            return None
        if refused := (self._fields.left_out | self._fields.renamed) - known:
            log.warning(
                "%s does not accept %s, which is omitted from now on.%s",
                self.client.address,
                ", ".join(sorted(refused)),
                _NO_SUFFIX if "suffix" in refused else "",
            )
        self._learned()
        return request


class _Room:
    """How much is taken of an answer: servers may not heed max_tokens, and each piece has all looked at again."""

    def __init__(self, request: GenerateRequest) -> None:
        self._characters = request.n * (request.max_tokens + 1) * _LONGEST_TOKEN
        self._pieces = request.n * (request.max_tokens * _PIECES_A_TOKEN + _FURTHER_PIECES)

    def takes(self, item: Delta | Usage) -> bool:
        """Whether there is room for one more piece."""
        self._pieces -= 1
        self._characters -= len(item.text) if isinstance(item, Delta) else 0
        return self._pieces >= 0 and self._characters >= 0
