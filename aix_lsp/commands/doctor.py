"""`aix-lsp doctor`: checks the installation and its speed, and explains how to fix problems."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import click

from aix_lsp import logs
from aix_lsp.backends.base import Backend, BackendError, Delta, GenerateRequest, Usage
from aix_lsp.backends.launch import LocalEngine, connect
from aix_lsp.backends.status import wait_until_ready
from aix_lsp.cli import resolved
from aix_lsp.commands import checks
from aix_lsp.commands.checks import Finding
from aix_lsp.commands.printers import ProgressLine
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.settings import Problem, Settings

_READY_S = 300.0
_REMOTE_S = 30.0
_SAMPLE = FimPrompt(
    prefix="def read_lines(path):\n    with open(path) as file:\n        return [line.strip() for line in ",
    suffix="]\n\n\nprint(read_lines('a.txt'))\n",
    path="sample.py",
    language="python",
)


@click.command("doctor")
@click.option("--model", help='Check this model instead: a folder, a Hugging Face id, or "embedded".')
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting; repeatable.")
def command(model: str | None, assignments: tuple[str, ...]) -> None:
    """Check Python, torch, memory, sockets, the engine and a real completion, and say how to fix what is wrong.

    The exit status is 0 if there is nothing to fix.
    """
    logs.configure("error")
    settings, problems = resolved(Path.cwd(), assignments, model)
    troubles = fatal = 0
    for finding in _before(settings, problems):
        _print_finding(finding)
        troubles += bool(finding.remedy)
        fatal += finding.fatal
    if fatal:
        click.echo("The engine is not started until these are fixed.")
    else:
        troubles += asyncio.run(_try(settings))
    raise click.exceptions.Exit(1 if troubles else 0)


def _before(settings: Settings, problems: list[Problem]) -> Iterator[Finding]:
    yield checks.python()
    yield checks.package()
    yield from checks.settings_files(problems)
    yield from checks.folders()
    yield checks.memory()
    if not settings.url:
        yield checks.model(settings)
        yield checks.torch()
    yield from checks.editors()


async def _try(settings: Settings) -> int:
    """Use the backend as a server would; returns the number of problems."""
    backend, progress = connect(settings), ProgressLine()
    began = time.perf_counter()
    try:
        info = await wait_until_ready(backend, _REMOTE_S if settings.url else _READY_S, progress.show)
        progress.clear()
        waited = time.perf_counter() - began
        where = f"process {backend.pid}" if isinstance(backend, LocalEngine) else "remote"
        fim = (
            info.family or "family unknown"
            if info.fim
            else "no fill-in-the-middle: uses only the text before the cursor"
        )
        detail = f"{info.name} ({fim}) on {info.device or 'its server'} {info.dtype}".rstrip()
        _print_finding(Finding("engine", f"{detail}, {where}, ready in {waited:.1f} s"))
        if info.running:
            _print_finding(Finding("runs as", info.running))
        async for finding in _complete(backend):
            _print_finding(finding)
    except BackendError as error:
        progress.clear()
        _print_finding(Finding("engine", str(error), "`aix-lsp settings --where` names the file to change."))
        return 1
    finally:
        await backend.close()
    return 0


async def _complete(backend: Backend) -> AsyncIterator[Finding]:
    """Complete a small sample twice: the second time shows what the cached prompt saves."""
    for turn in ("first", "again"):
        began, first, text, usage = time.perf_counter(), 0.0, "", Usage()
        async with aclosing(backend.generate(GenerateRequest(_SAMPLE, max_tokens=16))) as events:
            async for event in events:
                if isinstance(event, Usage):
                    usage = event
                elif isinstance(event, Delta) and event.text:
                    first = first or time.perf_counter() - began
                    text += event.text
        total = (time.perf_counter() - began) * 1000
        kept = f"{usage.cached_tokens} of {usage.prompt_tokens} prompt tokens cached"
        yield Finding(
            "completion",
            f"{turn}: {text[:60]!r}, first text after {first * 1000:.0f} ms, all after {total:.0f} ms, {kept}",
        )


def _print_finding(finding: Finding) -> None:
    mark = click.style("ok", fg="green") if not finding.remedy else click.style("!!", fg="red", bold=True)
    click.echo(f"{mark} {finding.subject:<11} {logs.printable(finding.found)}")
    if finding.remedy:
        click.echo(f"   {'':<11} → {logs.printable(finding.remedy)}")
