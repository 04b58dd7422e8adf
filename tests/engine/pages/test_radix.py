"""The tree finds the longest cached prefix, evicts the oldest first, and its pages hold the right tokens."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aix_lsp.engine.pages.radix import RadixTree, common_length
from aix_lsp.engine.scheduling.kv_cache import KvCache
from aix_lsp.engine.scheduling.sequence import Sequence
from tests.engine.fakes import request

PAGES, SIZE = 24, 4


def cache_of(pages: int = PAGES, size: int = SIZE) -> KvCache:
    return KvCache(pages, size, lambda source, target, tokens: None)


def run_through(cache: KvCache, tokens: list[int], namespace: str = "") -> Sequence:
    """Admit a sequence, compute all of it, and release it."""
    sequence = request([*tokens, -1], namespace=namespace).sequences[0]
    cache.admit(sequence)
    assert cache.grow(sequence, len(tokens))
    found = sequence.computed
    sequence.computed = len(tokens)
    cache.release(sequence)
    sequence.reused = found
    return sequence


def found(cache: KvCache, tokens: list[int], namespace: str = "") -> int:
    return cache.tree.match(namespace, tokens, len(tokens)).length


def test_matches_by_token_not_by_page() -> None:
    cache = cache_of()
    run_through(cache, [1, 2, 3, 4, 5, 6])
    assert found(cache, [1, 2, 3, 9]) == 3
    assert found(cache, [1, 2, 3, 4, 5, 6, 7]) == 6
    assert found(cache, [2]) == 0


def test_namespaces_share_nothing() -> None:
    cache = cache_of()
    run_through(cache, [1, 2, 3], "a")
    assert found(cache, [1, 2, 3], "b") == 0
    assert found(cache, [1, 2, 3], "a") == 3


def test_namespaces_without_pages_are_forgotten() -> None:
    cache = cache_of()
    for at in range(50):
        run_through(cache, [1, 2, 3, 4, 5], f"tenant {at}")
        found(cache, [1, 2], f"unknown {at}")
        cache.check_integrity()
    assert len(cache.tree._roots) <= PAGES // 2
    assert found(cache, [1, 2, 3, 4, 5], "tenant 49") == 5
    cache.tree.clear()
    assert not cache.tree._roots and cache.pool.free == PAGES
    run_through(cache, [1, 2, 3], "tenant 49")
    assert found(cache, [1, 2, 3], "tenant 49") == 3


def test_typing_appends_in_place_and_a_branch_copies_one_page() -> None:
    copies: list[tuple[int, int, int]] = []
    cache = KvCache(PAGES, SIZE, lambda *copied: copies.append(copied))
    run_through(cache, [1, 2, 3, 4, 5, 6])
    run_through(cache, [1, 2, 3, 4, 5, 6, 7])
    assert not copies and cache.pool.cached == 2
    run_through(cache, [1, 2, 3, 4, 5, 9])
    assert [tokens for _, _, tokens in copies] == [1]
    cache.check_integrity()


def test_the_least_recently_used_goes_first_from_its_end() -> None:
    cache = cache_of(pages=6)
    old, new = [1] * 12, [2] * 12
    run_through(cache, old)
    run_through(cache, new)
    run_through(cache, old)
    assert cache.tree.evict(1) == 1
    assert found(cache, new) == 8 and found(cache, old) == 12
    assert cache.tree.evict(4) == 4
    assert found(cache, new) == 0 and found(cache, old) == 4


def test_a_locked_prefix_stays_and_its_unused_tail_is_evicted() -> None:
    cache = cache_of(pages=7)
    run_through(cache, list(range(24)))
    reader = request([*range(9), 77]).sequences[0]
    cache.admit(reader)
    assert reader.computed == 9
    assert cache.tree.evict(6) == 3
    assert found(cache, list(range(24))) >= 9
    cache.release(reader)
    cache.check_integrity()


def test_a_stream_of_keystrokes_leaves_a_shallow_tree() -> None:
    cache = cache_of(pages=400)
    text = list(range(500))
    for at in range(100, 500):
        run_through(cache, text[:at])
    assert len(list(cache.tree.nodes())) <= 3
    assert cache.pool.cached <= 500 // SIZE + 2


def test_common_length() -> None:
    for left, right, length in [("", "a", 0), ("abc", "abd", 2), ("abc", "abcd", 3), ("x", "y", 0)]:
        assert common_length(left, right) == length


class CacheMachine(RuleBasedStateMachine):
    """Sequences are admitted, grow, commit, abort and are released; each page slot records what was computed there."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: list[list[object]] = [[None] * SIZE for _ in range(PAGES)]
        self.cache = KvCache(PAGES, SIZE, self.copy)
        self.running: list[Sequence] = []
        self.known: set[tuple[str, tuple[int, ...]]] = set()

    def copy(self, source: int, target: int, tokens: int) -> None:
        self.slots[target] = self.slots[source][:tokens] + [None] * (SIZE - tokens)

    @rule(
        tokens=st.lists(st.integers(0, 2), min_size=1, max_size=30),
        like=st.integers(0, 3),
        namespace=st.sampled_from("ab"),
    )
    def admit(self, tokens: list[int], like: int, namespace: str) -> None:
        if len(self.running) < 4:
            if self.running and like:
                tokens = self.running[like % len(self.running)].tokens[: len(tokens)] + tokens[:3]
            sequence = request(tokens, namespace=namespace).sequences[0]
            self.cache.admit(sequence)
            assert sequence.computed < len(tokens)
            self.running.append(sequence)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 3), count=st.integers(1, 9), more=st.integers(0, 2), aborted=st.booleans())
    def step(self, which: int, count: int, more: int, aborted: bool) -> None:
        sequence = self.running[which % len(self.running)]
        sequence.tokens.extend([more] * (sequence.pending == 1))
        count = min(count, sequence.pending)
        if not self.cache.grow(sequence, sequence.computed + count):
            return
        for position in range(sequence.computed, sequence.computed + count):
            told = None if aborted else self.content(sequence, position)
            self.slots[sequence.pages[position // SIZE]][position % SIZE] = told
        sequence.computed += 0 if aborted else count

    @staticmethod
    def content(sequence: Sequence, position: int) -> object:
        return sequence.request.namespace, tuple(sequence.tokens[: position + 1])

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 3), part=st.floats(0, 1))
    def commit(self, which: int, part: float) -> None:
        sequence = self.running[which % len(self.running)]
        self.cache.commit(sequence, int(sequence.computed * part))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 3))
    def release(self, which: int) -> None:
        sequence = self.running.pop(which % len(self.running))
        kept = (sequence.request.namespace, sequence.tokens[: sequence.computed])
        self.cache.release(sequence)
        assert found(self.cache, kept[1], kept[0]) == len(kept[1])

    @rule(pages=st.integers(1, 8))
    def evict(self, pages: int) -> None:
        before = self.cache.pool.free
        assert self.cache.tree.evict(pages) == self.cache.pool.free - before

    @invariant()
    def holds_what_it_should(self) -> None:
        self.cache.check_integrity()
        for sequence in self.running:
            for position in range(sequence.computed):
                slot = self.slots[sequence.pages[position // SIZE]][position % SIZE]
                assert slot == self.content(sequence, position)

    def teardown(self) -> None:
        for sequence in self.running:
            self.cache.release(sequence)
        assert self.cache.pool.held == 0
        self.cache.tree.clear()
        assert self.cache.pool.free == PAGES and not list(self.cache.tree.nodes())


CacheMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
TestCache = CacheMachine.TestCase


def test_eviction_does_not_walk_the_tree(monkeypatch: object) -> None:
    cache = cache_of(pages=4000)
    for at in range(1000):
        run_through(cache, [at, *range(12)])
    tree: RadixTree = cache.tree
    looked = 0
    check = RadixTree._evictable

    def counting(node: object) -> bool:
        nonlocal looked
        looked += 1
        return check(node)  # type: ignore[arg-type]

    tree._evictable = counting  # type: ignore[method-assign]
    tree.evict(10)
    assert looked < 60
