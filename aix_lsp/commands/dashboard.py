"""`aix-lsp dashboard`: the local engine's metrics in a browser, live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from aix_lsp.settings import Settings


@click.command("dashboard")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Port on loopback; 0 picks a free one."
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting; repeatable.")
def command(port: int, no_browser: bool, assignments: tuple[str, ...]) -> None:
    """Show the local engine's metrics in a browser, until interrupted.

    Suggestions per second, latency, the KV pool, the queue, reuse and failures. A team server has the same page at
    its own address.
    """
    from aix_lsp.cli import effective

    settings = effective(Path.cwd(), assignments)
    if settings.url:
        raise click.ClickException(
            f"the engine is the server {settings.url}; its dashboard is at that address"
        )

    def opened(address: str) -> None:
        click.echo(address)
        if not no_browser:
            click.launch(address)

    try:
        asyncio.run(_serve(settings, port, opened))
    except OSError as error:
        raise click.ClickException(f"--port {port} cannot be used: {error}") from None


async def _serve(settings: Settings, port: int, opened: Callable[[str], None]) -> None:
    """Serve the page, with the current metrics of these settings' engine whenever the page asks."""
    from aix_lsp.backends.base import BackendError
    from aix_lsp.backends.client import HttpClient
    from aix_lsp.backends.engine_endpoint import engine_endpoint
    from aix_lsp.serve.dashboard import serve

    endpoint = await asyncio.to_thread(engine_endpoint, settings)
    client = HttpClient(endpoint.address, endpoint.token)
    url = endpoint.address.at("/aix/status")

    async def figures() -> Any:
        try:
            return await client.get(url)
        except BackendError as error:
            raise OSError(
                f"no engine is running for these settings; an editor or `aix-lsp complete` starts it ({error})"
            ) from error

    try:
        await serve(figures, port, opened)
    finally:
        await client.close()
