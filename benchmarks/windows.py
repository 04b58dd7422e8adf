"""What a larger window and recall are worth to a model, on packages that the embedded model was not trained on.

python -m benchmarks.windows MODEL --cursors 60 --prefix 1000 4000 --weights 0 0.5 --json FILE

At cursors in lines, the model greedily completes the line from windows of several sizes, with recall at several
weights. Reported are exact lines, and the nats of the line's rest, which are less noisy (lower is better).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from os.path import commonpath
from pathlib import Path
from typing import Any

import torch

from aix_lsp.engine.model.loader import load
from aix_lsp.engine.options import EngineOptions
from aix_lsp.engine.scheduling.ngram_index import NgramIndex
from aix_lsp.engine.scheduling.recall import Recall
from aix_lsp.engine.step import Mixture
from aix_lsp.engine.text.healing import Healing
from aix_lsp.engine.text.layout import TokenPrompt
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import detect
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation.cursors import Cursor, lines
from benchmarks.machine import announce
from benchmarks.prompt_forms import Form
from benchmarks.prompts import LINE_TOKENS, Asker, Outcome, Session, table
from benchmarks.replay.corpus import LANGUAGES, chosen, default_cache

SUFFIX_SHARE = 3
"""The prefix has so many times as many characters as the suffix, as in the server's windows."""
LINES_ABOVE = 8
_CORPUS_CHARACTERS = 200_000


class Neighbours:
    """The texts that a server would upload for a cursor: the rest of its document, and the nearest files."""

    def __init__(self, documents: Sequence[Document], asker: Asker) -> None:
        self._documents = documents
        self._asker = asker
        self._tokens: dict[str, list[int]] = {}

    def around(self, cursor: Cursor, left: int, right: int) -> NgramIndex:
        """Everything but the window [left, right) of the cursor's document."""
        document = cursor.document
        texts = [document.text[:left], document.text[right:]]
        room = _CORPUS_CHARACTERS
        for other in sorted(
            self._beside(document), key=lambda one: -len(commonpath([one.path, document.path]))
        ):
            if room <= 0:
                break
            texts.append(other.text[:room])
            room -= len(other.text)
        return NgramIndex([self._encoded(text) for text in texts if text])

    def _beside(self, document: Document) -> list[Document]:
        where = (document.package, document.language)
        return [
            one for one in self._documents if (one.package, one.language) == where and one is not document
        ]

    def _encoded(self, text: str) -> list[int]:
        if text not in self._tokens:
            self._tokens[text] = self._asker.encoder.tokens(text)
        return self._tokens[text]


def window(cursor: Cursor, prefix: int) -> tuple[FimPrompt, int, int]:
    """The prompt with about `prefix` characters before the cursor, and where in the document it begins and ends."""
    text = cursor.document.text
    left = text.rfind("\n", 0, max(0, cursor.start - prefix)) + 1
    right = min(len(text), cursor.end + prefix // SUFFIX_SHARE)
    anchor = cursor.start
    for _ in range(LINES_ABOVE + 1):
        anchor = max(left, text.rfind("\n", left, max(left, anchor - 1)) + 1)
    head = text[anchor : cursor.start]
    return FimPrompt(text[left:anchor], text[cursor.end : right], head, cursor.document.path), left, right


def mixed(scores: torch.Tensor, mixture: Mixture | None) -> torch.Tensor:
    """Log-probabilities [vocabulary] with recall's mixed in."""
    if mixture is None:
        return scores
    probabilities = scores.exp() * (1 - mixture.share)
    probabilities[list(mixture.tokens)] += mixture.share * torch.tensor(list(mixture.probabilities))
    return probabilities.log()


def exact(asker: Asker, laid: TokenPrompt, wanted: str, recall: Recall, weight: float) -> bool:
    """Whether the line's rest, generated greedily, is the correct one."""
    healing, written, tokens = Healing(asker.vocabulary, laid.typed), b"", list(laid.tokens)
    right = wanted.rstrip().encode()
    for _ in range(LINE_TOKENS + len(laid.healed)):
        [mixture] = recall.mixtures((), weight)
        token = asker.choose(mixed(asker.session.scores(tokens)[0], mixture), healing.allowed)
        if token in asker.vocabulary.ends:
            break
        written += healing.accept(asker.vocabulary.bytes_of(token))
        line, newline, _ = written.partition(b"\n")
        if newline or not (right.startswith(line) or line.rstrip() == right):
            break
        tokens.append(token)
        recall.extend([token])
    return written.partition(b"\n")[0].rstrip() == right


def nats(asker: Asker, laid: TokenPrompt, wanted: str, recall: Recall, weight: float) -> float:
    """Negative log-likelihood of the line's rest and its end, given the bytes that healing makes it spell again."""
    told = asker.encoder.tokens(laid.typed.decode(errors="ignore") + wanted + "\n")
    scores = asker.session.scores([*laid.tokens, *told[:-1]], len(told))
    healing, found = Healing(asker.vocabulary, laid.typed), 0.0
    for token, row in zip(told, scores, strict=True):
        [mixture] = recall.mixtures((), weight)
        after = mixed(row, mixture)
        found -= float(after[token])
        if healing.allowed is not None:
            found += float(torch.logsumexp(after[list(healing.allowed)], 0))
        healing.accept(asker.vocabulary.bytes_of(token))
        recall.extend([token])
    return found


def measure(asker: Asker, form: Form, neighbours: Neighbours, cursor: Cursor, options: Any) -> list[Outcome]:
    """The outcomes at one cursor."""
    outcomes = []
    for prefix in options.prefix:
        prompt, left, right = window(cursor, prefix)
        laid, corpus = asker.laid(form, prompt), neighbours.around(cursor, left, right)
        for weight in options.weights:
            name = f"{prefix} characters" + (f", recall {weight:g}" if weight else "")
            right_line = exact(asker, laid, cursor.wanted, Recall(laid.texts, corpus), weight)
            cost = nats(asker, laid, cursor.wanted, Recall(laid.texts, corpus), weight)
            outcomes.append(Outcome(name, right_line, cost, len(laid.tokens), 0, 0.0))
    return outcomes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="as in the setting `model`")
    parser.add_argument("--cursors", type=int, default=60)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--prefix", nargs="+", type=int, default=[1000, 4000], help="characters before the cursor"
    )
    parser.add_argument("--weights", nargs="+", type=float, default=[0.0, 0.5], help="of recall, 0 to 1")
    parser.add_argument(
        "--files", type=int, default=1000, help="files of held-out packages to draw cursors from"
    )
    parser.add_argument("--json", type=Path, help="file to append each outcome to")
    options = parser.parse_args()
    announce()
    model = load(EngineOptions(model=options.model, device="cpu"), lambda stage, share: None)
    torch.set_num_threads(1)  # several would wait for each other on a shared machine
    template = detect(model.tokenizer.get_vocab(), model.name)
    if template is None:
        parser.error(f"{options.model} has no fill-in-the-middle tokens")
    asker = Asker(Session(model), template)
    files = chosen(options.files, LANGUAGES, options.seed, default_cache())
    documents = [Document(file.folder.name, file.language, file.path, file.text) for file in files]
    neighbours, form = Neighbours(documents, asker), Form("", template)
    outcomes = []
    for cursor in lines(documents, options.cursors, options.seed):
        outcomes.append(measure(asker, form, neighbours, cursor, options))
        if options.json:
            with options.json.open("a") as file:
                file.write(json.dumps([asdict(one) for one in outcomes[-1]]) + "\n")
    print("\n".join(table(outcomes)))


if __name__ == "__main__":
    main()
