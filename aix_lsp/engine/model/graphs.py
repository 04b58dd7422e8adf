"""Decoding steps recorded once per shape and replayed: on CUDA, a token's hundreds of launches become one.

Knows plans and forward passes. The recorder is a parameter, so that everything but the recording runs on a CPU, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from aix_lsp.engine.model.batched import DecodeBatch
from aix_lsp.engine.model.kv import KvPool
from aix_lsp.engine.model.plan import DevicePlan, Forward, never
from aix_lsp.engine.model.slots import Scattered

log = logging.getLogger(__name__)

Recorder = Callable[[Callable[[], Tensor]], tuple[Callable[[], object], Tensor]]
"""From a computation to a function that repeats it, and the tensor that then holds its result."""

_MOST_ROWS = 64
_LEAST_PAGES = 16


class GraphedForward:
    """A forward pass that replays decoding steps of up to 64 rows; rows and pages are padded to powers of two."""

    def __init__(self, forward: Forward, pool: KvPool, recorder: Recorder) -> None:
        self._forward = forward
        self._pool = pool
        self._recorder = recorder
        self._recorded: dict[tuple[int, int], _Recorded] = {}

    def __call__(self, plan: DevicePlan) -> Tensor:
        """Logits `[len(plan.wanted), vocab]` of the wanted rows, valid until the next call. Raises Aborted, but not
        between the layers of a replayed step."""
        batch = plan.batch
        if batch is None or not plan.decoding or plan.tokens.shape[0] > _MOST_ROWS:
            return self._forward(plan)
        plan.check_abort()
        shape = _power_of_two(plan.tokens.shape[0]), max(_LEAST_PAGES, _power_of_two(batch.table.shape[1]))
        recorded = self._recorded.get(shape)
        if recorded is None:
            log.info("recording decoding of %d rows over %d pages", *shape)
            recorded = self._recorded[shape] = _Recorded(self._forward, self._pool, self._recorder, shape)
        return plan.keep_wanted(recorded(plan, batch))


class _Recorded:
    """The inputs of one shape, at fixed addresses, and the recording that reads them.

    Padding rows compute on the pool's spare page.
    """

    def __init__(
        self,
        forward: Forward,
        pool: KvPool,
        recorder: Recorder,
        shape: tuple[int, int],
    ) -> None:
        rows, pages = shape
        self._forward = forward
        self._pool = pool
        self._tokens = torch.zeros(rows, dtype=torch.int64, device=pool.device)
        self._positions = torch.zeros_like(self._tokens)
        self._writes = torch.full_like(self._tokens, pool.spare_page * pool.page_size)
        self._table = torch.full((rows, pages), pool.spare_page, device=pool.device)
        self._replay, self._logits = recorder(self._compute)

    def __call__(self, plan: DevicePlan, batch: DecodeBatch) -> Tensor:
        rows, pages = batch.table.shape
        page_size = self._pool.page_size
        self._tokens.zero_()[:rows] = plan.tokens
        self._positions.zero_()[:rows] = plan.positions
        self._writes.fill_(self._pool.spare_page * page_size)[:rows] = plan.writes.indices(self._pool.device)
        self._table.fill_(self._pool.spare_page)[:rows, :pages] = batch.table
        self._replay()
        return self._logits[:rows]

    def _compute(self) -> Tensor:
        # Built in each call: what a batch derives from its tables is part of the recording.
        return self._forward(
            DevicePlan(
                tokens=self._tokens,
                positions=self._positions,
                writes=Scattered(self._writes),
                wanted=self._tokens,
                spans=[],
                store=self._pool,
                abort=never,
                decoding=True,
                batch=DecodeBatch(self._table, self._positions, self._pool.page_size),
            )
        )


def record_cuda(compute: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
    """Record a CUDA graph. The computation runs once before, so that libraries and cached buffers are set up."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            compute()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = compute()
    return graph.replay, logits


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()
