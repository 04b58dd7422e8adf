"""Gives sequences their KV pages: shared if cached, copied on write, kept in the tree when released."""

from __future__ import annotations

from collections.abc import Callable

from aix_lsp.engine.pages.pool import PagePool, PoolExhausted
from aix_lsp.engine.pages.radix import RadixTree
from aix_lsp.engine.scheduling.sequence import Sequence

CopyPage = Callable[[int, int, int], None]
"""(source, target, tokens): copy the KV of a page's first tokens, before the next step."""

_GROWTH_PAGES = 4


class KvCache:
    """Pages of running sequences over a pool and its radix tree."""

    def __init__(self, page_count: int, page_size: int, copy_page: CopyPage) -> None:
        self.pool = PagePool(page_count, page_size)
        self.tree = RadixTree(self.pool)
        self._copy = copy_page

    def admit(self, sequence: Sequence) -> None:
        """Give a sequence the cached head of its tokens, all but the last at most."""
        pool, tree = self.pool, self.tree
        match = tree.match(sequence.request.namespace, sequence.tokens, len(sequence.tokens) - 1)
        pages, length = match.pages, match.length
        pool.hold(pages)
        tree.lock(match.node)
        whole, offset = divmod(length, pool.page_size)
        if offset and not pool.claim(pages[whole], offset):
            copied = self._allocate(1, -1)
            if copied is None:
                length -= offset
                copied = []
            else:
                self._copy(pages[whole], copied[0], offset)
            pool.drop(pages[whole:])
            pages[whole:] = copied
        sequence.pages = pages
        sequence.writes_from = whole
        sequence.node = match.node
        sequence.computed = length

    def grow(self, sequence: Sequence, length: int) -> bool:
        """Make `pages` cover `length` positions, evicting what nobody uses. False where there is no room."""
        short = -(-length // self.pool.page_size) - len(sequence.pages)
        if short <= 0:
            return True
        pages = self._allocate(short, sequence.pages[-1] if sequence.pages else -1)
        if pages is None:
            return False
        sequence.pages += pages
        return True

    def _allocate(self, count: int, after: int) -> list[int] | None:
        short = count - self.pool.free
        if short > 0 and self.tree.evict(short) < short:
            return None
        try:
            return self.pool.allocate(count, after, _GROWTH_PAGES)
        except PoolExhausted:
            return None

    def commit(self, sequence: Sequence, length: int) -> None:
        """Let others share the first `length` computed tokens from now on."""
        if length <= (sequence.node.end if sequence.node else 0):
            return
        node = self.tree.insert(sequence.request.namespace, sequence.tokens, sequence.pages, length)
        self.tree.lock(node)
        if sequence.node is not None:
            self.tree.unlock(sequence.node)
        sequence.node = node

    def release(self, sequence: Sequence, keep: bool = True) -> None:
        """Let a sequence's pages go. What was computed stays cached, unless its KV cannot be trusted."""
        if keep and sequence.computed:
            self.commit(sequence, sequence.computed)
        self.pool.unclaim(sequence.pages[sequence.writes_from :])
        self.pool.drop(sequence.pages)
        if sequence.node is not None:
            self.tree.unlock(sequence.node)
        sequence.node = None
        sequence.pages = []
        sequence.computed = 0

    def shared(self, sequence: Sequence) -> int:
        """How many tokens of a sequence that does not run yet are cached; looks without touching."""
        return self.tree.match(sequence.request.namespace, sequence.tokens, len(sequence.tokens) - 1).length

    def check_integrity(self) -> None:
        """Assert the pool's and the tree's invariants."""
        self.pool.check_integrity()
        self.tree.check_integrity()
