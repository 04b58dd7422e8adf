"""A loaded model in service: turns validated completion requests into running ones. Knows text and tokens, no HTTP."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from aix_lsp.engine.engine import Engine, EngineStopped, check_room
from aix_lsp.engine.events import Failed, Finished
from aix_lsp.engine.executor import DaemonThread
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import LoadedModel, ModelError
from aix_lsp.engine.parameters import CompletionParameters
from aix_lsp.engine.scheduling.ngram_index import NgramIndex
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.scheduling.sequence import Request, Sequence
from aix_lsp.engine.step import Sampling
from aix_lsp.engine.stream import EventStream
from aix_lsp.engine.text.candidate import CandidateText, stops_for
from aix_lsp.engine.text.corpus import Corpus
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.healing import Healing
from aix_lsp.engine.text.layout import Layout, PromptTooLong, TokenPrompt
from aix_lsp.engine.text.vocabulary import Vocabulary
from aix_lsp.fim.family import Template
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import detect

log = logging.getLogger(__name__)

T = TypeVar("T")

_LEAST_PROMPT = 16
_LEAVING = "the engine is shutting down; try again"
_RECALL_WEIGHTS = ((100_000_000, 1.0), (1_000_000_000, 0.5))
"""Recall's default weight for models of up to so many parameters, as far as measured (docs/quality.md)."""

_AT_ONCE = 16 << 10
"""Prompts of up to this many characters are laid out on the event loop, in half of the time it may be blocked."""
_QUICKLY_LAID_OUT = 64 << 10
"""Prompts of up to this many characters do not wait behind larger ones."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model's description for clients."""

    name: str
    family: str
    context_length: int
    fim: bool
    device: str
    dtype: str
    running: str
    """How it is computed and why, for people."""
    recall: bool
    """Whether recall is used for requests that do not say."""
    takes_context: bool
    """Whether its completions improve with context from other files."""

    def json(self) -> dict[str, object]:
        """The JSON form of docs/engine-api.md."""
        return asdict(self)


class Account(Protocol):
    """The user on whose behalf a request runs, where users are known."""

    client: str
    """The scheduler's name for them; replaces the one in the request."""
    tenant: str
    """Requests of the same tenant share cached prompts."""
    share: float
    """Their share of the engine under load; 1 is the default."""

    def spent(self, end: Finished | Failed, priority: int) -> None:
        """Called on the event loop with the terminal event of each request, even if its client has left."""
        ...


