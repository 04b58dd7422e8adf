"""Several training processes that act as one: gradients and sums are added across them. Knows no models.

On a CPU, one single-threaded process per core is faster than one process with threads: within a step, nothing waits for
another core, which matters most when other programs use part of one.
"""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing

log = logging.getLogger(__name__)

_LARGE = 100_000  # values: larger tensors are sent alone, smaller ones together


class Workers:
    """This process's place among the workers."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def first(self) -> bool:
        """Whether this is the worker that writes logs and checkpoints."""
        return self.rank == 0

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all workers."""
        if self.count == 1:
            return
        listed = []
        for tensor in tensors:
            if tensor.numel() >= _LARGE and tensor.is_contiguous():
                distributed.all_reduce(tensor)
            else:
                listed.append(tensor)
        flat = torch.cat([tensor.reshape(-1) for tensor in listed])
        distributed.all_reduce(flat)
        start = 0
        for tensor in listed:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    def largest(self, value: int) -> int:
        """The largest of the workers' values."""
        if self.count == 1:
            return value
        held = torch.tensor(value)
        distributed.all_reduce(held, distributed.ReduceOp.MAX)
        return int(held)


def run(count: int, rendezvous: Path, task: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Call `task(workers, *arguments)` in `count` processes, of which this one is the first.

    Stopping this process (SIGSTOP) makes the others wait; if it dies, they end.
    """
    if count == 1:
        task(Workers(), *arguments)
        return
    rendezvous.unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=_join, args=(rank, count, rendezvous, task, arguments), daemon=True)
        for rank in range(1, count)
    ]
    with _safe_path():
        for other in others:
            other.start()
    _join(0, count, rendezvous, task, arguments)
    for other in others:
        other.join()


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep processes started meanwhile from importing modules in the folder that is learned from."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def _join(
    rank: int, count: int, rendezvous: Path, task: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    # A day: the first worker may be stopped for as long as a benchmark takes.
    distributed.init_process_group(
        "gloo",
        init_method=rendezvous.absolute().as_uri(),
        rank=rank,
        world_size=count,
        timeout=datetime.timedelta(days=1),
    )
    try:
        task(Workers(rank, count), *arguments)
    except KeyboardInterrupt:
        if rank == 0:
            raise
    except RuntimeError as error:
        if rank == 0:
            raise
        log.warning("worker %d ends: %s", rank, error)
        os._exit(1)
    finally:
        distributed.destroy_process_group()
