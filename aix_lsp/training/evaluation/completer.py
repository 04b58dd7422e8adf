"""Completions as the engine makes them, greedy, with its layout and healing. Knows no model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from aix_lsp.engine.model.sampler import sample
from aix_lsp.engine.scheduling.ngram_index import EMPTY, NgramIndex
from aix_lsp.engine.scheduling.recall import Recall
from aix_lsp.engine.step import Row
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.healing import Healing
from aix_lsp.engine.text.layout import Layout, TokenPrompt
from aix_lsp.engine.text.vocabulary import Vocabulary
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.training.corpus import Document
from aix_lsp.training.vocabulary import template_of

Logits = NDArray[np.float32]

_LIBRARY_CHARACTERS = 200_000


class NextToken(Protocol):
    """A model that scores the next token of one sequence at a time."""

    name: str
    tokenizer: Any
    """A fast transformers tokenizer."""
    context: int
    """Tokens that a sequence may have."""

    def start(self, tokens: Sequence[int]) -> Logits:
        """Begin a sequence; scores [vocabulary] of the token after it, up to a constant."""
        ...

    def add(self, token: int) -> Logits:
        """Append a token to the sequence; scores of the one after it."""
        ...

    def nats(self, tokens: Sequence[int]) -> float:
        """Negative log-likelihood of `tokens[1:]`."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote, and whether it ended by itself."""

    text: str
    ended: bool


class Expected(NamedTuple):
    """The probabilities that a right token was given by the model and by text from elsewhere."""

    matched: int
    """How many tokens before it stood elsewhere, too; at least 1."""
    own: bool
    """Whether they stood in the prompt, not only in other files."""
    by_model: float
    by_recall: float


class Completer:
    """One model with its prompt format."""

    def __init__(self, model: NextToken, neighbours: Sequence[Document] | None = None) -> None:
        """With `neighbours` text from elsewhere in the prompt and in those of them that are of the document's
        package is mixed in, as the engine does it.
        """
        self.model = model
        known: dict[str, int] = model.tokenizer.get_vocab()
        template = template_of(known)
        stops = {known[name] for name in template.stop if name in known}
        ends = stops | {model.tokenizer.eos_token_id}
        self._vocabulary = Vocabulary(model.tokenizer, len(known), ends, [known[m] for m in template.markers])
        self._ends = tuple(self._vocabulary.ends)
        self._encoder = encoder = TextEncoder(model.tokenizer, self._vocabulary)
        self._layout = Layout(encoder, self._vocabulary, template, model.tokenizer)
        self._libraries = None if neighbours is None else _Libraries(neighbours, encoder)

    def complete(
        self,
        prompt: FimPrompt,
        limit: int,
        line: bool,
        heal: bool = True,
        expected: str | None = None,
        document: Document | None = None,
    ) -> Completion:
        """At most `limit` tokens, to the model's end or, with `line`, to the first line end.

        `document` is the one that the prompt is of. Where only agreement with `expected` counts, nothing is
        written beyond the first token that departs.
        """
        laid = self._layout.lay_out(prompt, self.model.context - limit - 32, heal)
        healing, written = Healing(self._vocabulary, laid.typed), b""
        wanted = None if expected is None else expected.encode() + b"\n"
        recall = self._recall(laid, document)
        logits = self.model.start(laid.tokens)
        for _ in range(limit + laid.healed):
            token = self._choose(logits, healing, recall)
            if token in self._vocabulary.ends:
                return Completion(written.decode(errors="replace"), ended=True)
            written += healing.accept(self._vocabulary.bytes_of(token))
            if line and b"\n" in written:
                return Completion(written.partition(b"\n")[0].decode(errors="replace"), ended=False)
            if wanted is not None and not wanted.startswith(written):
                break
            logits = self.model.add(token)
            if recall is not None:
                recall.extend([token])
        return Completion(written.decode(errors="replace"), ended=False)

    def nats(self, prompt: FimPrompt, wanted: str) -> float:
        """Negative log-likelihood of `wanted` at the cursor, the word begun before it included."""
        laid = self._layout.lay_out(prompt, self.model.context - len(wanted.encode()) - 64, heal=True)
        probabilities = (float(probabilities_of(logits)[token]) for token, logits in self._told(laid, wanted))
        return -sum(math.log(max(probability, 1e-12)) for probability in probabilities)

    def expected(self, prompt: FimPrompt, wanted: str, document: Document) -> Iterator[Expected]:
        """What the model and recall each expected of the tokens of `wanted`, given those before each.

        The token that spells the cursor's word again is left out: healing leaves it little choice.
        """
        laid = self._layout.lay_out(prompt, self.model.context - len(wanted.encode()) - 64, heal=True)
        recall = self._recall(laid, document)
        if recall is None:
            return
        for at, (token, logits) in enumerate(self._told(laid, wanted)):
            (mixture,) = recall.mixtures((), 1.0)
            if mixture is not None and (at or not laid.typed):
                told = dict(zip(mixture.tokens, mixture.probabilities, strict=True)).get(token, 0.0)
                yield Expected(recall.matched, recall.in_own, float(probabilities_of(logits)[token]), told)
            recall.extend([token])

    def _told(self, laid: TokenPrompt, wanted: str) -> Iterator[tuple[int, Logits]]:
        """The right tokens from the word begun at the cursor on, each with the model's scores before it."""
        logits = self.model.start(laid.tokens)
        for token in self._encoder.tokens(laid.typed.decode(errors="ignore") + wanted):
            yield token, logits
            logits = self.model.add(token)

    def _recall(self, laid: TokenPrompt, document: Document | None) -> Recall | None:
        if self._libraries is None:
            return None
        return Recall(laid.texts, self._libraries.beside(document) if document else EMPTY)

    def _choose(self, logits: Logits, healing: Healing, recall: Recall | None) -> int:
        """The engine's choice."""
        row = Row(
            (),
            0,
            (),
            allowed=healing.allowed,
            banned=self._vocabulary.banned,
            mixtures=recall.mixtures((), 1.0) if recall is not None else (),
            ends=self._ends,
        )
        [[chosen]] = sample(torch.from_numpy(logits)[None], [row])
        return chosen.token


class _Libraries:
    """What stands in the files nearest to a document, as a server would know them."""

    def __init__(self, documents: Sequence[Document], encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._packages: dict[tuple[str, str], list[Document]] = {}
        for document in documents:
            self._packages.setdefault((document.package, document.language), []).append(document)
        self._last: tuple[Document, NgramIndex] | None = None

    def beside(self, document: Document) -> NgramIndex:
        """The tokens of a document's neighbours of its language, nearest paths first."""
        if self._last is None or self._last[0] is not document:
            self._last = document, NgramIndex(list(self._chosen(document)))
        return self._last[1]

    def _chosen(self, document: Document) -> Iterator[list[int]]:
        others = self._packages.get((document.package, document.language), [])
        left = _LIBRARY_CHARACTERS
        for other in sorted(others, key=lambda d: (-len(commonpath([d.path, document.path])), d.path)):
            if other is document or left <= 0:
                continue
            text = other.text[:left]
            left -= len(text)
            yield self._encoder.tokens(text)


def probabilities_of(logits: Logits) -> Logits:
    """Scores as probabilities that sum up to 1."""
    probabilities: Logits = np.exp(logits - float(logits.max()))
    probabilities /= probabilities.sum()
    return probabilities


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer as the engine sees it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)
