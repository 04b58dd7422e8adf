"""The commands behind editors' model pickers: listing the models, and downloading one.

Each runs as a child process, because reading GGUF files and talking to the hub need libraries that the server does
not load.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from pygls.exceptions import JsonRpcException

from aix_lsp import processes
from aix_lsp.lsp.jsonrpc import INVALID_PARAMS, INVALID_REQUEST, REQUEST_FAILED
from aix_lsp.lsp.session import Session
from aix_lsp.lsp.status import Status
from aix_lsp.models import catalogue

_LONGEST_LINE = 4 << 20
_LISTING_S = 60.0


async def models(session: Session, arguments: list[Any]) -> dict[str, Any]:
    """`[]`: answers `{current, choices}`. A choice has `model` (the setting's value), `label` and `about`, and if it
    must be downloaded first, `get` (its name), `gb` and `licence`.
    """
    configured = session.services.get("")
    current = configured.settings.model if configured is not None else "embedded"
    try:
        async with asyncio.timeout(_LISTING_S):
            lines = [line async for line in _lines("models", "--choices")]
    except TimeoutError:
        raise JsonRpcException(
            "listing the models took too long; run `aix-lsp models`", REQUEST_FAILED
        ) from None
    return {"current": current, "choices": lines[-1] if lines else []}


async def get_model(session: Session, arguments: list[Any]) -> dict[str, Any]:
    """`[{name, agreed}]`: download a model of the catalogue; `agreed` says that the user has seen its licence and size
    and has agreed. Answers `{model}` when it has been downloaded.
    """
    if not session.trusts_client:
        raise JsonRpcException("a session without a token may not download models", INVALID_REQUEST)
    asked = arguments[0] if arguments and isinstance(arguments[0], Mapping) else {}
    name = asked.get("name")
    entry = catalogue.find(name) if isinstance(name, str) else None
    if entry is None:
        raise JsonRpcException("expected {name, agreed} of a model in the catalogue", INVALID_PARAMS)
    if asked.get("agreed") is not True:
        raise JsonRpcException(
            f"{entry.name} is under the {entry.licence.name}, {entry.licence.url}: ask the user first",
            INVALID_REQUEST,
        )
    if session.download is not None:
        raise JsonRpcException("another model is being downloaded", INVALID_REQUEST)
    session.download = asyncio.create_task(_get(session, entry.name))
    try:
        await session.download
    except asyncio.CancelledError:
        own = asyncio.current_task()
        if own is not None and own.cancelling():
            raise
        raise JsonRpcException(
            f"the download of {entry.name} was stopped; downloading it again resumes from there",
            REQUEST_FAILED,
        ) from None
    finally:
        session.download = None
    return {"model": entry.name}


async def _get(session: Session, name: str) -> None:
    progress = session.status.downloading
    try:
        async with aclosing(_lines("models", "get", name, "--yes", "--json")) as lines:
            async for report in lines:
                if "error" in report:
                    raise JsonRpcException(report["error"], REQUEST_FAILED)
                if "total" in report and session.status.shows_progress:
                    share = report["done"] / max(1, report["total"])
                    progress.follow(Status("loading", f"downloading {name}", share))
    finally:
        progress.end()


async def _lines(*arguments: str) -> AsyncGenerator[Any, None]:
    """The JSON lines that one of our commands prints; it ends with the caller. Raises JsonRpcException if it fails."""
    try:
        process = await processes.start_async("aix_lsp", *arguments, limit=_LONGEST_LINE)
    except OSError as error:
        raise JsonRpcException(f"cannot start `aix-lsp models`: {error}", REQUEST_FAILED) from None
    assert process.stdin and process.stdout and process.stderr
    process.stdin.close()
    complaints = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            yield json.loads(line)
        said = (await complaints).decode("utf-8", "replace").strip()
        if await process.wait() and said:
            raise JsonRpcException(said.splitlines()[-1].removeprefix("Error: "), REQUEST_FAILED)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        complaints.cancel()
        await process.wait()
