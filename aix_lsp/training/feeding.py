"""Feeds rows to the training loop, made in this process or in separate ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from aix_lsp.training.recipe import Recipe
from aix_lsp.training.samples import Stream


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids (int64) and weights (float32), [rows, length + 1], and the piece from which a checkpoint continues."""

    tokens: Tensor
    weights: Tensor
    piece: int


MakeStream = Callable[[int, int], Stream]
"""From (rank, number of consumers) to that consumer's stream."""


class Feed(IterableDataset[Batch]):
    """All micro-batches of one worker in order, starting anywhere in the run.

    With n feeders, each makes every n-th micro-batch, from pieces of its own.
    """

    def __init__(
        self, make: MakeStream, recipe: Recipe, rank: int, workers: int, tokens: int, piece: int
    ) -> None:
        self._make, self._recipe, self._rank, self._workers = make, recipe, rank, workers
        self._tokens, self._piece = tokens, piece

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        feeder, feeders = (info.id, info.num_workers) if info is not None else (0, 1)
        takers = self._workers * feeders
        stream = self._make(self._rank * feeders + feeder, takers)
        stream.position = self._piece // takers
        size = min(self._recipe.micro_batch, self._recipe.batch // self._workers)
        number = feeder
        while True:
            seen = self._tokens + number * size * self._workers
            length = min(self._recipe.length(seen), size)
            rows = [stream.row(length) for _ in range(size // length)]
            tokens, weights = torch.tensor([r.ids for r in rows]), torch.tensor([r.weights for r in rows])
            yield Batch(tokens, weights, stream.position * takers)
            number += feeders


def batches(feed: Feed, feeders: int) -> Iterator[Batch]:
    """The micro-batches of a feed, made ahead of time by `feeders` processes, or in this process if 0."""
    if feeders == 0:
        return iter(feed)
    return iter(DataLoader(feed, batch_size=None, num_workers=feeders, prefetch_factor=4))
