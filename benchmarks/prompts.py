"""Compares prompt forms for a prefix-first model, and what each source of context contributes.

python -m benchmarks.prompts MODEL FOLDER … --cursors 60 --json FILE

At cursors drawn from each folder's files (`aix_lsp.training.evaluation.cursors`), the model greedily completes the line
from each form. Reported are exact lines; the nats of the line's rest (lower is better, and less noisy than exact
lines); the prompt's tokens; and the tokens that the engine has to prefill after the next key.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch

from aix_lsp.completion.context.index.reader import IndexReader, Query
from aix_lsp.completion.context.index.scan import Gate, scan
from aix_lsp.completion.context.index.searches import MOST, SEARCHES
from aix_lsp.completion.context.index.store import Store
from aix_lsp.completion.context.snippets import Snippet
from aix_lsp.engine.model.loader import load
from aix_lsp.engine.model.plan import lay_out
from aix_lsp.engine.options import EngineOptions
from aix_lsp.engine.step import Row
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.healing import Healing
from aix_lsp.engine.text.layout import Layout, TokenPrompt
from aix_lsp.engine.text.vocabulary import Vocabulary
from aix_lsp.fim.family import Template
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import detect
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation.cursors import Cursor, lines
from benchmarks.machine import announce
from benchmarks.prompt_forms import Form, context_forms, forms

LINE_TOKENS = 40
_HEAD = 16384
_DRAWS = 1000
_KEYS = 6


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
        shared = min(_shared(self._tokens, tokens), len(tokens) - last)
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
        tokenizer = session.model.tokenizer
        known: dict[str, int] = tokenizer.get_vocab()
        ends = {known[name] for name in template.stop if name in known} | set(session.model.eos_token_ids)
        self.vocabulary = Vocabulary(
            tokenizer, session.model.runner.vocab_size, ends, [known[m] for m in template.markers]
        )
        self.encoder = TextEncoder(tokenizer, self.vocabulary)
        self._layouts: dict[str, Layout] = {}

    def laid(self, form: Form, prompt: FimPrompt) -> TokenPrompt:
        """The prompt as tokens."""
        layout = self._layouts.setdefault(
            repr(form.template),
            Layout(self.encoder, form.template),
        )
        return layout.lay_out(prompt, self.session.model.context_length - 256, form.heal)

    def exact(self, laid: TokenPrompt, wanted: str) -> bool:
        """Whether the first line generated greedily is the correct one."""
        healing, written, tokens = Healing(self.vocabulary, laid.typed), b"", list(laid.tokens)
        right = wanted.rstrip().encode()
        for _ in range(LINE_TOKENS + len(laid.healed)):
            token = self.choose(self.session.scores(tokens)[0], healing.allowed)
            if token in self.vocabulary.ends:
                break
            written += healing.accept(self.vocabulary.bytes_of(token))
            line, newline, _ = written.partition(b"\n")
            if newline or not (right.startswith(line) or line.rstrip() == right):
                break
            tokens.append(token)
        return written.partition(b"\n")[0].rstrip() == right

    def nats(self, laid: TokenPrompt, wanted: str) -> float:
        """Negative log-likelihood of the correct text, given the bytes that healing makes the model spell again."""
        told = self.encoder.tokens(laid.typed.decode(errors="ignore") + wanted)
        scores = self.session.scores([*laid.tokens, *told[:-1]], len(told))
        healing, nats = Healing(self.vocabulary, laid.typed), 0.0
        for at, token in enumerate(told):
            allowed = healing.allowed
            nats -= float(scores[at, token])
            if allowed is not None:
                nats += float(torch.logsumexp(scores[at, list(allowed)], 0))
            healing.accept(self.vocabulary.bytes_of(token))
        return nats

    def choose(self, scores: torch.Tensor, allowed: Sequence[int] | None) -> int:
        """The likeliest of the tokens that may come next."""
        if allowed is not None:
            ids = torch.tensor(list(allowed))
            return int(ids[scores[ids].argmax()])
        scores = scores.clone()
        scores[torch.tensor(list(self.vocabulary.banned))] = -torch.inf
        return int(scores.argmax())


def ask(asker: Asker, form: Form, cursor: Cursor, found: Sequence[Snippet]) -> Outcome:
    """The result of one form at one cursor."""
    laid = asker.laid(form, form.prompt(cursor, cursor.start, found))
    context = sum(count for part, count in laid.parts if part == "context")
    return Outcome(
        form.name,
        asker.exact(laid, cursor.wanted),
        asker.nats(laid, cursor.wanted),
        len(laid.tokens),
        context,
        _next_key(asker, form, cursor, found),
    )


def ask_all(asker: Asker, chosen: Sequence[Form], cursor: Cursor, found: Sequence[Snippet]) -> list[Outcome]:
    """The results of all forms at one cursor; forms with the same prompt are computed once."""
    known: dict[tuple[Any, ...], Outcome] = {}
    outcomes = []
    for form in chosen:
        key = (repr(form.template), form.heal, form.prompt(cursor, cursor.start, found))
        if key not in known:
            known[key] = ask(asker, form, cursor, found)
        outcomes.append(replace(known[key], form=form.name))
    return outcomes


def _next_key(asker: Asker, form: Form, cursor: Cursor, found: Sequence[Snippet]) -> float:
    """Tokens beyond the common prefix of two successive keys' prompts; mean over the first keys of the line's rest."""
    last = asker.laid(form, form.prompt(cursor, cursor.start, found)).tokens
    read = []
    for at in range(cursor.start + 1, min(cursor.end, cursor.start + _KEYS) + 1):
        now = asker.laid(form, form.prompt(cursor, at, found)).tokens
        read.append(len(now) - _shared(last, now))
        last = now
    return statistics.mean(read)


def searched(root: Path, count: int, seed: int) -> Iterator[tuple[Cursor, list[Snippet]]]:
    """Cursors in a folder's Python files, and what the sources of context find for them."""
    with tempfile.TemporaryDirectory(prefix="aix-prompts-") as folder:
        store = Store(Path(folder) / "index.db")
        try:
            gate = Gate(root, ())
            scan(store, gate, lambda done, of: None)
            index = IndexReader(store, gate)
            paths = sorted(path for path, _ in store.stamps() if path.endswith(".py"))
            documents = [
                Document(root.name, "python", path, (root / path).read_text("utf-8")) for path in paths
            ]
            fitting = [document for document in documents if 1500 < len(document.text) < 60_000]
            if not fitting:
                raise SystemExit(f"{root}: no Python files of 1,500 to 60,000 characters that may be sent")
            for cursor in lines(fitting, count, seed):
                yield cursor, list(_snippets(cursor, index))
        finally:
            store.close()


