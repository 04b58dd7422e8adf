"""Owns which KV pages are free, cached or held. Knows page numbers only: no tokens, tensors or sequences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


class PagePool:
    """Reference counts of `size` KV pages of `page_size` tokens each.

    A page is *held* while any sequence uses it, otherwise *cached* while the radix tree keeps it, otherwise *free*, so
    free + cached + held = size at all times. One sequence at a time may write to a page; `filled` is the number of its
    positions that others may rely on, and only grows while the page is in use.
    """

    def __init__(self, size: int, page_size: int) -> None:
        self.size = size
        self.page_size = page_size
        self.held = 0
        self.cached = 0
        self.filled = [0] * size
        self._holders = [0] * size
        self._cachings = [0] * size
        self._writing = bytearray(size)
        self._free = bytearray(b"\1" * size)
        self._next = 0

    @property
    def free(self) -> int:
        """The number of free pages."""
        return self.size - self.held - self.cached

    def allocate(self, count: int, after: int = -1, room: int = 0) -> list[int]:
        """Take `count` pages, held and writable by the caller; so many must be free.

        If possible, pages follow `after` or each other: a contiguous run is sliced instead of gathered. Behind a new
        run, `room` pages are left for its growth as long as there is space elsewhere.
        """
        assert count <= self.free, "more pages than are free"
        pages: list[int] = []
        while len(pages) < count and 0 <= after < self.size - 1 and self._free[after + 1]:
            after += 1
            pages.append(after)
            self._free[after] = 0
        if len(pages) < count:
            pages += self._runs(count - len(pages), room)
        for page in pages:
            self._holders[page] = 1
            self._writing[page] = 1
            self.filled[page] = 0
        self.held += count
        return pages

    def _runs(self, count: int, room: int) -> list[int]:
        taken: list[int] = []
        length = count + room
        while len(taken) < count:
            start = self._find(length)
            if start < 0:
                length = min(length - 1, max(length // 2, 1))
                continue
            run = min(length, count - len(taken))
            self._free[start : start + run] = bytes(run)
            taken.extend(range(start, start + run))
            self._next = start + length
            length = max(min(length, count - len(taken)), 1)
        return taken

    def _find(self, length: int) -> int:
        wanted = b"\1" * length
        start = self._free.find(wanted, self._next)
        return start if start >= 0 else self._free.find(wanted)

    def hold(self, pages: Iterable[int]) -> None:
        """A sequence starts to use pages that are already cached or held."""
        for page in pages:
            if self._holders[page] == 0:
                assert self._cachings[page] > 0, "a free page must be allocated"
                self.held += 1
                self.cached -= 1
            self._holders[page] += 1

    def drop(self, pages: Iterable[int]) -> None:
        """A sequence stops using pages; it must no longer be their writer."""
        for page in pages:
            self._holders[page] -= 1
            if self._holders[page] == 0:
                self.held -= 1
                if self._cachings[page]:
                    self.cached += 1
                else:
                    self._release(page)

    def cache(self, pages: Iterable[int]) -> None:
        """A node of the tree starts to keep pages that are in use."""
        for page in pages:
            assert self._holders[page] or self._cachings[page], "a free page has nothing to cache"
            self._cachings[page] += 1

    def uncache(self, pages: Iterable[int]) -> int:
        """A node of the tree stops keeping pages. Returns how many became free."""
        freed = 0
        for page in pages:
            self._cachings[page] -= 1
            if self._cachings[page] == 0 and self._holders[page] == 0:
                self.cached -= 1
                self._release(page)
                freed += 1
        return freed

    def _release(self, page: int) -> None:
        assert not self._writing[page], "freed while a sequence may write to it"
        self._free[page] = 1

    def free_runs(self) -> list[tuple[int, int]]:
        """All free pages as runs (first, count)."""
        return [(run.start(), run.end() - run.start()) for run in re.finditer(b"\1+", self._free)]

    def claim(self, page: int, offset: int) -> bool:
        """Become the writer of a page from `offset` on, unless others write there or rely on what follows."""
        if self._writing[page] or self.filled[page] != offset:
            return False
        self._writing[page] = 1
        return True

    def unclaim(self, pages: Sequence[int]) -> None:
        """Stop being the writer of pages."""
        for page in pages:
            self._writing[page] = 0

    def rely(self, page: int, filled: int) -> None:
        """From now on, others may rely on the first `filled` positions of a page."""
        if filled > self.filled[page]:
            self.filled[page] = filled

    def check_integrity(self) -> None:
        """Assert that counters and reference counts agree, page by page."""
        held = sum(1 for count in self._holders if count > 0)
        cached = sum(1 for h, c in zip(self._holders, self._cachings, strict=True) if h == 0 and c > 0)
        free = sum(self._free)
        assert min(self._holders, default=0) >= 0 and min(self._cachings, default=0) >= 0, "negative count"
        assert (held, cached, free) == (self.held, self.cached, self.free), "counters are off"
        assert free + cached + held == self.size, "a page is lost"
        for page, flag in enumerate(self._free):
            assert not (flag and self._writing[page]), "a free page has a writer"
