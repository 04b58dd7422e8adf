"""The one place that reads untrusted files: regular files only, bounded, without blocking. Replaces our own, too.

A file in a project may be a named pipe, or a link to a device, a terminal or a sparse file of a terabyte. Reading it
must not block, fill memory, or keep the program from exiting. The same may lie where we keep a file of ours.
"""

from __future__ import annotations

import codecs
import json
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

Result = TypeVar("Result")

TIME_LIMIT_S = 5.0
"""A file that takes longer to read is on a file system that hangs, or is written faster than it is read."""

_CHUNK = 1 << 20
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class Unreadable(OSError):
    """A path is not read: it is not a regular file, too large, or too slow. The message tells the user which."""


def read_bytes(path: Path | str, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes; links are followed.

    Raises Unreadable, or the system's OSError (FileNotFoundError, PermissionError, …). May block for as long as the
    file system hangs, so it must not be called on an event loop.
    """
    deadline = time.monotonic() + TIME_LIMIT_S
    try:
        _check(os.stat(path), limit)  # noqa: PTH116 - before it is opened, which has effects on some devices
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:  # a null byte in the name
        raise Unreadable(str(error)) from None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        _check(os.fstat(descriptor), limit)
        found = bytearray()
        while chunk := file.read(min(_CHUNK, limit + 1 - len(found))):
            found += chunk
            if len(found) > limit:
                raise Unreadable(_too_large(limit))
            if time.monotonic() > deadline:
                raise Unreadable(f"took longer than {TIME_LIMIT_S:g} s to read")
    return bytes(found)


def read_text(path: Path | str, limit: int, *, errors: str = "strict") -> str:
    """A file's text (UTF-8, or UTF-16 with a byte-order mark) of at most `limit` bytes.

    Raises the errors of `read_bytes`, and UnicodeDecodeError if `errors` is "strict".
    """
    return decoded(read_bytes(path, limit), errors)


def decoded(data: bytes, errors: str = "strict") -> str:
    """Decode text, without its byte-order mark: UTF-16 if that says so (as PowerShell's `>` writes), otherwise UTF-8.

    Raises UnicodeDecodeError if `errors` is "strict".
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors if errors in ("strict", "ignore") else "replace")
    return data.decode("utf-8-sig", errors)


def read_json(path: Path | str, limit: int) -> Any:
    """The content of a JSON file. Raises the errors of `read_bytes`, and ValueError if it is invalid or too deep."""
    try:
        return json.loads(read_text(path, limit))
    except RecursionError:
        raise ValueError("nests too deeply") from None


def is_regular(path: Path | str) -> bool:
    """Whether a path leads to a regular file; links are followed. Never raises."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - as above, for texts as well as paths
    except (OSError, ValueError):
        return False


def write_whole(path: Path, content: str) -> None:
    """Put a file of ours, for this user only, in the place of whatever lies there: whole, or not at all.

    Raises OSError.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        if path.is_dir():
            remove(path)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Delete whatever is called so; links are not followed. What cannot be deleted stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def on_thread(work: Callable[..., Result], *arguments: Any) -> asyncio.Future[Result]:
    """Run blocking work on a thread that does not keep the process from exiting, unlike those of `asyncio.to_thread`.

    Must be called and awaited on a running event loop; wrap it in `asyncio.timeout` if the work may hang.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = work(*arguments)
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            pass  # the loop has been closed meanwhile

    threading.Thread(target=run, name="reading", daemon=True).start()
    return future


def _check(info: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise Unreadable("is not a regular file")
    if info.st_size > limit:
        raise Unreadable(_too_large(limit))


def _too_large(limit: int) -> str:
    if limit >= 1 << 20:
        return f"is larger than {limit >> 20} MiB"
    return f"is larger than {limit >> 10} KiB" if limit >= 1 << 10 else f"is larger than {limit} bytes"
