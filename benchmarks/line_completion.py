"""Completes lines at cursors with a loaded model, for benchmarks that compare what its prompts contain.

Reported are exact lines; and the nats of the right text, which are less noisy (lower is better).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from aix_lsp.engine.model.loader import load
from aix_lsp.engine.model.plan import lay_out
from aix_lsp.engine.options import EngineOptions
from aix_lsp.engine.scheduling.recall import Recall
from aix_lsp.engine.step import Row
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.healing import Healing
from aix_lsp.engine.text.layout import Layout, TokenPrompt
from aix_lsp.engine.text.vocabulary import Vocabulary
from aix_lsp.fim.family import Template
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import detect
from benchmarks.machine import announce
from benchmarks.prompt_forms import Form

LINE_TOKENS = 40
_DRAWS = 1000


def arguments(description: str | None, cursors: int, seed: int) -> argparse.ArgumentParser:
    """The command line that these benchmarks share; `cursors` and `seed` are defaults."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="as in the setting `model`")
    parser.add_argument("--cursors", type=int, default=cursors)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--json", type=Path, help="file to append each outcome to")
    return parser


@dataclass(frozen=True)
class Outcome:
    """The result of one form at one cursor."""

    form: str
    exact: bool
    nats: float
    tokens: int
    context: int
    next_key: float
    """Mean number of prompt tokens to prefill after each further key of the line."""


@dataclass
class Session:
    """The loaded model; what successive sequences share is computed once."""

    model: Any
    _tokens: list[int] = field(default_factory=list)

    @torch.inference_mode()
    def scores(self, tokens: Sequence[int], last: int = 1) -> torch.Tensor:
        """Log-probabilities [last, vocabulary] after each of the `last` last tokens."""
        runner = self.model.runner
        shared = min(common_length(self._tokens, tokens), len(tokens) - last)
        self._tokens = list(tokens)
        pages = range(runner.page_count)
        for start in range(shared, len(tokens), 512):
            end = min(start + 512, len(tokens))
            row = Row(
                tokens[start:end], start, pages, outputs=max(0, min(end, len(tokens)) - len(tokens) + last)
            )
            row.outputs = last if end == len(tokens) else 0
            plan = lay_out([row], runner._pool, runner.page_size, runner._pool.device, lambda: False, False)
            logits = runner._forward(plan)
        return torch.log_softmax(logits.float(), -1)


class Asker:
    """The model with its tokenizer, for prompts of any form."""

    def __init__(self, session: Session, template: Template) -> None:
        self.session = session
        self.template = template
        tokenizer = session.model.tokenizer
        known: dict[str, int] = tokenizer.get_vocab()
        ends = {known[name] for name in template.stop if name in known} | set(session.model.eos_token_ids)
        self.vocabulary = Vocabulary(
            tokenizer, session.model.runner.vocab_size, ends, [known[m] for m in template.markers]
        )
        self.encoder = TextEncoder(tokenizer, self.vocabulary)
        self._layouts: dict[str, Layout] = {}

    @classmethod
    def of(cls, name: str) -> Asker:
        """Load a model, named as in the setting `model`, and describe it and this machine on standard error."""
        announce()
        model = load(EngineOptions(model=name, device="cpu"), lambda stage, share: None)
        torch.set_num_threads(1)  # several would wait for each other on a shared machine
        print(model.running, file=sys.stderr)
        template = detect(model.tokenizer.get_vocab(), model.name)
        if template is None:
            raise SystemExit(f"{name} has no fill-in-the-middle tokens")
        return cls(Session(model), template)

    def laid(self, form: Form, prompt: FimPrompt) -> TokenPrompt:
        """The prompt as tokens."""
        layout = self._layouts.setdefault(
            repr(form.template),
            Layout(self.encoder, form.template),
        )
        return layout.lay_out(prompt, self.session.model.context_length - 256, form.heal)

    def exact(
        self, laid: TokenPrompt, wanted: str, recall: Recall | None = None, weight: float = 0.0
    ) -> bool:
        """Whether the first line generated greedily is the correct one."""
        healing, written, tokens = Healing(self.vocabulary, laid.typed), b"", list(laid.tokens)
        right = wanted.rstrip().encode()
        for _ in range(LINE_TOKENS + len(laid.healed)):
            scores = _mixed(self.session.scores(tokens)[0], recall, weight)
            token = self.choose(scores, healing.allowed)
            if token in self.vocabulary.ends:
                break
            written += healing.accept(self.vocabulary.bytes_of(token))
            line, newline, _ = written.partition(b"\n")
            if newline or not (right.startswith(line) or line.rstrip() == right):
                break
            tokens.append(token)
            if recall is not None:
                recall.extend([token])
        return written.partition(b"\n")[0].rstrip() == right

    def nats(
        self, laid: TokenPrompt, wanted: str, recall: Recall | None = None, weight: float = 0.0
    ) -> float:
        """Negative log-likelihood of the correct text, given the bytes that healing makes the model spell again."""
        told = self.encoder.tokens(laid.typed.decode(errors="ignore") + wanted)
        scores = self.session.scores([*laid.tokens, *told[:-1]], len(told))
        healing, nats = Healing(self.vocabulary, laid.typed), 0.0
        for token, row in zip(told, scores, strict=True):
            mixed, allowed = _mixed(row, recall, weight), healing.allowed
            nats -= float(mixed[token])
            if allowed is not None:
                nats += float(torch.logsumexp(mixed[list(allowed)], 0))
            healing.accept(self.vocabulary.bytes_of(token))
            if recall is not None:
                recall.extend([token])
        return nats

    def choose(self, scores: torch.Tensor, allowed: Sequence[int] | None) -> int:
        """The likeliest of the tokens that may come next."""
        if allowed is not None:
            ids = torch.tensor(list(allowed))
            return int(ids[scores[ids].argmax()])
        scores = scores.clone()
        scores[torch.tensor(list(self.vocabulary.banned))] = -torch.inf
        return int(scores.argmax())


