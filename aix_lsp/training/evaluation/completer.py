"""Generates completions as the engine does, greedily, with its layout and healing. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from aix_lsp.engine.model.sampler import sample
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


class NextToken(Protocol):
    """A model that scores the next token of one sequence at a time."""

    name: str
    tokenizer: Any
    """A fast transformers tokenizer."""
    context: int
    """The longest sequence in tokens."""

    def start(self, tokens: Sequence[int]) -> Logits:
        """Begin a sequence; returns the scores [vocabulary] of the token after it, up to a constant."""
        ...

    def add(self, token: int) -> Logits:
        """Append a token to the sequence; returns the scores of the one after it."""
        ...

    def nats(self, tokens: Sequence[int]) -> float:
        """Negative log-likelihood of `tokens[1:]`."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote, and whether it ended by itself."""

    text: str
    ended: bool


class Completer:
    """A model with its prompt template."""

    def __init__(self, model: NextToken) -> None:
        self.model = model
        known: dict[str, int] = model.tokenizer.get_vocab()
        template = template_of(known)
        stops = {known[name] for name in template.stop if name in known}
        ends = stops | {model.tokenizer.eos_token_id}
        tokenizer = model.tokenizer.backend_tokenizer
        self._vocabulary = Vocabulary(tokenizer, len(known), ends, [known[m] for m in template.markers])
        self._ends = tuple(self._vocabulary.ends)
        encoder = self._encoder = TextEncoder(tokenizer, self._vocabulary)
        self._layout = Layout(encoder, template)

    def complete(
        self,
        prompt: FimPrompt,
        limit: int,
        line: bool,
        heal: bool = True,
        expected: str | None = None,
        document: Document | None = None,
    ) -> Completion:
        """At most `limit` tokens, up to the model's end or, with `line`, to the first line ending.

        `document` is the prompt's document. With `expected`, generation stops after the first token that differs from
        it.
        """
        laid = self._layout.lay_out(prompt, self.model.context - limit - 32, heal)
        healing, written = Healing(self._vocabulary, laid.typed), b""
        wanted = None if expected is None else expected.encode() + b"\n"
        recall = self._recall(laid, document)
        logits = self.model.start(laid.tokens)
        for _ in range(limit + len(laid.healed)):
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

    def _recall(self, laid: TokenPrompt, document: Document | None) -> Recall | None:
        """The recall to mix in for a prompt of a document; a subclass may return one."""
        return None

    def _choose(self, logits: Logits, healing: Healing, recall: Recall | None) -> int:
        """The token that the engine would choose."""
        row = Row(
            (),
            0,
            (),
            allowed=(healing.allowed,),
            banned=self._vocabulary.banned,
            mixtures=recall.mixtures((), 1.0) if recall is not None else (),
            ends=self._ends,
        )
        [[chosen]] = sample(torch.from_numpy(logits)[None], [row])
        return chosen.token


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer as the engine uses it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)
