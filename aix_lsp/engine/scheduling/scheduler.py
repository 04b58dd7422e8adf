"""Decides what runs next, and with what budget. Pure Python: knows sequences and pages, no models, threads or text.

There is no prefill or decode phase: a sequence's computed tokens catch up with its tokens, step by step.
"""

from __future__ import annotations

from aix_lsp.engine.scheduling.admission import Admission
from aix_lsp.engine.scheduling.cost import CostModel, Work
from aix_lsp.engine.scheduling.draft import Drafter
from aix_lsp.engine.scheduling.kv_cache import KvCache
from aix_lsp.engine.scheduling.order import ClientUsage, Order
from aix_lsp.engine.scheduling.schedule import BACKGROUND, Planned, Progress, StepLimits, StepPlan
from aix_lsp.engine.scheduling.sequence import Request, Sequence, State
from aix_lsp.engine.step import Sampled

_TYPICAL_CONTEXT = 512
_MUCH_MORE = 4


class Scheduler:
    """Plans steps over one KV cache, and processes their results. Used by one thread."""

    def __init__(self, cache: KvCache, limits: StepLimits | None = None) -> None:
        self.cache = cache
        self.limits = limits or StepLimits()
        self.cost = CostModel()
        self.drafter = Drafter(self.limits.drafts)
        self.step_tokens = self.limits.step_tokens
        self._usage = ClientUsage()
        self._order = Order(self.limits.ageing_s, self._usage)
        self.sequences = Admission(cache, self.limits, self._order)

    def submit(self, request: Request) -> None:
        """Queue a request's sequences."""
        self.sequences.enqueue(request)

    def remove(self, request: Request) -> None:
        """Drop a request's sequences; what they computed stays cached."""
        for sequence in request.sequences:
            self.sequences.finish(sequence)

    @property
    def idle(self) -> bool:
        return not (self.sequences.waiting or self.sequences.running)

    def plan(self, now: float) -> StepPlan | None:
        """The next step, or None if nothing can run. `now` is in seconds, of a monotonic clock."""
        self._order.now = now
        if self.sequences.waiting:
            self.sequences.admit()
        chosen, foreground = self._choose()
        work = Work()
        planned: list[Planned] = []
        self._plan_decodes(chosen, planned, work)
        self._plan_prefills(chosen, planned, work)
        # Making room for one sequence may have preempted another that was already planned.
        planned = [part for part in planned if part.sequence.state is State.RUNNING]
        if not planned:
            return None
        return StepPlan(planned, [part.row() for part in planned], work, foreground)

    def _choose(self) -> tuple[list[Sequence], bool]:
        """The running sequences in order, background ones only if there are no others; and whether there are others."""
        running = self.sequences.running
        foreground = [s for s in running if self._order.rank(s) < BACKGROUND]
        chosen = foreground or running
        # Decoding rows get their token in any case: only prefills compete.
        if len(chosen) > 1 and any(s.pending > 1 for s in chosen):
            chosen = self._order.sorted(chosen)
        return list(chosen), bool(foreground)

    def _plan_decodes(self, chosen: list[Sequence], planned: list[Planned], work: Work) -> None:
        decoding = [s for s in chosen if s.pending == 1]
        price = self._draft_price(len(decoding)) if decoding else 0.0
        for sequence in decoding:
            if sequence.state is not State.RUNNING:
                continue
            part = Planned(sequence, 1)
            self._draft(part, price)
            if self._room(sequence, sequence.computed + 1 + len(part.drafts)):
                planned.append(part)
                work.add(1 + len(part.drafts), sequence.computed)

    def _draft_price(self, rows: int) -> float:
        """The time that a drafted token adds to a step of `rows` decoding rows, relative to the step's time per row."""
        step = self.cost.predict(Work(rows, rows, rows * _TYPICAL_CONTEXT))
        longer = self.cost.predict(Work(rows, rows + 8, (rows + 8) * _TYPICAL_CONTEXT))
        return max(longer - step, 0.0) / 8 * rows / step

    def _draft(self, part: Planned, price: float) -> None:
        """Add drafts to a part that ends with its sequence's last token."""
        sequence, output = part.sequence, part.sequence.output
        room = min(sequence.max_length - len(sequence.tokens) - 1, self.limits.drafts)
        if room <= 0:
            return
        if output.likely:
            part.drafts = self.drafter.spell(output.likely, price, room)
        elif sequence.generated and not output.allowed():
            part.drafts, part.match = self.drafter.propose(sequence.recalled(), price, room)

    def _plan_prefills(self, chosen: list[Sequence], planned: list[Planned], work: Work) -> None:
        prefilling = [s for s in chosen if s.pending > 1]
        if not prefilling:
            return
        seconds = self._step_seconds([part.sequence for part in planned], work, prefilling[0])
        least = min(self.limits.smallest_chunk, self.step_tokens)
        price = self._draft_price(1 + len(planned))
        for sequence in prefilling:
            if sequence.state is not State.RUNNING:
                continue
            fits = self.cost.tokens_within(seconds, work, sequence.computed + sequence.pending // 2)
            if self._has_had_more(sequence, planned):
                fits = min(fits, self.limits.smallest_chunk)
            count = min(sequence.pending, max(min(fits, self.step_tokens - work.tokens), least))
            if count <= 0:
                break
            least = 0
            part = Planned(sequence, count)
            if count == sequence.pending:
                self._draft(part, price)
            size = count + len(part.drafts)
            if self._room(sequence, sequence.computed + size):
                planned.append(part)
                work.add(size, sequence.computed + count // 2)

    def _has_had_more(self, sequence: Sequence, planned: list[Planned]) -> bool:
        """Whether other clients in the step have used much less: their tokens must not wait for this prefill."""
        client, now = sequence.request.client, self._order.now
        others = {part.sequence.request.client for part in planned} - {client}
        debt = self._usage.debt(client, now)
        return any(_MUCH_MORE * self._usage.debt(other, now) < debt for other in others)

    def _step_seconds(self, decoding: list[Sequence], work: Work, first: Sequence) -> float:
        """How long a step may take, depending on who waits for its end; `first` is the first sequence to prefill."""
        if not decoding:
            if not self._usage.shared(first.request.client, self._order.now):
                return self.limits.prefill_step_s
            one = self.cost.predict(Work(1, 1, _TYPICAL_CONTEXT))
            return min(max(self.limits.shared_step_s, 4 * one), self.limits.prefill_step_s)
        alone = self.cost.predict(work)
        if any(s.request.priority == 0 for s in decoding):
            return max(self.limits.invoked_step_s, 1.5 * alone)
        return max(self.limits.decoding_step_s, 2.5 * alone)

    def _room(self, sequence: Sequence, length: int) -> bool:
        """Make room for `length` positions, preempting the last sequences in order if necessary."""
        while not self.cache.grow(sequence, length):
            victim = self._order.last(self.sequences.running)
            self.sequences.preempt(victim)
            if victim is sequence:
                return False
        return True

    def complete(
        self, plan: StepPlan, results: list[list[Sampled]], seconds: float, now: float
    ) -> list[Progress]:
        """Process a step's tokens. Sequences of dead requests get none; they wait to be removed."""
        self.cost.observe(plan.work, seconds)
        progress: list[Progress] = []
        for part, sampled in zip(plan.planned, results, strict=True):
            sequence = part.sequence
            sequence.computed += part.count
            sequence.served_at = now
            tokens = part.count + len(part.drafts)
            self._usage.charge(sequence.request.client, tokens / sequence.request.share, now)
            if sequence.computed <= sequence.prompt_length or part.count > 1:
                self.cache.commit(sequence, min(sequence.computed, sequence.prompt_length))
                self.sequences.prefilled()
            if sampled and sequence.request.alive:
                progress.append(self._take(part, sampled))
        return progress

    def _take(self, part: Planned, sampled: list[Sampled]) -> Progress:
        """Append sampled tokens, up to the first that differs from the next draft."""
        sequence = part.sequence
        tokens, drafts = sequence.tokens, part.drafts
        gained = right = 0
        complete = False
        for at, choice in enumerate(sampled):
            complete = sequence.output.push(choice)
            gained += 1
            agreed = at < len(drafts) and drafts[at] == choice.token
            right += agreed
            if complete:
                break
            tokens.append(choice.token)
            complete = len(tokens) >= sequence.max_length
            if complete or not agreed:
                break
            sequence.computed += 1
        if drafts:
            self.drafter.learn(part.match, len(drafts), right)
        if complete:
            self.sequences.finish(sequence)
        return Progress(sequence, gained, complete)

    def check_integrity(self) -> None:
        """Assert that only running sequences hold pages, and the cache's invariants."""
        self.cache.check_integrity()
        running, waiting = self.sequences.running, self.sequences.waiting
        held = {page for sequence in running for page in sequence.pages}
        assert len(held) == self.cache.pool.held, "a page is held, but by no running sequence"
        assert all(s.state is State.RUNNING and (s.pending >= 1 or not s.request.alive) for s in running)
        assert all(s.state is State.WAITING and not s.pages for s in waiting)
