"""Owns which token sequences have their KV cached, and in which pages. Knows no requests or tensors."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from aix_lsp.engine.pages.pool import PagePool


class Node:
    """An edge of the tree: `tokens` at positions `start` … `end - 1`, with their KV in `pages`.

    `pages` are whole pages from `start // page_size` on. If `start` is within the first page, that also holds its
    ancestors' tokens (it is the parent's last page, or a copy of it).
    """

    __slots__ = ("alive", "children", "locks", "namespace", "pages", "parent", "start", "tokens", "used")

    def __init__(self, parent: Node | None, start: int, tokens: list[int], pages: list[int]) -> None:
        self.parent = parent
        self.start = start
        self.tokens = tokens
        self.pages = pages
        self.children: dict[int, Node] = {}
        self.locks = 0
        self.used = 0
        self.alive = True
        self.namespace: str | None = None
        """The namespace of a root in use; None for other nodes."""

    @property
    def end(self) -> int:
        return self.start + len(self.tokens)


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """The longest cached prefix of a token sequence: its length, its pages, and the node where it ends."""

    length: int
    pages: list[int]
    node: Node


def common_length(left: Sequence[object], right: Sequence[object]) -> int:
    """Length of the common prefix, by bisection over slice comparisons (C speed on lists and strings)."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low


