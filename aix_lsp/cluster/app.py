"""The application for Ray Serve: for `aix-lsp cluster`, and for `serve deploy` with the files in deploy/."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from msgspec import Struct, ValidationError, convert, to_builtins
from ray import serve
from ray.serve import Application

from aix_lsp.cluster.replica import Replica
from aix_lsp.engine.options import EngineOptions
from aix_lsp.serve.worker import ServeError, ServeOptions

_IN_FLIGHT = 64
"""Requests that a replica accepts at a time: the engine orders them better than a queue in front of it could."""


class Scaling(Struct, frozen=True, forbid_unknown_fields=True):
    """How many replicas there are, and when there are to be more or fewer. Times are in seconds."""

    least: int = 1
    most: int = 1
    in_flight: float = 4.0
    """Requests in flight per replica, on average, that scaling aims at."""
    first_text_ms: float = 300.0
    up_after_s: float = 5.0
    down_after_s: float = 60.0
    look_back_s: float = 15.0


class Arguments(Struct, frozen=True, forbid_unknown_fields=True):
    """The `args` of an application in a file for `serve deploy`."""

    serve: ServeOptions
    engine: dict[str, Any] = {}
    scaling: Scaling = Scaling()
    cpus: float = 1.0
    """CPUs of the cluster that each replica takes; the engine should get as many `threads`."""
    gpus: float = 0.0


def build(args: dict[str, Any]) -> Application:
    """The application for files for `serve deploy`, in which it is `import_path: aix_lsp.cluster.app:build`."""
    try:
        arguments = convert(args, Arguments)
        engine = asdict(EngineOptions(**arguments.engine))
    except (ValidationError, TypeError) as error:
        raise ServeError(f"the application's args are invalid: {error}") from error
    return application(arguments, engine)


def application(arguments: Arguments, engine: dict[str, Any], generation: int = 0) -> Application:
    """The deployment of one model. If it is redeployed with another `generation`, replicas are replaced one by one."""
    scaling = arguments.scaling
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name="Replica",
        max_ongoing_requests=_IN_FLIGHT,
        max_constructor_retry_count=1,
        graceful_shutdown_timeout_s=arguments.serve.drain_s,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=2.0,
        health_check_timeout_s=30.0,
        ray_actor_options={"num_cpus": arguments.cpus, "num_gpus": arguments.gpus},
        **_routing(),
        **_replicas(scaling),
    )
    return deployment.bind(to_builtins(arguments.serve), engine, generation)


def _routing() -> dict[str, Any]:
    """The options that choose our router. Only Ray's own proxy takes one; HAProxy routes by itself (`run.prepare`)."""
    if os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1":
        return {}
    return {"request_router_config": {"request_router_class": "aix_lsp.cluster.routing:AffinityRouter"}}


def _replicas(scaling: Scaling) -> dict[str, Any]:
    if scaling.most <= scaling.least:
        return {"num_replicas": scaling.least}
    return {
        "autoscaling_config": {
            "min_replicas": scaling.least,
            "max_replicas": scaling.most,
            "target_ongoing_requests": scaling.in_flight,
            "upscale_delay_s": scaling.up_after_s,
            "downscale_delay_s": scaling.down_after_s,
            "look_back_period_s": scaling.look_back_s,
            "policy": {
                "policy_function": "aix_lsp.cluster.scaling:QueueAndFirstText",
                "policy_kwargs": {"first_text_ms": scaling.first_text_ms},
            },
        }
    }
