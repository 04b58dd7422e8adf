"""Attention for many decoding rows at once, for GPUs, where one operation per row would be dominated by launches.

All shapes are fixed, so that a CUDA graph can record it. The same code runs, and is tested, on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class DecodeBatch:
    """The decoding rows of a step.

    `table` `[B, pages]` are the rows' page tables, padded with any page that holds finite numbers; `positions` `[B]`
    are the tokens' positions, up to which each row sees; `rows` `[B]` are their indices in the flat batch, None for all
    in order.
    """

    table: Tensor
    positions: Tensor
    page_size: int
    rows: Tensor | None = None
    _index: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _hidden: dict[int, Tensor] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """The number of positions that each row's table covers."""
        return self.table.shape[1] * self.page_size

    def index(self, heads: int, capacity: int) -> Tensor:
        """Rows of a buffer `[heads * capacity, size]` with all positions of all heads, `[heads * B * length]`."""
        found = self._index.get((heads, capacity))
        if found is None:
            device = self.table.device
            slots = self.table[..., None] * self.page_size + torch.arange(self.page_size, device=device)
            first = torch.arange(heads, device=device)[:, None] * capacity
            found = self._index[heads, capacity] = (first + slots.view(-1)).view(-1)
        return found

    def hidden(self, window: int) -> Tensor:
        """Mask of the positions that each row does not see, `[B, 1, length]`."""
        found = self._hidden.get(window)
        if found is None:
            there = torch.arange(self.length, device=self.table.device)
            here = self.positions[:, None]
            found = there > here
            if window:
                found = found | (there <= here - window)
            found = self._hidden[window] = found[:, None]
        return found


def attend_batch(
    batch: DecodeBatch, keys: Tensor, values: Tensor, query: Tensor, scale: float, window: int
) -> Tensor:
    """Attention of `query` `[B, query_heads, size]` over a layer's whole buffers `[1, heads, capacity, size]`. Returns
    `[B, query_heads * value_size]`.

    Two batched products with the softmax between them: memory-bound like any decoding kernel, and spread over a GPU
    even when a single row decodes.
    """
    count, query_heads, size = query.shape
    _, heads, capacity, value_size = values.shape
    groups = query_heads // heads
    index = batch.index(heads, capacity)
    key = keys.view(heads * capacity, size).index_select(0, index).view(heads * count, -1, size)
    value = values.view(heads * capacity, value_size).index_select(0, index)
    folded = query.view(count, heads, groups, size).transpose(0, 1).reshape(heads * count, groups, size)
    scores = torch.bmm(folded, key.transpose(1, 2)).float().mul_(scale)
    scores.view(heads, count, groups, -1).masked_fill_(batch.hidden(window), -torch.inf)
    out = torch.bmm(scores.softmax(-1).to(value.dtype), value.view(heads * count, -1, value_size))
    return out.view(heads, count, groups * value_size).transpose(0, 1).reshape(count, -1)