def _mixed(scores: torch.Tensor, recall: Recall | None, weight: float) -> torch.Tensor:
    """Log-probabilities [vocabulary] with recall's mixed in."""
    [mixture] = recall.mixtures((), weight) if recall is not None else [None]
    if mixture is None:
        return scores
    probabilities = scores.exp() * (1 - mixture.share)
    probabilities[list(mixture.tokens)] += mixture.share * torch.tensor(list(mixture.probabilities))
    return probabilities.log()


def report(outcomes: Iterable[list[Outcome]], file: Path | None) -> None:
    """Print the table of the outcomes at each cursor; append them to `file` as they come."""
    known = []
    for each in outcomes:
        known.append(each)
        if file is not None:
            with file.open("a") as lines:
                lines.write(json.dumps([asdict(one) for one in each]) + "\n")
    print("\n".join(_table(known)))


def _table(outcomes: Sequence[Sequence[Outcome]]) -> list[str]:
    """A Markdown table, one row per form; differences are to the first, at the same cursors, with 95 % bootstraps."""
    rows = [
        f"| {len(outcomes)} cursors | exact lines | difference | nats | difference | prompt | context | next key |",
        "|---|---|---|---|---|---|---|---|",
    ]
    columns = list(zip(*outcomes, strict=True))
    for column in columns:
        exact = [float(one.exact) for one in column]
        nats = [one.nats for one in column]
        more = [a - float(b.exact) for a, b in zip(exact, columns[0], strict=True)]
        less = [a - b.nats for a, b in zip(nats, columns[0], strict=True)]
        cells = [
            column[0].form,
            f"{statistics.mean(exact):.1%}",
            _interval(more, 100, ".1f"),
            f"{statistics.mean(nats):.2f}",
            _interval(less, 1, ".2f"),
            f"{statistics.mean(one.tokens for one in column):.0f}",
            f"{statistics.mean(one.context for one in column):.0f}",
            f"{statistics.mean(one.next_key for one in column):.1f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _interval(values: Sequence[float], factor: float, form: str) -> str:
    draw = random.Random(0)
    means = sorted(statistics.mean(draw.choices(values, k=len(values))) for _ in range(_DRAWS))
    mean, low, high = statistics.mean(values), means[_DRAWS // 40], means[-_DRAWS // 40 - 1]
    return f"{mean * factor:+{form}} [{low * factor:+{form}}, {high * factor:+{form}}]"


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common before the first that differs."""
    return next(
        (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )
