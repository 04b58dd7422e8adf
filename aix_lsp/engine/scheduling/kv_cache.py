"""Gives sequences their KV pages: shared where cached, copied on write, kept in the tree on release."""

from __future__ import annotations

from collections.abc import Callable

from aix_lsp.engine.pages.pool import PagePool
from aix_lsp.engine.pages.radix import RadixTree
from aix_lsp.engine.scheduling.sequence import Sequence

CopyPage = Callable[[int, int, int], None]
"""(source, target, tokens): copy the KV of a page's first `tokens` tokens before the next step."""

_GROWTH_PAGES = 4


class KvCache:
    """The pages of all sequences, on top of the pool and its radix tree."""

    def __init__(self, page_count: int, page_size: int, copy_page: CopyPage) -> None:
        self.pool = PagePool(page_count, page_size)
        self.tree = RadixTree(self.pool)
        self._copy = copy_page

    def admit(self, sequence: Sequence) -> None:
        """Give a sequence the cached prefix of its tokens, except for the last token."""
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
        """Make `pages` cover `length` positions, evicting unused ones. Returns False if there is no room."""
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
        return self.pool.allocate(count, after, _GROWTH_PAGES)

    def commit(self, sequence: Sequence, length: int) -> None:
        """Let other sequences share the first `length` computed tokens from now on."""
        if length <= (sequence.node.end if sequence.node else 0):
            return
        node = self.tree.insert(sequence.request.namespace, sequence.tokens, sequence.pages, length)
        self.tree.lock(node)
        if sequence.node is not None:
            self.tree.unlock(sequence.node)
        sequence.node = node

    def release(self, sequence: Sequence) -> None:
        """Release a sequence's pages. What was computed stays cached."""
        if sequence.computed:
            self.commit(sequence, sequence.computed)
        self.pool.unclaim(sequence.pages[sequence.writes_from :])
        self.pool.drop(sequence.pages)
        if sequence.node is not None:
            self.tree.unlock(sequence.node)
        sequence.node = None
        sequence.pages = []
        sequence.computed = 0

    def shared(self, sequence: Sequence) -> int:
        """How many tokens of a sequence that is not running are cached; does not count as a use."""
        return self.tree.match(sequence.request.namespace, sequence.tokens, len(sequence.tokens) - 1).length

    def check_integrity(self) -> None:
        """Assert the pool's and the tree's invariants."""
        self.pool.check_integrity()
        self.tree.check_integrity()
