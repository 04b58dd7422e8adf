"""The embedded model's own recipe: its shape, its shares of languages, its tokens."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from aix_lsp.training import vocabulary
from aix_lsp.training.export import read_model
from aix_lsp.training.loop import Inputs
from aix_lsp.training.loop import train as train_worker
from aix_lsp.training.model import Shape
from aix_lsp.training.recipe import Emphasis, Phase, Recipe
from training.documents import load
from training.tokenizer import save_tokenizer, train_tokenizer
from training.transplant import transplant

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 8192
_TOKENIZER_BYTES = 40_000_000  # of text: more does not change the entries that matter

# What two CPU cores can train in some hours.
SHAPE = Shape(vocabulary=VOCABULARY, hidden=320, layers=5, heads=5, kv_heads=1, intermediate=832)
_SHARES = {
    "python": 1.3,
    "typescript": 1.4,
    "c": 0.5,
    "java": 0.6,
    "go": 0.8,
    "rust": 0.7,
    "yaml": 3.0,
    "toml": 3.0,
    "shell": 3.0,
}
RECIPE = Recipe(tokens=64_000_000, shares=_SHARES)

# For weights that know some Python: rates nearly as high as for new ones, and a fall over half of the run.
WARM_RECIPE = Recipe(
    tokens=43_000_000,
    matrix_rate=0.015,
    other_rate=2e-3,
    warmup=600_000,
    flat_until=0.5,
    phases=(Phase(0.0, 512), Phase(0.8, 1024), Phase(0.96, 2048)),
    shares=_SHARES,
)

# To teach fill-in-the-middle to a model of more than 100 M parameters, pretrained on trillions of tokens. It runs until
# asked to finish (`python -m training finish`), and can continue from there.
TAUGHT_PARAMETERS = 50_000_000
TAUGHT_VOCABULARY = 20_480
TAUGHT_RECIPE = Recipe(
    tokens=1_000_000_000,
    batch=4096,
    micro_batch=2048,
    matrix_rate=0.0,
    other_rate=3e-4,
    frozen_layers=10,
    warmup=60_000,
    flat_until=1.0,
    phases=(Phase(0.0, 512),),
    shares=_SHARES,
    emphasis=Emphasis(middle=8.0, end=8.0, short=0.85, midline=0.5, plain=0.05),
    average=0.96,
    score_every=500_000,
)

# For a GPU: the largest with weights below 64 MB in fp16, and a billion tokens. Not run yet.
GPU_SHAPE = Shape(vocabulary=VOCABULARY, hidden=512, layers=9, heads=8, kv_heads=2, intermediate=1408)
GPU_RECIPE = Recipe(
    tokens=1_200_000_000, batch=262_144, micro_batch=65_536, warmup=20_000_000, shares=_SHARES, average=0.99
)


@dataclass(frozen=True, slots=True)
class Run:
    """A training run in the folder `work`: new, or starting from the weights of the model in `start`.

    New runs, runs from a model, and runs with another seed have separate checkpoints.
    """

    work: Path
    start: Path | None = None
    seed: int = 0
    """Determines the order of the documents: a run from another's result should start with others."""

    @property
    def folder(self) -> Path:
        """The folder of its checkpoint and log."""
        name = "run" if self.start is None else "run-warm"
        return self.work / (f"{name}-{self.seed}" if self.seed else name)

    @property
    def tokenizer(self) -> Path:
        """The folder of its tokenizer: that of the start model if it has all tokens that a prompt needs."""
        if self.start is not None and vocabulary.REPOSITORY in _tokenizer(self.start).get_vocab():
            return self.start
        return self.work / "tokenizer"

    def inputs(self) -> Inputs:
        """The training and scoring data, and the initial weights."""
        weights = None
        if self.start is not None:
            weights = read_model(self.start)[0]
            if self.tokenizer != self.start:
                weights = transplant(weights, _tokenizer(self.start), _tokenizer(self.tokenizer))
        documents, held_out = (load(self.work / name) for name in ("train.jsonl", "heldout.jsonl"))
        return Inputs(documents, held_out, self.tokenizer, weights)

    def train(self, count: int, tokens: int | None = None) -> None:
        """Start or resume training with `count` workers (0: automatic), until the recipe's tokens or `tokens` are seen.

        Raises filelock.Timeout if another process is training in the folder.
        """
        import torch
        from filelock import FileLock

        from aix_lsp.training import workers

        on_gpu = torch.cuda.is_available()
        chosen = count or (1 if on_gpu else os.cpu_count() or 1)
        shape, recipe = (GPU_SHAPE, GPU_RECIPE) if on_gpu else (SHAPE, RECIPE)
        if self.start is not None:
            entries = _tokenizer(self.tokenizer).get_vocab_size()
            shape = replace(read_model(self.start)[1], vocabulary=entries)
            recipe = TAUGHT_RECIPE if shape.parameters > TAUGHT_PARAMETERS else WARM_RECIPE
        recipe = replace(recipe, seed=self.seed, tokens=tokens or recipe.tokens)
        arguments = (shape, recipe, self.inputs, self.folder)
        with FileLock(self.work / "train.lock", timeout=0):
            workers.run(chosen, self.work / "rendezvous", train_worker, arguments)


def make_tokenizer(work: Path) -> None:
    """Train it on randomly drawn whole documents, with the corpus's mix of languages."""
    trained = train_tokenizer(_sample(work), VOCABULARY)
    save_tokenizer(trained, work / "tokenizer")


def prepare_pretrained(work: Path, model: Path, out: Path) -> None:
    """See `training.pretrained.prepare`; the vocabulary is fitted to the corpus."""
    from training import pretrained

    pretrained.prepare(model, _sample(work), TAUGHT_VOCABULARY, out)


def _sample(work: Path) -> list[str]:
    """Texts for a tokenizer."""
    documents = load(work / "train.jsonl")
    Random(0).shuffle(documents)
    texts, size = [], 0
    for document in documents:
        if size < _TOKENIZER_BYTES:
            texts.append(document.text)
            size += len(document.text)
    return texts


def _tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))
