"""Compares the model in the making with the interim one and an n-gram model, on held-out packages."""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from aix_lsp.engine.scheduling.recall import SHARES, Shares
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation import cursors
from aix_lsp.training.evaluation.completer import NextToken, load_tokenizer
from aix_lsp.training.evaluation.scores import GROUPS, Figures, SampleCounts
from aix_lsp.training.evaluation.transformer import TransformerModel
from aix_lsp.training.vocabulary import Codec
from training import shares
from training.completer import Expected, RecallCompleter
from training.documents import load
from training.figures import evaluate, table
from training.ngram import NgramModel

log = logging.getLogger(__name__)

_SHARES_CURSORS = {"Python": 300, "TypeScript, JavaScript": 200, "Go, Rust, C, Java": 100}
_NGRAM_TOKENS = 25_000_000  # of the documents, drawn at random: what fits in 2 GB of memory


def compare(work: Path, folders: dict[str, Path], counts: SampleCounts, ngram: bool) -> str:
    """Evaluate each model that has no figures yet; write the figures and return the table.

    Figures are in `<work>/figures/<name>.json`, or in `figures-quick`; delete a file to have it measured again.
    """
    place = work / ("figures" if counts == SampleCounts() else "figures-quick")
    place.mkdir(exist_ok=True)
    documents = load(work / "heldout.jsonl")
    found: list[Figures] = []
    for name, model, recall in _models(work, folders, ngram):
        file = place / f"{name}.json"
        found.append(_figures(file, name, model, documents, counts, recall))
    shown = table(found)
    (place / "table.md").write_text(shown)
    return shown


def _figures(
    file: Path, name: str, model: _Loader, documents: Sequence[Document], counts: SampleCounts, recall: bool
) -> Figures:
    """A model's figures from its file; missing ones are measured and written, group by group."""
    known: Figures = json.loads(file.read_text()) if file.exists() else {}
    if all(group in known for group, of in GROUPS.items() if cursors.of_language(documents, *of)):
        return known

    def keep(figures: Figures) -> None:
        file.write_text(json.dumps({**figures, "model": name}, indent=1))

    evaluate(model(), documents, counts, recall, known, keep)
    measured: Figures = json.loads(file.read_text())
    return measured


def _models(work: Path, folders: dict[str, Path], ngram: bool) -> Iterator[tuple[str, _Loader, bool]]:
    """(name, model, whether recall is mixed in)."""
    for name, folder in folders.items():
        yield name, _Loader(name, folder, work), False
        yield f"{name}, recall", _Loader(name, folder, work), True
    if ngram:
        yield "n-gram", _Loader("n-gram", None, work), False


def fit_shares(work: Path, folder: Path) -> str:
    """Recall's shares for a model by length of match, and bits per token without, with the current, and with these
    ones."""
    held = load(work / "heldout.jsonl")
    completer = RecallCompleter(TransformerModel(folder, folder.name), held)
    fitted_on: list[Expected] = []
    scored_on: list[Expected] = []
    for group, count in _SHARES_CURSORS.items():
        places = cursors.lines(cursors.of_language(held, *GROUPS[group]), count, seed=1)
        fitted_on += shares.observe(completer, places[::2])
        scored_on += shares.observe(completer, places[1::2])
    found = shares.fit(fitted_on)
    rows = [("model alone", Shares([0.0], [0.0])), ("as they are", SHARES), ("fitted", found)]
    return "\n".join(
        [
            f"{len(fitted_on)} tokens fitted on, {len(scored_on)} scored on",
            *(
                f"{place}: " + ", ".join(f"{share:.2f}" for share in these)
                for place, these in found._asdict().items()
            ),
            *(f"{name}: {shares.bits(scored_on, these):.3f} bits a token" for name, these in rows),
        ]
    )


class _Loader:
    """Loads a model when called, so that models with complete figures are not loaded."""

    def __init__(self, name: str, folder: Path | None, work: Path) -> None:
        self._name, self._folder, self._work = name, folder, work

    def __call__(self) -> NextToken:
        if self._folder is not None:
            return TransformerModel(self._folder, self._name)
        return NgramModel(self._tokens(), load_tokenizer(self._work / "tokenizer"))

    def _tokens(self) -> array[int]:
        codec = Codec.load(self._work / "tokenizer")
        documents = load(self._work / "train.jsonl")
        Random(0).shuffle(documents)
        ids = array("H")
        for document in documents:
            if len(ids) > _NGRAM_TOKENS:
                break
            ids.extend([*codec.encode(document.text), codec.end])
        return ids
