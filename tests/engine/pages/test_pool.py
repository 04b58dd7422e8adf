"""The pool never loses a page and never hands one out twice."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aix_lsp.engine.pages.pool import PagePool


def test_runs_are_contiguous_and_follow_existing_pages() -> None:
    pool = PagePool(32, 16)
    first = pool.allocate(4, room=4)
    second = pool.allocate(3, room=4)
    assert first == [0, 1, 2, 3] and second == [8, 9, 10]
    assert pool.allocate(2, after=3) == [4, 5]
    pool.unclaim(second)
    pool.drop(second)
    assert pool.free == 32 - 6


def test_scattered_pages_are_used_if_there_is_no_run() -> None:
    pool = PagePool(8, 16)
    pages = pool.allocate(8)
    pool.unclaim(pages)
    pool.drop([pages[1], pages[3], pages[6]])
    assert sorted(pool.allocate(3)) == [1, 3, 6]


def test_one_writer_per_page_and_only_if_nobody_relies_on_it() -> None:
    pool = PagePool(2, 16)
    (page,) = pool.allocate(1)
    pool.cache([page])
    pool.rely(page, 5)
    assert not pool.claim(page, 5)
    pool.unclaim([page])
    assert not pool.claim(page, 4)
    assert pool.claim(page, 5)
    assert not pool.claim(page, 5)


class PoolMachine(RuleBasedStateMachine):
    """Random holders and nodes, compared with plain sets."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = PagePool(16, 4)
        self.held: list[list[int]] = []
        self.cached: list[list[int]] = []

    @rule(count=st.integers(0, 6), after=st.integers(-1, 15), room=st.integers(0, 4))
    def allocate(self, count: int, after: int, room: int) -> None:
        used = {page for pages in self.held + self.cached for page in pages}
        assert self.pool.free == 16 - len(used)
        pages = self.pool.allocate(min(count, self.pool.free), after, room)
        assert len(set(pages)) == len(pages) and not used.intersection(pages)
        self.pool.unclaim(pages)
        self.held.append(pages)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        self.pool.drop(self.held.pop(data.draw(st.integers(0, len(self.held) - 1))))

    @precondition(lambda self: self.held or self.cached)
    @rule(data=st.data(), keep=st.booleans())
    def share(self, data: st.DataObject, keep: bool) -> None:
        pages = data.draw(st.sampled_from(self.held + self.cached))
        (self.pool.cache if keep else self.pool.hold)(pages)
        (self.cached if keep else self.held).append(list(pages))

    @precondition(lambda self: self.cached)
    @rule(data=st.data())
    def uncache(self, data: st.DataObject) -> None:
        before = self.pool.free
        freed = self.pool.uncache(self.cached.pop(data.draw(st.integers(0, len(self.cached) - 1))))
        assert self.pool.free == before + freed

    @invariant()
    def adds_up(self) -> None:
        self.pool.check_integrity()
        held = {page for pages in self.held for page in pages}
        cached = {page for pages in self.cached for page in pages} - held
        assert (self.pool.held, self.pool.cached) == (len(held), len(cached))


TestPool = PoolMachine.TestCase
