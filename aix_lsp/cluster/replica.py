"""One replica on Ray Serve: the engine behind the access control of `aix-lsp serve`. Ray starts, checks and ends it.

Routes, users and quotas are those of a single process; replicas tell each other how much of the quotas is in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import convert
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from starlette.types import ASGIApp

from aix_lsp.engine.engine import EngineStopped
from aix_lsp.engine.http.api import STUCK_S, Service
from aix_lsp.engine.loading import start_model
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import EngineOptions
from aix_lsp.engine.state import Presence, StateBoard
from aix_lsp.engine.watchdog import Watchdog
from aix_lsp.serve.app import AccessControl
from aix_lsp.serve.quotas import InUse, Quotas
from aix_lsp.serve.usage import UsageLog
from aix_lsp.serve.users import UserDirectory
from aix_lsp.serve.worker import ServeOptions, check

_CHECK_EVERY_S = 0.5
_STOP_S = 1.0
_SHARE_EVERY_S = 0.5
_SHARE_AGAIN_S = 2.0
"""Usage is reported when it has changed, and again after this time while requests are in flight."""
_ANSWER_S = 5.0
"""How long the other replicas may take to report their figures."""


class Replica:
    """The deployment's class, whose methods Ray Serve calls on each replica."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, serve_options: Mapping[str, Any], engine: Mapping[str, Any], generation: int = 0
    ) -> None:
        """Load the model. `serve_options` are ServeOptions, `engine` EngineOptions. Raises ModelError, ServeError."""
        options = convert(dict(serve_options), ServeOptions)
        self._admin_token = check(options)
        self._directory = UserDirectory(Path(options.users))
        self._usage = UsageLog(Path(options.usage))
        self.service = Service(StateBoard({"state": "loading"}), Presence(), EngineMetrics())
        self._lost = ""
        chosen = EngineOptions(**engine)
        served = await asyncio.to_thread(
            start_model, chosen, self.service.metrics, lambda stage, fraction: None
        )
        self.service.served = served
        self._watchdog = Watchdog(served.engine, options.step_limit_s, self._give_up)
        self._first_texts = FirstTexts(self.service.metrics)
        self.service.board.publish({"state": "ready", "model": served.card.json(), "pid": os.getpid()})
        self._quotas = Quotas()
        self._tasks = [
            asyncio.create_task(work)
            for work in (self._watch(), self._directory.follow(), self._share_usage())
        ]

    def __serve_build_asgi_app__(self) -> ASGIApp:
        access = AccessControl(
            self.service, self._directory, self._usage, self._admin_token, together=self._together
        )
        self._quotas = access.quotas
        return access

    def _give_up(self, why: str) -> None:
        self._lost = why

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            self._watchdog.check()

    async def check_health(self) -> None:
        """Raise if the replica is unhealthy; Ray replaces one for which this raises repeatedly."""
        assert self.service.served is not None
        seconds = self.service.served.engine.step_in_flight()[1]
        if self._lost or seconds > STUCK_S:
            raise EngineStopped(self._lost or f"one step has been running for {seconds:.0f} s")

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """The figures on which the policy in scaling.py is based, besides the number of requests."""
        return {"first_text_ms": self._first_texts.late_ms()}

    async def figures(self) -> dict[str, Any]:
        """This replica's part of the figures."""
        return self.service.figures_json()

    async def _share_usage(self) -> None:
        """Keep the other replicas' quotas up to date."""
        report, at = InUse({}, {}), 0.0
        while True:
            await asyncio.sleep(_SHARE_EVERY_S)
            now = self._quotas.in_use()
            spent = {key: tokens for key, (tokens, _, _) in now.spent.items()}
            changed = now.in_flight != report.in_flight or spent != {k: v[0] for k, v in report.spent.items()}
            if changed or (now.in_flight and time.monotonic() - at > _SHARE_AGAIN_S):
                report, at = now, time.monotonic()
                context = serve.get_replica_context()
                # Totals are sent, so the next report makes up for a missed one.
                with contextlib.suppress(RayError, RayServeException, TimeoutError):
                    answers = self._handle().broadcast("take_report", context.replica_tag, now)
                    await answers.results_async(timeout_s=_ANSWER_S, return_exceptions=True)

    async def take_report(self, replica: str, in_use: InUse) -> None:
        """Record what another replica has in use."""
        if replica != serve.get_replica_context().replica_tag:
            self._quotas.take_report(replica, in_use)

    @staticmethod
    def _handle() -> Any:
        context = serve.get_replica_context()
        return serve.get_deployment_handle(context.deployment, context.app_name)

    async def _together(self) -> dict[str, Any]:
        """The sum of the figures of all replicas that answer: one that has just died must not break the page."""
        with contextlib.suppress(RayError, RayServeException, TimeoutError):
            answers = self._handle().broadcast("figures")
            answered = await answers.results_async(timeout_s=_ANSWER_S, return_exceptions=True)
            if figures := [one for one in answered if not isinstance(one, BaseException)]:
                return added(figures)
        return added([self.service.figures_json()])

    async def __del__(self) -> None:
        for task in getattr(self, "_tasks", ()):
            task.cancel()
        service = getattr(self, "service", None)
        if service is not None and service.served is not None:
            service.served.leave()
            await asyncio.to_thread(service.served.engine.stop, _STOP_S)
            self._usage.close()


class FirstTexts:
    """How late the first texts have been since the last call, by the engine's own histogram."""

    def __init__(self, metrics: EngineMetrics) -> None:
        self._metrics = metrics
        self._before: dict[float, float] = {}

    def late_ms(self) -> float:
        """The 95th percentile in milliseconds, as the upper edge of its bucket; 0 if there was no first text."""
        [family] = self._metrics.time_to_first_token_seconds.collect()
        counts = {
            float(sample.labels["le"]): sample.value
            for sample in family.samples
            if sample.name.endswith("_bucket")
        }
        before, self._before = self._before, counts
        risen = {edge: count - before.get(edge, 0.0) for edge, count in counts.items()}
        total = max(risen.values(), default=0.0)
        if not total:
            return 0.0
        edges = sorted(risen)
        found = next(edge for edge in edges if risen[edge] >= 0.95 * total)
        return 1e3 * min(found, edges[-2])


def added(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several replicas' figures as one: samples of the same name and labels are summed."""
    sums: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for one in figures:
        for name, samples in one["samples"].items():
            into = sums.setdefault(name, {})
            for labels, value in samples:
                key = tuple(sorted(labels.items()))
                into[key] = into.get(key, 0.0) + value
    return {
        "time": max(one["time"] for one in figures),
        "started": min(one["started"] for one in figures),
        "state": dict(figures[0]["state"]),
        "replicas": len(figures),
        "samples": {
            name: [[dict(key), value] for key, value in found.items()] for name, found in sums.items()
        },
    }
