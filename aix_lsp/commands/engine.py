"""`aix-lsp engine`: the process that holds the model. Turns flags into the engine's own options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from aix_lsp.cli import placed
from aix_lsp.settings.table import Settings

_DEFAULT = Settings()


@click.command("engine")
@click.option("--model", default=_DEFAULT.model, show_default=True, help="A folder or a Hugging Face id.")
@click.option(
    "--device", default="auto", type=click.Choice(["auto", "cpu", "cuda", "mps"]), show_default=True
)
@click.option(
    "--dtype",
    default="auto",
    type=click.Choice(["auto", "float32", "bfloat16", "float16", "int8"]),
    show_default=True,
)
@click.option("--threads", default=0, type=click.IntRange(0), help="CPU threads; 0 chooses by measuring.")
@click.option("--kv-memory-mb", default=0, type=click.IntRange(0), help="MiB for cached prompts; 0 chooses.")
@click.option("--trust-remote-code", is_flag=True, help="Let a model's own Python code run.")
@click.option("--offline", is_flag=True, help="Never look for a model on the network.")
@click.option("--fim-family", default="", help="Prompt template family; empty detects it.")
@click.option(
    "--idle-exit-s",
    type=click.FloatRange(0),
    help="Leave after so many seconds without clients; 0 never. "
    "With --uds --lock, as a server starts it: 600; by hand: 0.",
)
@click.option(
    "--step-limit-s",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Give up a step of the model that takes longer; where it cannot be ended, leave with status 70. 0 never.",
)
@click.option("--uds", default="", help="Listen on this Unix socket.")
@click.option("--host", default="", help="Listen on this address.")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Listen on this port; 0 takes a free one."
)
@click.option("--token-file", default="", help="File whose content clients must present.")
@click.option("--lock", default="", help="Run only if no other engine holds this lock (else status 75).")
@click.option(
    "--log-file", type=click.Path(dir_okay=False, path_type=Path), help="Log here, not to standard error."
)
@click.option("-v", "--verbose", is_flag=True, help="Log everything.")
def command(log_file: Path | None, verbose: bool, **options: Any) -> None:
    """Run the process that holds the model.

    Servers start it by themselves. Run it by hand to share one model among several machines or people:
    aix-lsp engine --host 0.0.0.0 --port 8080 --token-file token
    """
    options["model"] = placed(options["model"])
    listen = _listen(options)
    from aix_lsp import logs
    from aix_lsp.engine.options import EngineOptions
    from aix_lsp.engine.process import run

    logs.configure("debug" if verbose else "info", log_file)
    if log_file is not None:
        logs.add_errors_on_stderr()
    sys.exit(run(EngineOptions(**options), listen))


def _listen(options: dict[str, Any]) -> Any:
    from aix_lsp.engine.options import Listen

    uds, host = options.pop("uds"), options.pop("host")
    if uds and host:
        raise click.UsageError("--uds and --host exclude one another.")
    lock, idle = options.pop("lock"), options.pop("idle_exit_s")
    if idle is None:
        idle = _DEFAULT.idle_exit_s if lock else 0.0
    port, token_file = options.pop("port"), options.pop("token_file")
    if not uds and not host:
        if port or sys.platform == "win32":
            host = "127.0.0.1"
        else:
            from aix_lsp.paths import socket_path

            uds = str(socket_path("engine.sock"))
    return Listen(uds, host, port, token_file, lock, idle, options.pop("step_limit_s"))
