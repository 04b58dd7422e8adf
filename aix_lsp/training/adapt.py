"""Fine-tuning on a user's own code: the data, the duration, and the evaluation.

Knows no terminal. The models before and after are compared on the files kept out of training.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch

from aix_lsp.privacy.policy import Privacy
from aix_lsp.settings import Settings
from aix_lsp.training import corpus, workers
from aix_lsp.training.corpus import Document, DuplicateFilter
from aix_lsp.training.evaluation.scores import Figures, SampleCounts, evaluate
from aix_lsp.training.evaluation.transformer import TransformerModel
from aix_lsp.training.export import export_checkpoint, model_folder, read_model
from aix_lsp.training.loop import Inputs, Progress
from aix_lsp.training.loop import train as train_worker
from aix_lsp.training.precision import seconds_a_token
from aix_lsp.training.recipe import Phase, Recipe
from aix_lsp.training.vocabulary import Codec

_LEAST_TEXT = 50_000  # bytes; less teaches nothing that context in a prompt would not
_MOST_TEXT = 400_000_000  # bytes, all held in memory
_HELD_OUT = 12  # one file in this many
_WORTH_COMPILING = 3_000_000  # tokens
_FEW_TOKENS = 500_000  # below this, smaller batches give the optimizers enough steps
_RANK = 16
_LOW_RANK_BACKWARD = 0.25  # through the upper half of the layers, without the gradients of weights
_LARGE = 50_000_000  # parameters: pretrained on much more than a user's code, such a model should change less
_SAMPLE_COUNTS = SampleCounts(lines=60, other_lines=60, blocks=15, replays=4, pieces=30)


class CannotTrain(Exception):
    """Nothing can be learned from the given code. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Material:
    """A folder's documents, divided into those to train on and those kept out."""

    train: list[Document]
    held_out: list[Document]

    @property
    def size(self) -> int:
        """Bytes of text to train on."""
        return sum(len(document.text.encode()) for document in self.train)


def gather(source: Path, settings: Settings | None = None) -> Material:
    """The folder's source files, without copies and without anything that must never be sent. Raises CannotTrain."""
    privacy, settings = Privacy(lambda: [source]), settings or Settings()

    def refused(path: str) -> bool:
        return privacy.refusal((source / path).as_uri(), settings) is not None

    found = list(corpus.gather(source, source.name, _MOST_TEXT, DuplicateFilter(), refused))
    if not found:
        raise CannotTrain(
            f"{source} contains no source files to train on. Files count if they are text in a known language, "
            "between 200 bytes and 250 kB, not minified or generated. Name another folder with --source."
        )
    order = sorted(found, key=lambda d: sha256(d.path.encode()).digest())
    held = max(1, len(order) // _HELD_OUT)
    material = Material(order[held:], order[:held])
    if material.size < _LEAST_TEXT:
        raise CannotTrain(
            f"{source} contains {material.size:,} bytes of source text to train on; at least {_LEAST_TEXT:,} are "
            "needed. Name a folder with more code with --source."
        )
    return material


def check_disk(folder: Path, parameters: int) -> None:
    """Raise CannotTrain if the checkpoint (two copies of four values per parameter) would not fit."""
    needed = parameters * 4 * 4 * 2 + 50_000_000
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CannotTrain(
            f"{folder} has {free / 1e6:,.0f} MB of free disk; training needs {needed / 1e6:,.0f} MB. "
            "Free some, or name a folder on another disk with --out."
        )


class Adaptation:
    """Training of one model on one folder. An interrupted training is resumed by creating this again."""

    def __init__(
        self,
        source: Path,
        base: Path,
        out: Path,
        passes: float,
        low_rank: bool = False,
        settings: Settings | None = None,
    ) -> None:
        """`settings` are those of a user of the folder: excluded files are not learned from."""
        self.material = gather(source, settings)
        try:
            base = model_folder(base)
            self._weights, self.shape = read_model(base)
        except (OSError, KeyError, ValueError) as error:
            raise CannotTrain(f"{base} cannot be trained on: {error} Name another with --model.") from error
        self.base, self.out = base, out
        self.state = out / ("training-low-rank" if low_rank else "training")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotTrain(
                f"{out} cannot be created: {error.strerror}. Name another folder with --out."
            ) from error
        check_disk(out, sum(value.numel() for value in self._weights.values()))
        self.recipe = self._recipe(passes)
        if low_rank:
            self.recipe = replace(
                self.recipe,
                rank=_RANK,
                frozen_layers=self.shape.layers // 2,
                matrix_rate=0.0,
                other_rate=1e-3,
            )

    @property
    def resumes(self) -> bool:
        """Whether an earlier run with the same folder was interrupted."""
        return (self.state / "state.pt").exists()

    def minutes(self, low_rank: bool) -> float:
        """Estimated minutes of training on this computer's CPU."""
        share = _LOW_RANK_BACKWARD if low_rank else 1.0
        workers = os.cpu_count() or 1
        return self.recipe.tokens * seconds_a_token(self.shape.parameters, workers, share) / 60

    def evaluate(self, folder: Path) -> Figures:
        """A model's figures on the files kept out of training."""
        return evaluate(TransformerModel(folder, folder.name), self.material.held_out, _SAMPLE_COUNTS)

    def run(self, progress: Progress | None = None) -> Path:
        """Train, write the model, and return its folder."""
        count = 1 if torch.cuda.is_available() else os.cpu_count() or 1
        self.state.mkdir(exist_ok=True)
        inputs = partial(Inputs, self.material.train, self.material.held_out, self.base, self._weights)
        arguments = (self.shape, self.recipe, inputs, self.state, progress)
        workers.run(count, self.state / "rendezvous", train_worker, arguments)
        export_checkpoint(self.state, self.base, self.out)
        shutil.rmtree(self.state)
        return self.out

    def _recipe(self, passes: float) -> Recipe:
        """The recipe: a fifth of the learning rates for new weights, so that the weights move but do not start over."""
        codec = Codec.load(self.base)
        sample = "".join(d.text[:4000] for d in self.material.train[:50])
        tokens = int(passes * self.material.size * len(codec.encode(sample)) / len(sample.encode()))
        small = self.shape.parameters < _LARGE
        batch = 8192 if tokens > _FEW_TOKENS else 2048
        tokens = max(tokens // batch, 1) * batch
        return Recipe(
            tokens=tokens,
            batch=batch,
            micro_batch=min(4096 if small else 2048, batch),
            matrix_rate=0.004 if small else 0.0,
            other_rate=6e-4 if small else 2e-4,
            warmup=max(tokens // 20, 1),
            flat_until=0.2,
            phases=(Phase(0.0, min(1024, self.shape.context)),),
            average=0.98,
            compiled=tokens > _WORTH_COMPILING,
        )


def languages(documents: Sequence[Document]) -> dict[str, int]:
    """The number of files in each language, the most frequent first."""
    return dict(Counter(document.language for document in documents).most_common())
