"""Finds a model on the Hugging Face hub, or its local copy. Knows files by pattern only.

Imported only for a hub id, since its library takes a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]

from aix_lsp.engine.options import EngineOptions, ModelError, Progress
from aix_lsp.models import catalogue

_REPEATED = list(catalogue.REPEATED)


def from_hub(name: str, options: EngineOptions, progress: Progress, complete: Callable[[Path], bool]) -> Path:
    """The folder of a model by its hub id, downloaded unless a local copy is `complete`. Raises ModelError."""
    patterns = [*catalogue.SAFETENSORS_FILES, *(["*.py"] if options.trust_remote_code else [])]
    try:
        # A complete copy is used as it is: starting must not send requests to the network.
        folder = Path(
            snapshot_download(name, allow_patterns=patterns, ignore_patterns=_REPEATED, local_files_only=True)
        )
        if options.offline or complete(folder):
            return folder
    except LocalEntryNotFoundError as error:
        if options.offline:
            raise ModelError(
                f"there is no local copy of {name}, and offline is set; unset offline once, or download it "
                f"beforehand with `hf download {name}`"
            ) from error
    return _download(name, patterns, progress)


def _download(name: str, patterns: list[str], progress: Progress) -> Path:
    try:
        return Path(
            snapshot_download(
                name,
                allow_patterns=patterns,
                ignore_patterns=_REPEATED,
                tqdm_class=_reporting(progress),
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{name} requires you to accept its licence: do so on huggingface.co/{name}, then run "
            "`hf auth login`, or change the setting model"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no model {name} on the Hugging Face hub (or it is private: `hf auth login`); "
            "change the setting model"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"cannot download {name} ({_first_line(error)}); check the network, download it beforehand with "
            f"`hf download {name}`, or set model to a local folder or to embedded"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _reporting(progress: Progress) -> type[Any]:
    """A tqdm class that passes the share of downloaded bytes to `progress` instead of drawing bars."""

    class Reporting(tqdm):  # type: ignore[misc,unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": False, "file": _Nowhere()})

        def display(self, *args: Any, **kwargs: Any) -> None:
            if self.unit == "B" and self.total:
                progress("download", min(1.0, self.n / self.total))

    return Reporting


class _Nowhere:
    """A file that discards what is written to it."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass
