"""A loaded model in service: from a sound completion request to a running one. Knows text and tokens; no
HTTP.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from dataclasses import asdict, dataclass

from aix_lsp.engine.engine import Engine
from aix_lsp.engine.http.parameters import CompletionRequest
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import LoadedModel, ModelError
from aix_lsp.engine.scheduling.schedule import Limits
from aix_lsp.engine.scheduling.sequence import Request, Sequence
from aix_lsp.engine.step import Sampling
from aix_lsp.engine.stream import EventStream
from aix_lsp.engine.text.candidate import Candidate, stops_for
from aix_lsp.engine.text.corpus import Corpus
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.layout import Layout, Prompt, PromptTooLong
from aix_lsp.engine.text.vocabulary import Vocabulary
from aix_lsp.fim.family import Template
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import detect

log = logging.getLogger(__name__)

_LEAST_PROMPT = 16
_SMALL = 100_000_000
"""Weights of a model that what stands elsewhere helps, as far as was measured (training/README.md)."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What clients are told of the model."""

    name: str
    family: str
    context_length: int
    fim: bool
    device: str
    dtype: str
    recall: bool
    """Whether what stands elsewhere is mixed into its probabilities where a request does not say."""

    def json(self) -> dict[str, object]:
        """As docs/engine-api.md has it."""
        return asdict(self)


class ServedModel:
    """One model with its text side and its engine."""

    def __init__(
        self,
        model: LoadedModel,
        fim_family: str = "",
        metrics: EngineMetrics | None = None,
        limits: Limits | None = None,
    ) -> None:
        tokenizer = model.tokenizer
        known: dict[str, int] = tokenizer.get_vocab()
        template = _template(known, model.name, fim_family)
        stops = [known[stop] for stop in template.stop if stop in known] if template else []
        markers = [known[marker] for marker in template.markers] if template else []
        ends = model.eos_token_ids.union(stops)
        self._vocabulary = Vocabulary(tokenizer, model.runner.vocab_size, ends, markers)
        encoder = self._encoder = TextEncoder(tokenizer, self._vocabulary)
        self._takes_context = template is not None and template.takes_context
        self._layout = Layout(encoder, self._vocabulary, template, tokenizer)
        self.engine = Engine(model.runner, metrics, limits)
        self.engine.metrics.memory_bytes.labels("weights").set(model.weight_bytes)
        self.engine.metrics.memory_bytes.labels("pool").set(model.pool_bytes)
        self.card = ModelCard(
            model.name,
            template.name if template else "",
            self.engine.capacity,
            template is not None,
            model.device,
            model.dtype,
            0 < model.parameters <= _SMALL,
        )
        self.corpus = Corpus(encoder)

    def complete(self, completion: CompletionRequest) -> EventStream:
        """Start a completion; must be called on an event loop. Raises PromptTooLong, QueueFull,
        EngineStopped.
        """
        arrival = time.monotonic()
        room = self.engine.capacity - completion.max_tokens
        if room < _LEAST_PROMPT:
            raise PromptTooLong(
                f"max_tokens ({completion.max_tokens}) leaves no room for a prompt: the model has "
                f"{self.engine.capacity} tokens for both; lower max_tokens (setting maxTokens)"
            )
        prompt = self._layout.lay_out(completion.prompt, room, completion.heal)
        request = self._request(completion, prompt, arrival)
        return self.engine.submit(request, completion.stream_key)

    def _request(self, completion: CompletionRequest, prompt: Prompt, arrival: float) -> Request:
        deadline = math.inf if completion.deadline_ms is None else arrival + completion.deadline_ms / 1e3
        request = Request(
            client=completion.client,
            namespace=completion.tenant,
            priority=completion.priority,
            deadline=deadline,
            arrival=arrival,
            banned=self._vocabulary.banned,
            ends=tuple(self._vocabulary.ends),
            top_logprobs=completion.logprobs or 0,
            texts=(*self._unread(completion.prompt), *prompt.texts),
            corpus=self.corpus.of(completion.corpus),
            recall_weight=float(self.card.recall) if completion.recall is None else completion.recall,
            parts=prompt.parts,
        )
        seed = secrets.randbits(31) if completion.seed is None else completion.seed
        request.sequences = [
            Sequence(
                request,
                index,
                list(prompt.tokens),
                len(prompt.tokens),
                len(prompt.tokens) + prompt.healed + completion.max_tokens,
                self._candidate(index, completion, prompt),
                Sampling(
                    completion.temperature, completion.top_k, completion.top_p, completion.min_p, seed + index
                ),
            )
            for index in range(completion.n)
        ]
        return request

    def _unread(self, prompt: FimPrompt) -> list[list[int]]:
        """The context of a prompt whose format has no place for it."""
        if self._takes_context:
            return []
        return [self._encoder.encode(file.text, f"context:{file.path}").tokens for file in prompt.context]

    def _candidate(self, index: int, completion: CompletionRequest, prompt: Prompt) -> Candidate:
        parts = completion.prompt
        before = parts.prefix + parts.middle
        line_head = before[max(before.rfind("\n"), before.rfind("\r")) + 1 :]
        at_line_end = not parts.suffix.split("\n", 1)[0].strip()
        stops = stops_for(completion.stop, completion.stop_when, line_head, at_line_end)
        logprobs = completion.logprobs is not None
        return Candidate(index, self._vocabulary, prompt.typed, stops, logprobs, completion.confidence)


def _template(known: dict[str, int], name: str, forced: str) -> Template | None:
    try:
        template = detect(known, name, forced)
    except ValueError as error:
        raise ModelError(str(error)) from error
    if template is None:
        log.warning("%s has no fill-in-the-middle tokens: it continues the text before the cursor only", name)
    return template
