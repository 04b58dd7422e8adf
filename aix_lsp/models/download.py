"""Downloads a model into the Hugging Face hub's cache; resumable, and verified.

huggingface_hub finds the files and talks to the hub (HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY). Its own download cannot
resume in another process and checks no digests, so files are fetched here, into the layout that it documents for its
cache.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import (  # type: ignore[attr-defined,unused-ignore]
    WeakFileLock,
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

from aix_lsp.files import is_regular, remove
from aix_lsp.models.catalogue import DownloadSource, repository_folder
from aix_lsp.models.failures import FULL, DownloadError, disk_error, explained, retry_after, status_of

Progress = Callable[[int, int], None]
"""Called with the number of bytes downloaded so far, and in total."""

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
_TRIES = 5
"""Successive connections that may bring no new data."""
_LONGEST_WAIT_S = 60.0
"""The longest wait that is accepted from a server."""
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TransportError: type[Exception] = HfHubHTTPError.__mro__[1]
"""The base exception of the HTTP library that huggingface_hub uses, whichever that is."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in a repository; `digest` is its SHA-256 or, for a small file, git's SHA-1."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Download:
    """The files to fetch from a repository at one commit."""

    source: DownloadSource
    commit: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def missing(self) -> int:
        """The number of bytes not downloaded yet."""
        return sum(file.size - _here(self.folder, file) for file in self.files)

    @property
    def folder(self) -> Path:
        """The repository's folder in the cache."""
        return repository_folder(self.source.repository)

    @property
    def snapshot(self) -> Path:
        """The folder with the files under their own names."""
        return self.folder / "snapshots" / self.commit


def look_up(source: DownloadSource) -> Download:
    """Ask the hub for a model's files. Raises DownloadError."""
    try:
        described = HfApi().model_info(source.repository, files_metadata=True, timeout=_TIMEOUT_S)
        files = [_file(one) for one in described.siblings or () if source.wants(one.rfilename)]
    except Exception as error:  # whatever a mirror answers
        raise explained(error, source.repository) from error
    weights = [file for file in files if file.path.endswith((".safetensors", ".gguf"))]
    commit = str(described.sha)
    if not weights or not _DIGEST.fullmatch(commit):
        raise DownloadError(
            f"{source.repository} has no {source.file or '*.safetensors'}; choose another model or form (--form)"
        )
    return Download(source, commit, tuple(weights[:1] if source.file else files))


def fetch(download: Download, progress: Progress) -> Path:
    """Fetch what is missing, and return the model's folder or its GGUF file. Raises DownloadError."""
    folder = download.folder
    try:
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        download.snapshot.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < download.missing:
            raise OSError(errno.ENOSPC, "too little room")
        with WeakFileLock(folder / "blobs" / "aix-lsp.lock"):
            before = 0
            for file in download.files:

                def told(done: int, before: int = before) -> None:
                    progress(before + done, download.size)

                _fetch_file(download, file, told)
                before += file.size
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(download.commit, "utf-8")
    except OSError as error:
        raise disk_error(error, folder, download.missing) from error
    if download.source.file:
        return download.snapshot / download.files[0].path
    return download.snapshot


def _file(described: Any) -> File:
    """A file as described by the hub. Raises DownloadError if the answer cannot be trusted."""
    lfs = described.lfs
    digest = str((lfs.sha256 if lfs is not None else None) or described.blob_id or "")
    path = PurePosixPath(described.rfilename)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in described.rfilename
        or not _DIGEST.fullmatch(digest)
    ):
        raise DownloadError(f"the hub's answer is invalid (file {described.rfilename!r}); check HF_ENDPOINT")
    return File(described.rfilename, int(described.size or 0), digest)


def _here(folder: Path, file: File) -> int:
    for name in (file.digest, f"{file.digest}.incomplete"):
        try:
            return min((folder / "blobs" / name).stat().st_size, file.size)
        except OSError:
            continue
    return 0


def _fetch_file(download: Download, file: File, progress: Callable[[int], None]) -> None:
    blob = download.folder / "blobs" / file.digest
    if not blob.exists():
        part = blob.with_name(f"{file.digest}.incomplete")
        if not is_regular(part):
            remove(part)  # a device would be read without end
        for again in (True, False):
            digest = _receive(download, file, part, progress)
            if digest == file.digest:
                break
            part.unlink()
            if not again:
                raise DownloadError(
                    f"{file.path} of {download.source.repository} does not match its digest on the hub; "
                    "something on the way changes it: try without the proxy (HTTPS_PROXY) or mirror (HF_ENDPOINT)"
                )
        part.replace(blob)
    progress(file.size)
    _link(blob, download.snapshot / file.path)


def _link(blob: Path, place: Path) -> None:
    """Make `place` refer to the blob as huggingface_hub does: as a link, or a copy if links are not supported."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        return
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(os.path.relpath(blob, place.parent))
    except OSError:
        try:
            place.hardlink_to(blob)
        except OSError:
            shutil.copyfile(blob, place)


def _receive(download: Download, file: File, part: Path, progress: Callable[[int], None]) -> str:
    """Append missing data to `part` until it is complete, and return its digest."""
    digest = hashlib.sha256() if len(file.digest) == 64 else hashlib.sha1(b"blob %d\0" % file.size)
    with part.open("a+b") as target:
        target.seek(0)
        while chunk := target.read(_CHUNK):
            digest.update(chunk)
        idle = 0
        while (done := target.tell()) < file.size:
            try:
                for chunk in _chunks(download, file, done):
                    target.write(chunk)
                    digest.update(chunk)
                    progress(target.tell())
                    if target.tell() > file.size:
                        return ""  # a server that sends without end
            except (_TransportError, OSError) as error:
                if isinstance(error, OSError) and error.errno in (*FULL, errno.EACCES):
                    raise
                idle = 0 if target.tell() > done else idle + 1
                wait = _wait(error, idle)
                if wait is None:
                    raise explained(error, download.source.repository) from error
                time.sleep(wait)
            else:
                idle = 0 if target.tell() > done else idle + 1
                if idle >= _TRIES:
                    raise DownloadError(f"the hub sends no data of {file.path}; try again later")
        if target.tell() > file.size:
            return ""
    return digest.hexdigest()


def _chunks(download: Download, file: File, start: int) -> Iterator[bytes]:
    """The bytes of a file from `start` on; fewer if the connection ends early."""
    url = hf_hub_url(download.source.repository, file.path, revision=download.commit)
    headers = {**build_hf_headers(), "Range": f"bytes={start}-", "Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as answer:
        hf_raise_for_status(answer)
        skip = start if answer.status_code == 200 else 0  # a server without ranges sends everything
        for chunk in answer.iter_raw():
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            yield chunk[skip:]
            skip = 0


def _wait(error: Exception, idle: int) -> float | None:
    """Seconds until the next attempt; None if another one is useless."""
    if idle >= _TRIES:
        return None
    status = status_of(error)
    if status == 429:
        asked = retry_after(error)
        return asked if asked <= _LONGEST_WAIT_S else None
    return None if 400 <= status < 500 else min(0.2 * 2**idle, 5.0)
