"""The training loop: rows in, weights out, from a checkpoint or from scratch. Knows no files except checkpoints."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aix_lsp.training import loss as losses
from aix_lsp.training.checkpoint import Checkpoint
from aix_lsp.training.corpus import Document
from aix_lsp.training.feeding import Feed, batches
from aix_lsp.training.model import Llama, Shape
from aix_lsp.training.optimizer import Optimizers
from aix_lsp.training.precision import can_compile, product_dtype
from aix_lsp.training.recipe import Phase, Recipe
from aix_lsp.training.samples import Stream
from aix_lsp.training.vocabulary import Codec
from aix_lsp.training.workers import Workers

_SAVE_EVERY = 180.0  # seconds
_NOTE_EVERY, _NOTE_AFTER = 20, 120.0  # steps, seconds
_SCORED_ROWS, _SCORED_LENGTH = 64, 512
_AVERAGE_EVERY = 5  # steps
_COMPILED = 32  # variants of a layer: frozen or not, scored or trained, and each length of rows
_SAVE, _STOP, _FALL, _FINISHED = 1, 2, 3, 4
_FINE = 1_000_000  # resolution of a factor as an integer, so that workers agree on it

Progress = Callable[[int, float], None]
"""Called with the number of tokens seen and the last loss, in nats per token."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run learns from."""

    train: Sequence[Document]
    held_out: Sequence[Document]
    tokenizer: Path
    start: dict[str, Tensor] | None = None
    """Weights to start from; None for random ones."""


