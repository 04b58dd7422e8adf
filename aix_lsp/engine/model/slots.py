"""Maps a sequence's positions to slots of the KV pool: one run, or scattered ones. Knows numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Run:
    """`count` slots from `start` on; their content is read as a view."""

    start: int
    count: int

    def tail(self, low: int) -> Run:
        """All but the first `low`."""
        return Run(self.start + low, self.count - low)

    def indices(self, device: torch.device) -> Tensor:
        """All indices, `[count]` int64."""
        return torch.arange(self.start, self.start + self.count, device=device)


class Scattered:
    """Slots `index` `[count]` int64 in any order; their content is gathered.

    Caches what is derived from it, since all layers of a step need the same.
    """

    __slots__ = ("_by_head", "_tails", "count", "index")

    def __init__(self, index: Tensor) -> None:
        self.index = index
        self.count = index.shape[0]
        self._by_head: dict[tuple[int, int], Tensor] = {}
        self._tails: dict[int, Scattered] = {}

    def tail(self, low: int) -> Scattered:
        """All but the first `low`."""
        if low == 0:
            return self
        found = self._tails.get(low)
        if found is None:
            found = self._tails[low] = Scattered(self.index[low:])
        return found

    def indices(self, device: torch.device) -> Tensor:
        """All indices, `[count]` int64."""
        return self.index

    def by_head(self, heads: int, capacity: int) -> Tensor:
        """The rows of a buffer `[heads * capacity, size]` that are these slots of all heads, `[heads * count]`.

        Gathering whole rows takes a third of the time of gathering along the middle of three dimensions.
        """
        found = self._by_head.get((heads, capacity))
        if found is None:
            first = torch.arange(heads, device=self.index.device)[:, None] * capacity
            found = self._by_head[heads, capacity] = (first + self.index).view(-1)
        return found


Slots: TypeAlias = Run | Scattered


def locate(pages: Sequence[int], length: int, page_size: int, device: torch.device) -> Slots:
    """The slots of positions 0 … `length - 1` of a sequence with the page table `pages`."""
    used = list(pages[: -(-length // page_size)])
    head = used[0]
    if used == list(range(head, head + len(used))):
        return Run(head * page_size, length)
    starts = torch.tensor(used, dtype=torch.int64, device=device).mul_(page_size)
    offsets = torch.arange(page_size, dtype=torch.int64, device=device)
    return Scattered((starts[:, None] + offsets).view(-1)[:length])


def joined(parts: Sequence[Slots], device: torch.device) -> Slots:
    """Concatenate slots."""
    if len(parts) == 1:
        return parts[0]
    if all(part.count == 1 and isinstance(part, Run) for part in parts):
        return Scattered(torch.tensor([part.start for part in parts if isinstance(part, Run)], device=device))
    return Scattered(torch.cat([part.indices(device) for part in parts]))
