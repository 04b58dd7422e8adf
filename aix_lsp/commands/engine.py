"""`aix-lsp engine`: the process that holds the model. Its flags come from the table of settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from aix_lsp.commands.serve import chosen_engine
from aix_lsp.settings.flags import engine_flags


@click.command("engine")
@engine_flags
@click.option(
    "--step-limit-s",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Abort a model step that takes longer than this (s); if that fails, exit with status 70. 0 disables it.",
)
@click.option("--uds", default="", help="Listen on this Unix socket.")
@click.option("--host", default="", help="Listen on this address.")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Listen on this port; 0 picks a free one."
)
@click.option("--token-file", default="", help="File with the token that clients must present.")
@click.option("--lock", default="", help="Exit with status 75 if another engine holds this lock.")
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Log to this file instead of standard error.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log everything.")
@click.pass_context
def command(
    context: click.Context,
    /,
    log_file: Path | None,
    verbose: bool,
    uds: str,
    host: str,
    port: int,
    token_file: str,
    lock: str,
    step_limit_s: float,
    **values: Any,
) -> None:
    """Run the process that holds the model.

    Language servers start it themselves (with --lock). Run it by hand to share one model among several machines or
    people; it then keeps running, unless --idle-exit-s is given.

    \b
    aix-lsp engine --host 0.0.0.0 --port 8080 --token-file token
    """
    if not lock and context.get_parameter_source("idle_exit_s") is ParameterSource.DEFAULT:
        values["idle_exit_s"] = 0.0
    options = chosen_engine(values)
    uds, host = _address(uds, host, port)
    from aix_lsp import logs
    from aix_lsp.engine.options import Listen
    from aix_lsp.engine.process import run

    logs.configure("debug" if verbose else "info", log_file)
    if log_file is not None:
        logs.add_errors_on_stderr()
    sys.exit(run(options, Listen(uds, host, port, token_file, lock, options.idle_exit_s, step_limit_s)))


def _address(uds: str, host: str, port: int) -> tuple[str, str]:
    """The Unix socket or the host to listen on."""
    if uds and host:
        raise click.UsageError("--uds and --host are mutually exclusive.")
    if uds or host:
        return uds, host
    if port or sys.platform == "win32":
        return "", "127.0.0.1"
    from aix_lsp.paths import socket_path

    return str(socket_path("engine.sock")), ""