class Trainer:
    """One worker's share of a run."""

    def __init__(self, workers: Workers, shape: Shape, recipe: Recipe, inputs: Inputs, folder: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.workers, self.recipe, self.shape = workers, recipe, shape
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        codec = Codec.load(inputs.tokenizer)
        self._make_stream = partial(
            Stream, inputs.train, codec, recipe.shares, recipe.seed, emphasis=recipe.emphasis
        )
        held_out = Stream(inputs.held_out, codec, seed=1)
        length = min(_SCORED_LENGTH, shape.context)
        rows = [held_out.row(length) for _ in range(_SCORED_ROWS)][workers.rank :: workers.count]
        ids, weights = [row.ids for row in rows], [row.weights for row in rows]
        self._scored = torch.tensor(ids, device=self.device), torch.tensor(weights, device=self.device)
        self.model = Llama(shape)
        if inputs.start is not None:
            self.model.load_state_dict(inputs.start)
        self.model.freeze(recipe.frozen_layers)
        if recipe.rank:
            self.model.learn_low_rank(recipe.rank)
        self.model.to(self.device)
        self._dtype = product_dtype(self.device.type)
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.optimizers = Optimizers(self.model, recipe.matrix_rate, recipe.other_rate)
        self.checkpoint = Checkpoint(folder)
        self.step = self.tokens = self._piece = 0
        self._stopping = False
        self._fall: tuple[float, float] | None = None
        self._resume()
        self._feed()
        if recipe.compiled and can_compile():
            torch._dynamo.config.recompile_limit = _COMPILED
            losses.compile_chunks()
            self.model.compile_layers()

    def _feed(self) -> None:
        """Start the batches at the run's current position."""
        recipe = self.recipe
        if self._fall is not None:
            recipe = replace(recipe, phases=(Phase(0.0, recipe.fall_length),))
        share = (self.workers.rank, self.workers.count)
        feed = Feed(self._make_stream, recipe, *share, self.tokens, self._piece)
        self._batches = batches(feed, min(12, (os.cpu_count() or 2) - 1) if self.device.type == "cuda" else 0)

    def run(self, progress: Progress | None = None) -> None:
        """Train until the recipe's tokens have been seen; `progress` is called after each step. See also `stop`."""
        self.run_to(self.recipe.tokens, progress)
        self._update_average()
        self._note(**self.scores(), finished=True)
        self._save()

    def run_to(self, tokens: int, progress: Progress | None = None) -> None:
        """Train until `tokens` have been seen, and save."""
        saved = noted = time.monotonic()
        noted_tokens, recent = self.tokens, []
        while self.tokens < tokens:
            recent.append(self._step())
            if progress is not None:
                progress(self.tokens, recent[-1])
            if self.step % _NOTE_EVERY == 0 or time.monotonic() - noted > _NOTE_AFTER:
                speed = (self.tokens - noted_tokens) / (time.monotonic() - noted)
                noted, noted_tokens = time.monotonic(), self.tokens
                self._note(loss=sum(recent) / len(recent), tokens_per_second=round(speed))
                recent = []
            every = self.recipe.score_every
            if self.tokens // every > (self.tokens - self.recipe.batch) // every:
                self._note(**self.scores())
            # The first worker decides for all, because saving gathers every worker's position.
            due = self.workers.largest(self._due(time.monotonic() - saved) if self.workers.first else 0)
            if due:
                self._save()
                saved = time.monotonic()
            if due == _FALL:
                self._begin_fall()
            if due == _FINISHED:
                return
            if due == _STOP:
                raise KeyboardInterrupt
        self._save()

    def _due(self, unsaved: float) -> int:
        """The first worker's decision on what all do after a step; `unsaved`: seconds since the last checkpoint."""
        if self._stopping:
            return _STOP
        if self._fall is not None:
            return _FINISHED if time.time() >= self._fall[1] else int(unsaved > _SAVE_EVERY)
        if self.checkpoint.finish_at() is not None:
            return _FALL
        return _SAVE if unsaved > _SAVE_EVERY else 0

    def _begin_fall(self) -> None:
        """From here on, the rates fall until the time at which the run was asked to finish. The last checkpoint is
        kept, so that a longer run can continue from it.
        """
        if self.workers.first:
            self.checkpoint.keep_flat()
        self._fall = (time.time(), self.checkpoint.finish_at() or time.time())
        self._note(falls=True)
        self._feed()

    def stop(self) -> None:
        """Save after the current step, and end with KeyboardInterrupt."""
        self._stopping = True

    def scores(self) -> dict[str, float]:
        """Nats per token on held-out rows, for the current weights and their average; for all weighted tokens, and for
        middles alone.
        """
        found = {}
        for name, weights in (("held_out", None), ("held_out_average", self.average)):
            found[name], found[f"{name}_middles"] = self._score(weights)
        return found

    def _score(self, weights: dict[str, Tensor] | None) -> tuple[float, float]:
        current = (
            {name: value.clone() for name, value in self.model.state_dict().items()} if weights else None
        )
        if weights is not None:
            self.model.load_state_dict(weights)
        total = torch.zeros(4)
        tokens, wanted = self._scored
        with torch.no_grad():
            for start in range(0, len(tokens), 4):
                part = wanted[start : start + 4]
                hidden = self._hidden(tokens[start : start + 4])
                for place, chosen in ((0, part), (2, part * (part > 1.0))):
                    loss, weight = self._loss(hidden, tokens[start : start + 4], chosen)
                    total[place : place + 2] += torch.tensor([float(loss), float(weight)])
        self.workers.add_up([total])
        if current is not None:
            self.model.load_state_dict(current)
        return float(total[0] / total[1]), float(total[2] / total[3].clamp(min=1.0))

    def _step(self) -> float:
        recipe = self.recipe
        share = recipe.batch // self.workers.count
        total = torch.zeros(2)
        for _ in range(max(1, share // recipe.micro_batch)):
            batch = next(self._batches)
            self._piece = max(self._piece, batch.piece)
            tokens, weights = batch.tokens.to(self.device), batch.weights.to(self.device)
            loss, weight = self._loss(self._hidden(tokens), tokens, weights)
            (loss / recipe.batch).backward()  # type: ignore[no-untyped-call]
            total += torch.tensor([float(loss.detach()), float(weight)])
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        self.workers.add_up([*gradients, total])
        self.optimizers.step(recipe.rate(self.tokens) * self._falling())
        self.step += 1
        self.tokens += recipe.batch
        if self.step % _AVERAGE_EVERY == 0:
            self._update_average()
        return float(total[0] / total[1])

    def _falling(self) -> float:
        """How far the rates have fallen because the run was asked to finish, as a factor; the same in all workers."""
        if self._fall is None:
            return 1.0
        start, end = self._fall
        part = max(self.recipe.last_rate, (end - time.time()) / max(end - start, 1.0))
        return self.workers.largest(round(part * _FINE) if self.workers.first else 0) / _FINE

    def _hidden(self, tokens: Tensor) -> Tensor:
        """Last hidden states [rows, length, hidden] of tokens [rows, length + 1]."""
        fast = self._dtype != torch.float32
        with torch.autocast(self.device.type, self._dtype if fast else torch.bfloat16, enabled=fast):
            hidden: Tensor = self.model(tokens[:, :-1])
        return hidden.to(self._dtype)

    def _loss(self, hidden: Tensor, tokens: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sum of nats, and sum of the weights; `tokens` and `weights` are [rows, length + 1]."""
        flat = hidden.reshape(-1, hidden.shape[-1])
        wanted = weights[:, 1:].reshape(-1)
        return losses.weighted_cross_entropy(
            flat, self.model.head, tokens[:, 1:].reshape(-1), wanted
        ), wanted.sum()

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early averages must forget the first, random weights.
        keep = min(self.recipe.average**_AVERAGE_EVERY, self.step / (self.step + 50))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)

    def _note(self, **values: Any) -> None:
        if self.workers.first:
            rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
            self.checkpoint.note(step=self.step, tokens=self.tokens, **rounded)

    def _save(self) -> None:
        self._piece = piece = self.workers.largest(self._piece)
        if self.workers.first:
            self.checkpoint.save(
                {
                    "model": self.model.state_dict(),
                    "average": self.average,
                    "optimizers": self.optimizers.state(),
                    "step": self.step,
                    "tokens": self.tokens,
                    "piece": piece,
                    "fall": self._fall,
                    "shape": asdict(self.shape),
                    "recipe": asdict(self.recipe),
                }
            )

    def _resume(self) -> None:
        state = self.checkpoint.load()
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizers.load(state["optimizers"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        self.step, self.tokens = state["step"], state["tokens"]
        self._piece, self._fall = state["piece"], state.get("fall")
        self._note(resumed=True)


def train(
    workers: Workers,
    shape: Shape,
    recipe: Recipe,
    inputs: Callable[[], Inputs],
    folder: Path,
    progress: Progress | None = None,
) -> None:
    """A worker's whole task. `inputs` is called in each worker, since documents are too large to send.

    SIGINT and SIGTERM end it with KeyboardInterrupt, after a checkpoint.
    """
    trainer = Trainer(workers, shape, recipe, inputs(), folder)
    with _signals(trainer):
        trainer.run(progress if workers.first else None)


@contextmanager
def _signals(trainer: Trainer) -> Iterator[None]:
    """A terminal's Ctrl-C reaches every worker, but only the first decides."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in kept:
        signal.signal(number, lambda *_: trainer.stop())
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
