"""Generates completions with recall, and measures what model and recall each expect of the correct tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from os.path import commonpath
from typing import NamedTuple

import numpy as np

from aix_lsp.engine.scheduling.ngram_index import EMPTY, NgramIndex
from aix_lsp.engine.scheduling.recall import Recall
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.layout import TokenPrompt
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation.completer import Completer, Logits, NextToken

_CORPUS_CHARACTERS = 200_000


class Expected(NamedTuple):
    """The probabilities that the model and recall gave to a correct token."""

    matched: int
    """How many tokens before it also occurred elsewhere; at least 1."""
    own: bool
    """Whether that was in the prompt, not only in other files."""
    by_model: float
    by_recall: float


class RecallCompleter(Completer):
    """A completer that can mix in recall, as the engine does."""

    def __init__(self, model: NextToken, neighbours: Sequence[Document] | None = None) -> None:
        """With `neighbours`, recall searches the prompt and those of them in the document's package."""
        super().__init__(model)
        self._corpora = None if neighbours is None else _Corpora(neighbours, self._encoder)

    def nats(self, prompt: FimPrompt, wanted: str) -> float:
        """Negative log-likelihood of `wanted` at the cursor, including the part of its first word before the cursor."""
        laid = self._layout.lay_out(prompt, self.model.context - len(wanted.encode()) - 64, heal=True)
        probabilities = (
            float(probabilities_of(logits)[token]) for token, logits in self._forced(laid, wanted)
        )
        return -sum(math.log(max(probability, 1e-12)) for probability in probabilities)

    def expected(self, prompt: FimPrompt, wanted: str, document: Document) -> Iterator[Expected]:
        """What model and recall each expect of the tokens of `wanted`, given those before.

        The token that spells the cursor's word again is left out: healing leaves it little choice.
        """
        laid = self._layout.lay_out(prompt, self.model.context - len(wanted.encode()) - 64, heal=True)
        recall = self._recall(laid, document)
        if recall is None:
            return
        for at, (token, logits) in enumerate(self._forced(laid, wanted)):
            (mixture,) = recall.mixtures((), 1.0)
            if mixture is not None and (at or not laid.typed):
                by_recall = dict(zip(mixture.tokens, mixture.probabilities, strict=True)).get(token, 0.0)
                yield Expected(
                    recall.matched, recall.in_own, float(probabilities_of(logits)[token]), by_recall
                )
            recall.extend([token])

    def _forced(self, laid: TokenPrompt, wanted: str) -> Iterator[tuple[int, Logits]]:
        """The correct tokens from the cursor's word on, each with the model's scores before it."""
        logits = self.model.start(laid.tokens)
        for token in self._encoder.tokens(laid.typed.decode(errors="ignore") + wanted):
            yield token, logits
            logits = self.model.add(token)

    def _recall(self, laid: TokenPrompt, document: Document | None) -> Recall | None:
        if self._corpora is None:
            return None
        return Recall(laid.texts, self._corpora.of(document) if document else EMPTY)


class _Corpora:
    """The corpus for each document: the files nearest to it, as a server would upload them."""

    def __init__(self, documents: Sequence[Document], encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._packages: dict[tuple[str, str], list[Document]] = {}
        for document in documents:
            self._packages.setdefault((document.package, document.language), []).append(document)
        self._last: tuple[Document, NgramIndex] | None = None

    def of(self, document: Document) -> NgramIndex:
        """The tokens of a document's neighbours in the same language, nearest paths first."""
        if self._last is None or self._last[0] is not document:
            self._last = document, NgramIndex(list(self._chosen(document)))
        return self._last[1]

    def _chosen(self, document: Document) -> Iterator[list[int]]:
        others = self._packages.get((document.package, document.language), [])
        left = _CORPUS_CHARACTERS
        for other in sorted(others, key=lambda d: (-len(commonpath([d.path, document.path])), d.path)):
            if other is document or left <= 0:
                continue
            text = other.text[:left]
            left -= len(text)
            yield self._encoder.tokens(text)


def probabilities_of(logits: Logits) -> Logits:
    """Convert scores to probabilities, which sum up to 1."""
    probabilities: Logits = np.exp(logits - float(logits.max()))
    probabilities /= probabilities.sum()
    return probabilities
