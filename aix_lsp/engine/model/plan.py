"""A step laid out for the device: flat tokens and positions, and where each row's KV is. No model, no sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor

from aix_lsp.engine.model.batched import DecodeBatch
from aix_lsp.engine.model.kv import KvPool
from aix_lsp.engine.model.slots import Slots, joined, locate
from aix_lsp.engine.step import Row


class Aborted(Exception):
    """The step was asked to end early."""


@dataclass(frozen=True, slots=True)
class RowSpan:
    """One row's part of the flat batch: rows `first` … `first + count - 1` are positions `start` … `length - 1`, and
    `slots` is where the KV of positions 0 … `length - 1` is."""

    first: int
    count: int
    start: int
    length: int
    slots: Slots


@dataclass(slots=True)
class DevicePlan:
    """Everything a forward pass needs to know about a step.

    `tokens` and `positions` are `[T]` int64; `writes` are the slots of the T new tokens; `wanted` are the rows (of T)
    whose logits are wanted, in order.
    """

    tokens: Tensor
    positions: Tensor
    writes: Slots
    wanted: Tensor
    spans: list[RowSpan]
    store: KvPool
    abort: Callable[[], bool]
    decoding: bool
    batch: DecodeBatch | None = None
    _views: dict[int, Sequence[Tensor] | None] = field(default_factory=dict)
    _masks: dict[tuple[int, int, torch.dtype], Tensor] = field(default_factory=dict)

    def kv(self, at: int, layer: int) -> tuple[Tensor, Tensor]:
        """All keys and values of row `at` (of `spans`) in a layer, as the store returns them."""
        if at not in self._views:
            self._views[at] = self.store.views(self.spans[at].slots)
        views = self._views[at]
        if views is None:
            return self.store.read(layer, self.spans[at].slots)
        return views[2 * layer], views[2 * layer + 1]

    def keep_wanted(self, rows: Tensor) -> Tensor:
        """The rows of `rows` `[T, …]` whose logits are wanted."""
        return rows if self.wanted.shape[0] == rows.shape[0] else rows.index_select(0, self.wanted)

    def mask(self, span: RowSpan, low: int, window: int, dtype: torch.dtype) -> Tensor:
        """The additive mask `[count, length - low]` of a row, which hides later positions and those `window` or more
        before. Cached for the step, since all layers of a kind share it."""
        found = self._masks.get((span.first, window, dtype))
        if found is None:
            device = self.tokens.device
            here = torch.arange(span.start, span.length, device=device)[:, None]
            there = torch.arange(low, span.length, device=device)
            unseen = there > here
            if window:
                unseen |= there <= here - window
            found = torch.zeros(unseen.shape, dtype=dtype, device=device).masked_fill_(unseen, -torch.inf)
            self._masks[span.first, window, dtype] = found
        return found

    def check_abort(self) -> None:
        """Raise Aborted if the step is no longer wanted. Called once per layer."""
        if self.abort():
            raise Aborted


Forward: TypeAlias = Callable[[DevicePlan], Tensor]
"""A model: from a step's plan to the logits `[len(plan.wanted), vocab]` of the wanted rows. Raises Aborted."""


def never() -> bool:
    """An abort check that always returns False."""
    return False


def lay_out(
    rows: Sequence[Row],
    store: KvPool,
    page_size: int,
    device: torch.device,
    abort: Callable[[], bool] = never,
    batched: bool = False,
) -> DevicePlan:
    """The plan of a step for `rows`; `batched` computes rows of one token together."""
    spans: list[RowSpan] = []
    wanted: list[int] = []
    first = 0
    for row in rows:
        count = len(row.tokens)
        length = row.start + count
        spans.append(RowSpan(first, count, row.start, length, locate(row.pages, length, page_size, device)))
        first += count
        wanted.extend(range(first - row.outputs, first))
    tokens = list(chain.from_iterable(row.tokens for row in rows))
    positions = list(chain.from_iterable(range(span.start, span.length) for span in spans))
    packed = torch.tensor((tokens, positions), dtype=torch.int64, device=device)
    batch = _batch(rows, spans, packed[1], page_size) if batched else None
    return DevicePlan(
        tokens=packed[0],
        positions=packed[1],
        writes=joined([span.slots.tail(span.start) for span in spans], device),
        wanted=torch.tensor(wanted, dtype=torch.int64, device=device),
        spans=spans,
        store=store,
        abort=abort,
        decoding=len(tokens) == len(spans),
        batch=batch,
    )


def _batch(
    rows: Sequence[Row], spans: Sequence[RowSpan], positions: Tensor, page_size: int
) -> DecodeBatch | None:
    """The rows of one token, each table padded with its own first page; None if there are none."""
    singles = [(row, span) for row, span in zip(rows, spans, strict=True) if span.count == 1]
    if not singles:
        return None
    tables = [row.pages[: -(-span.length // page_size)] for row, span in singles]
    longest = max(map(len, tables))
    filled = [[*table, *([table[0]] * (longest - len(table)))] for table in tables]
    table = torch.tensor(filled, device=positions.device)
    if len(singles) == positions.shape[0]:
        return DecodeBatch(table, positions, page_size)
    places = torch.tensor([span.first for _, span in singles], device=positions.device)
    return DecodeBatch(table, positions.index_select(0, places), page_size, places)