class ServedModel:
    """A model with its tokenizer, prompt layout, corpus and engine."""

    def __init__(
        self,
        model: LoadedModel,
        fim_family: str = "",
        metrics: EngineMetrics | None = None,
        limits: StepLimits | None = None,
    ) -> None:
        known: dict[str, int] = (tokenizer := model.tokenizer).get_vocab()
        template = _template(known, model.name, fim_family)
        stops = [known[stop] for stop in template.stop if stop in known] if template else []
        markers = [known[marker] for marker in template.markers] if template else []
        ends = model.eos_token_ids.union(stops)
        self._vocabulary = Vocabulary(tokenizer, model.runner.vocab_size, ends, markers, known)
        self._encoder = TextEncoder(tokenizer, self._vocabulary)
        self._takes_context = template is not None and template.takes_context
        self._recall = _recall_weight(model.parameters)
        self._layout = Layout(self._encoder, template)
        self.engine = Engine(model.runner, metrics, limits)
        for part, size in (("weights", model.weight_bytes), ("pool", model.pool_bytes)):
            self.engine.metrics.memory_bytes.labels(part).set(size)
        self.card = ModelCard(
            model.name,
            template.name if template else "",
            self.engine.capacity,
            template is not None,
            model.device,
            model.dtype,
            model.running,
            self._recall > 0,
            template is not None and template.context_helps(model.parameters),
        )
        self.corpus = Corpus(self._encoder)
        self.slow_work = DaemonThread("engine-texts")
        """Runs what takes long: large prompts, texts of the corpus."""
        self.quick_work = DaemonThread("engine-layout")
        self._limits = limits or StepLimits()
        self._preparing: Counter[str] = Counter()
        self._pending: set[asyncio.Future[Any]] = set()
        self._leaving = False
        self._loop_free_at = 0.0

    async def complete(self, asked: CompletionParameters, account: Account | None = None) -> EventStream:
        """Start a completion. A large prompt is laid out on another thread, so that the event loop stays responsive.

        Raises PromptTooLong, QueueFull, EngineStopped.
        """
        arrival = time.monotonic()
        self.engine.metrics.suggestions.labels("shown").inc(asked.shown)
        self.engine.metrics.suggestions.labels("accepted").inc(asked.accepted)
        if account is not None:
            tenant = f"{account.tenant}\0{asked.tenant}"
            asked = replace(asked, client=account.client, tenant=tenant)
        self._check_cost(asked)
        text = asked.prompt
        size = len(text.prefix) + len(text.middle) + len(text.suffix) + sum(len(f.text) for f in text.context)
        worker = self.quick_work if size <= _QUICKLY_LAID_OUT else self.slow_work
        self._preparing[asked.client] += 1
        try:
            if size <= _AT_ONCE and arrival >= self._loop_free_at:
                request = self._prepare(asked, arrival)
                # Leaves the event loop at least as much time for other work.
                self._loop_free_at = 2 * time.monotonic() - arrival
            else:
                request = await self.run_on(worker, partial(self._prepare, asked, arrival))
        finally:
            self._preparing[asked.client] -= 1
            if not self._preparing[asked.client]:
                del self._preparing[asked.client]
        if account is None:
            return self.engine.submit(request, asked.stream_key)
        request.share = account.share
        return self.engine.submit(request, asked.stream_key, partial(account.spent, priority=asked.priority))

    async def run_on(self, worker: DaemonThread, call: Callable[[], T]) -> T:
        """Run `call` on another thread and return its result. Raises EngineStopped if the engine has stopped, or stops
        meanwhile."""
        if self._leaving:
            raise EngineStopped(_LEAVING)
        future = asyncio.wrap_future(worker.submit(call))
        self._pending.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            if self._leaving:
                raise EngineStopped(_LEAVING) from None
            raise
        finally:
            self._pending.discard(future)

    def leave(self) -> None:
        """Cancel all requests, including those being laid out, and accept no more."""
        self._leaving = True
        self.engine.cancel_all()
        for future in self._pending:
            future.cancel()

    def _check_cost(self, asked: CompletionParameters) -> None:
        """Refuse, before any work, requests that cannot be served or cost too much."""
        room, capacity = self.engine.capacity - asked.max_tokens, self.engine.capacity
        if room < _LEAST_PROMPT:
            raise PromptTooLong(
                f"max_tokens ({asked.max_tokens}) leaves no room for a prompt: the model has "
                f"{capacity} tokens for both; lower max_tokens (setting maxTokens)"
            )
        if asked.n * asked.max_tokens > self.engine.pool_tokens - _LEAST_PROMPT:
            raise PromptTooLong(
                f"n ({asked.n}) times max_tokens ({asked.max_tokens}) is more than the KV pool's "
                f"{self.engine.pool_tokens} tokens; lower one of them or raise kvMemoryMb"
            )
        check_room(self._limits, self._preparing.total(), self._preparing[asked.client])

    def _prepare(self, asked: CompletionParameters, arrival: float) -> Request:
        room = self.engine.capacity - asked.max_tokens
        return self._request(asked, self._layout.lay_out(asked.prompt, room, asked.heal), arrival)

    def _request(self, asked: CompletionParameters, prompt: TokenPrompt, arrival: float) -> Request:
        deadline = math.inf if asked.deadline_ms is None else arrival + asked.deadline_ms / 1e3
        request = Request(
            client=asked.client,
            namespace=asked.tenant,
            priority=asked.priority,
            deadline=deadline,
            arrival=arrival,
            banned=self._vocabulary.banned,
            ends=tuple(self._vocabulary.ends),
            top_logprobs=asked.logprobs or 0,
            texts=NgramIndex([*self._unused_context(asked.prompt), *prompt.texts]),
            corpus=self.corpus.of(asked.corpus),
            recall_weight=self._recall if asked.recall is None else asked.recall,
            parts=prompt.parts,
        )
        seed = secrets.randbits(31) if asked.seed is None else asked.seed
        request.sequences = [
            Sequence(
                request,
                index,
                list(prompt.tokens),
                len(prompt.tokens),
                len(prompt.tokens) + len(prompt.healed) + asked.max_tokens,
                self._candidate(index, asked, prompt),
                Sampling(asked.temperature, asked.top_k, asked.top_p, asked.min_p, seed + index),
            )
            for index in range(asked.n)
        ]
        return request

    def _unused_context(self, prompt: FimPrompt) -> list[list[int]]:
        """A prompt's context, as tokens, if its template has no place for it: recall can still use it."""
        if self._takes_context:
            return []
        return [self._encoder.encode(file.text, f"context:{file.path}").tokens for file in prompt.context]

    def _candidate(self, index: int, asked: CompletionParameters, prompt: TokenPrompt) -> CandidateText:
        parts = asked.prompt
        before = parts.prefix + parts.middle
        line_head = before[max(before.rfind("\n"), before.rfind("\r")) + 1 :]
        at_line_end = not parts.suffix.split("\n", 1)[0].strip()
        stops = stops_for(asked.stop, asked.stop_when, line_head, at_line_end)
        logprobs = asked.logprobs is not None
        healing = Healing(self._vocabulary, prompt.typed, prompt.healed)
        return CandidateText(index, self._vocabulary, healing, stops, logprobs, asked.confidence)


def _recall_weight(parameters: int) -> float:
    """Recall's weight for requests that do not say; 0 where nothing is known of the model's size."""
    weights = (weight for most, weight in _RECALL_WEIGHTS if 0 < parameters <= most)
    return next(weights, 0.0)


def _template(known: dict[str, int], name: str, forced: str) -> Template | None:
    try:
        template = detect(known, name, forced)
    except ValueError as error:
        raise ModelError(str(error)) from error
    if template is None:
        log.warning("%s has no fill-in-the-middle tokens: it continues the text before the cursor only", name)
    return template