class RadixTree:
    """Cached token sequences by namespace, at token granularity, over pages.

    Only leaves are evicted, so a lock on the node where a sequence's cached prefix ends protects all of it. The
    least-recently-used leaves come from a heap with stale entries, never from a walk of the tree.
    """

    def __init__(self, pool: PagePool) -> None:
        self._pool = pool
        self._roots: dict[str, Node] = {}
        self._leaves: list[tuple[int, int, Node]] = []
        self._clock = count(1)
        self._ties = count()
        self._nodes = 0
        self.evicted_pages = 0

    def match(self, namespace: str, tokens: list[int], limit: int) -> PrefixMatch:
        """The longest cached prefix of `tokens[:limit]`, which then ends at a node, ready to be locked."""
        size = self._pool.page_size
        node, position = self._roots.get(namespace) or Node(None, 0, [], []), 0
        pages: list[int] = []
        while position < limit:
            child = node.children.get(tokens[position])
            if child is None:
                break
            end = min(child.end, limit)
            head = tokens[position:end]
            same = len(head) if child.tokens[: len(head)] == head else common_length(child.tokens, head)
            node = child if same == len(child.tokens) else self._split(child, same)
            pages[node.start // size :] = node.pages
            position += same
            if same < len(head):
                break
        return PrefixMatch(position, pages, node)

    def insert(self, namespace: str, tokens: list[int], pages: Sequence[int], length: int) -> Node:
        """Cache the KV of `tokens[:length]`, which is in `pages`; what is already cached stays as it is.

        Returns the node where the cached sequence ends.
        """
        size = self._pool.page_size
        found = self.match(namespace, tokens, length)
        if found.length == length:
            return found.node
        start, parent = found.length, found.node
        if parent.parent is None:
            parent.namespace = namespace
            self._roots[namespace] = parent
        kept = list(pages[start // size : -(-length // size)])
        leaf = Node(parent, start, tokens[start:length], kept)
        parent.children[leaf.tokens[0]] = leaf
        self._nodes += 1
        self._pool.cache(kept)
        for page in kept[:-1]:
            self._pool.rely(page, size)
        self._pool.rely(kept[-1], (length - 1) % size + 1)
        self._touch(leaf)
        return leaf

    def lock(self, node: Node) -> None:
        """Protect a node, and thus the whole sequence that ends there, from eviction."""
        node.locks += 1

    def unlock(self, node: Node) -> None:
        """Undo one `lock`; counts as a use of the node."""
        node.locks -= 1
        if node.locks == 0:
            self._touch(node)
            self._absorb(node)

    def evict(self, pages: int) -> int:
        """Free at least `pages` pages, if possible, from the ends of the least recently used leaves."""
        freed = 0
        while freed < pages and self._leaves:
            used, _, node = self._leaves[0]
            if not self._evictable(node) or node.used != used:
                heapq.heappop(self._leaves)
                continue
            freed += self._trim(node, pages - freed)
        self.evicted_pages += freed
        return freed

    def clear(self) -> None:
        """Drop everything that is not locked."""
        self.evict(self._pool.size)

    def _trim(self, leaf: Node, pages: int) -> int:
        """Drop up to `pages` pages from a leaf's end, the part of a prompt that changes first."""
        if pages >= len(leaf.pages):
            return self._remove(leaf)
        size = self._pool.page_size
        gone = leaf.pages[-pages:]
        del leaf.pages[-pages:]
        del leaf.tokens[(leaf.start // size + len(leaf.pages)) * size - leaf.start :]
        return self._pool.uncache(gone)

    def _remove(self, leaf: Node) -> int:
        parent = leaf.parent
        assert parent is not None
        del parent.children[leaf.tokens[0]]
        leaf.alive = False
        self._nodes -= 1
        parent.used = max(parent.used, leaf.used)
        if parent.namespace is not None and not parent.children:
            # Clients can invent any number of namespaces.
            del self._roots[parent.namespace]
        if self._evictable(parent):
            heapq.heappush(self._leaves, (parent.used, next(self._ties), parent))
        else:
            self._absorb(parent)
        return self._pool.uncache(leaf.pages)

    def _split(self, node: Node, at: int) -> Node:
        """Split an edge after `at` tokens; returns the upper part. The lower one keeps its identity, and thus its
        locks."""
        size = self._pool.page_size
        assert node.parent is not None
        middle = node.start + at
        upper = Node(node.parent, node.start, node.tokens[:at], [])
        first = node.start // size
        upper.pages = node.pages[: -(-middle // size) - first]
        node.pages = node.pages[middle // size - first :]
        if middle % size:
            self._pool.cache(node.pages[:1])
        node.tokens = node.tokens[at:]
        node.start = middle
        upper.children[node.tokens[0]] = node
        upper.used = node.used
        node.parent.children[upper.tokens[0]] = upper
        node.parent = upper
        self._nodes += 1
        return upper

    def _absorb(self, node: Node) -> None:
        """Undo a split that is no longer needed: an unlocked node with one child is merged into that child."""
        if node.locks or node.parent is None or len(node.children) != 1 or not node.alive:
            return
        (child,) = node.children.values()
        whole = len(node.pages)
        if node.end % self._pool.page_size:
            whole -= 1
            self._pool.uncache(node.pages[whole:])
        child.pages = node.pages[:whole] + child.pages
        child.tokens = node.tokens + child.tokens
        child.start = node.start
        child.parent = node.parent
        node.parent.children[child.tokens[0]] = child
        node.alive = False
        self._nodes -= 1

    def _touch(self, node: Node) -> None:
        node.used = next(self._clock)
        if self._evictable(node):
            heapq.heappush(self._leaves, (node.used, next(self._ties), node))
            if len(self._leaves) > 2 * self._nodes + 64:
                self._leaves = [entry for entry in self._leaves if self._current(entry)]
                heapq.heapify(self._leaves)

    def _current(self, entry: tuple[int, int, Node]) -> bool:
        return entry[2].used == entry[0] and self._evictable(entry[2])

    @staticmethod
    def _evictable(node: Node) -> bool:
        return node.alive and not node.locks and not node.children and node.parent is not None

    def nodes(self) -> Iterator[Node]:
        """All nodes except the roots, parents first."""
        stack = list(self._roots.values())
        while stack:
            node = stack.pop()
            stack.extend(node.children.values())
            if node.parent is not None:
                yield node

    def check_integrity(self) -> None:
        """Assert that edges are connected, pages cover them, and every evictable leaf is in the heap."""
        size = self._pool.page_size
        known = {id(entry[2]) for entry in self._leaves if self._current(entry)}
        total = 0
        for node in self.nodes():
            total += 1
            assert node.parent is not None and node.alive and node.tokens
            assert node.start == node.parent.end and node.parent.children[node.tokens[0]] is node
            assert len(node.pages) == -(-node.end // size) - node.start // size
            assert not self._evictable(node) or id(node) in known, "a leaf that is never evicted"
        assert total == self._nodes
