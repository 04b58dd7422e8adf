"""Explains a failed download to the user, in one line that says how to fix it."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError


class DownloadError(Exception):
    """A model cannot be downloaded. The message is one line for the user, and says how to fix it."""


FULL = (errno.ENOSPC, errno.EDQUOT)


def status_of(error: Exception) -> int:
    """The HTTP status that an error is about, or 0."""
    answer = getattr(error, "response", None)
    return int(getattr(answer, "status_code", 0) or 0)


def retry_after(error: Exception) -> float:
    """Seconds that the server asks to wait before trying again."""
    answer = getattr(error, "response", None)
    said = answer.headers.get("Retry-After", "") if answer is not None else ""
    return float(said) if re.fullmatch(r"[0-9]{1,9}", said) else 1.0


def explained(error: Exception, repository: str) -> DownloadError:
    """What an error means for the user, and how to fix it."""
    endpoint, status = constants.ENDPOINT, status_of(error)
    if isinstance(error, DownloadError):
        return error
    if isinstance(error, OfflineModeIsEnabled):
        return DownloadError("HF_HUB_OFFLINE is set, so nothing is downloaded: unset it and try again")
    if isinstance(error, GatedRepoError):
        return DownloadError(
            f"{repository} requires you to accept its licence: do so on {endpoint}/{repository}, then run "
            "`hf auth login` (or set HF_TOKEN) with a token of that account, and try again"
        )
    if status == 401 and "Invalid credentials" in str(error):
        return DownloadError(
            "the hub does not accept your token: run `hf auth login` again, or unset HF_TOKEN"
        )
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return DownloadError(
            f"{endpoint} has no {repository}, or shows it only to those who are signed in: run `hf auth login`, or "
            "check HF_ENDPOINT"
        )
    if status in (401, 403):
        return DownloadError(
            f"{endpoint} refuses {repository} ({status}): check that your token (`hf auth whoami`) may read it"
        )
    if status == 429:
        return DownloadError(
            f"{endpoint} received too many requests from here: try again in "
            f"{retry_after(error):.0f} s; the download resumes where it stopped"
        )
    if status >= 500:
        return DownloadError(
            f"{endpoint} fails ({status}): try again later; the download resumes where it stopped"
        )
    return DownloadError(_unreachable(error, endpoint))


def _unreachable(error: Exception, endpoint: str) -> str:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    proxy = next(
        filter(None, map(os.environ.get, ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"))), ""
    )
    if "Proxy" in type(error).__name__ or (proxy and "onnect" in type(error).__name__):
        return (
            f"the proxy {_without_password(proxy)} refuses or does not respond ({reason}): check HTTPS_PROXY"
        )
    return (
        f"cannot reach {endpoint} ({reason}): check the network, set HTTPS_PROXY where there is a proxy, or copy the "
        "model's folder here from another computer and set model to it; a download resumes where it stopped"
    )


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


def disk_error(error: OSError, folder: Path, missing: int) -> DownloadError:
    """An error for the case that `missing` bytes cannot be written to `folder`."""
    if error.errno in FULL:
        try:
            free = f"{shutil.disk_usage(folder).free / 1e9:.1f} GB are free there"
        except OSError:
            free = "it is full"
        return DownloadError(
            f"the disk of {folder.parent} has too little space: {missing / 1e9:.1f} GB are needed, {free}; free some, "
            "or set HF_HOME to a folder on another disk; the download resumes where it stopped"
        )
    return DownloadError(
        f"cannot write to {folder} ({error.strerror or error}): fix it, or set HF_HOME to another folder"
    )