def _snippets(cursor: Cursor, index: IndexReader) -> Iterator[Snippet]:
    whole, text = cursor.prompt(), cursor.document.text
    query = Query(cursor.document.path, "python", text[: cursor.start][:_HEAD], whole.prefix, whole.suffix)
    for source, search in SEARCHES.items():
        for rank, excerpt in enumerate(islice(search(query, index), MOST)):
            yield Snippet(source, excerpt.path, excerpt.text, "", rank)  # type: ignore[arg-type]


def table(outcomes: Sequence[Sequence[Outcome]]) -> list[str]:
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


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="as in the setting `model`")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--cursors", type=int, default=20, help="in each folder")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--context", action="store_true", help="compare context from other files, not forms")
    parser.add_argument(
        "--above", type=int, default=0, help="with --context: lines behind the middle token; -1 for none"
    )
    parser.add_argument("--forms", nargs="+", metavar="NAME", help="only these and the first")
    parser.add_argument("--json", type=Path, help="file to append each outcome to")
    options = parser.parse_args()
    announce()
    model = load(EngineOptions(model=options.model, device="cpu"), lambda stage, share: None)
    torch.set_num_threads(1)  # several would wait for each other on a shared machine
    print(model.running, file=sys.stderr)
    template = detect(model.tokenizer.get_vocab(), model.name)
    if template is None or not template.anchored:
        parser.error(f"{options.model} is of no family that reads the prefix first")
    asker = Asker(Session(model), template)
    chosen = (
        context_forms(template, options.above if options.above >= 0 else None)
        if options.context
        else forms(template)
    )
    chosen = [form for form in chosen if form is chosen[0] or form.name in (options.forms or [form.name])]
    outcomes = []
    folders = [searched(folder.resolve(), options.cursors, options.seed) for folder in options.folders]
    for cursor, found in chain.from_iterable(zip(*folders, strict=False)):
        outcomes.append(ask_all(asker, chosen, cursor, found))
        if options.json:
            with options.json.open("a") as file:
                file.write(json.dumps([asdict(one) for one in outcomes[-1]]) + "\n")
    print("\n".join(table(outcomes)))


if __name__ == "__main__":
    main()
