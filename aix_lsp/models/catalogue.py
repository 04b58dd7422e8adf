"""The catalogue of fill-in-the-middle models (catalogue.toml), and where downloaded ones are in the hub's cache."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Literal

Form = Literal["gguf", "safetensors"]

EMBEDDED = Path(os.environ.get("AIX_LSP_EMBEDDED") or Path(__file__).parents[1] / "embedded")
"""The folder of the model "embedded". AIX_LSP_EMBEDDED names another one, for tests and packagers."""
SAFETENSORS_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""The files of a model in transformers' format: weights, tokenizer, configuration. No code, no pickles."""
REPEATED = ("original/*", "consolidated*", "*.gguf", "onnx/*")
"""The same weights again, in other layouts."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A model's licence; `limited` if it forbids ordinary work, such as any commercial use."""

    id: str
    name: str
    url: str
    terms: str
    limited: bool = False


@dataclass(frozen=True, slots=True)
class DownloadSource:
    """A repository on the Hugging Face hub; `file` is the pattern of the only file needed, if it is only one, and
    `more` are patterns of files needed besides those of SAFETENSORS_FILES."""

    repository: str
    gb: float
    """Approximate size of the download, in 10^9 bytes."""
    file: str = ""
    more: tuple[str, ...] = ()

    def wants(self, path: str) -> bool:
        """Whether a file of the repository is part of the model."""
        if self.file:
            return fnmatch(path.lower(), self.file)
        files = (*SAFETENSORS_FILES, *self.more)
        return any(fnmatch(path, p) for p in files) and not any(fnmatch(path, p) for p in REPEATED)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in the catalogue."""

    name: str
    """The value of the setting `model`."""
    family: str
    architecture: str
    """transformers' `model_type`."""
    billions: float
    """The number of weights."""
    context: int
    """In tokens."""
    licence: Licence
    safetensors: DownloadSource
    gguf: DownloadSource | None = None
    gated: bool = False
    """Whether the hub requires users to accept its licence first."""
    active_billions: float = 0.0
    """Weights used per token, if not all of them."""

    @property
    def active(self) -> float:
        """Billions of weights used per token."""
        return self.active_billions or self.billions

    def source(self, form: Form | None = None) -> DownloadSource:
        """Where to download it from: by default, the smaller form. Raises KeyError if there is no such form."""
        if form == "gguf" and self.gguf is None:
            raise KeyError(form)
        return self.gguf if self.gguf is not None and form != "safetensors" else self.safetensors


@cache
def entries() -> tuple[Entry, ...]:
    """All entries, in the file's order."""
    table = tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text("utf-8"))
    licences = {one["id"]: Licence(**one) for one in table["licence"]}
    return tuple(
        Entry(
            **model
            | {"licence": licences[model["licence"]]}
            | {form: DownloadSource(**model[form]) for form in ("safetensors", "gguf") if form in model}
        )
        for model in table["model"]
    )


def find(name: str) -> Entry | None:
    """The entry with a name, ignoring case; None if there is none."""
    return next((entry for entry in entries() if entry.name == name.lower()), None)


def hub_cache() -> Path:
    """huggingface_hub's cache folder, determined without importing it."""
    home = os.environ.get("HF_HOME") or str(
        Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def repository_folder(repository: str) -> Path:
    """The folder of a repository in the hub's cache; it need not exist."""
    return hub_cache() / f"models--{repository.replace('/', '--')}"


def downloaded(entry: Entry) -> Path | None:
    """The folder or GGUF file of a model that is completely in the hub's cache; otherwise None."""
    for source in filter(None, (entry.gguf, entry.safetensors)):
        for snapshot in snapshots(source.repository):
            try:
                found = sorted(snapshot.iterdir())
            except OSError:
                continue
            files = [file for file in found if source.wants(file.name) and file.is_file()]
            if source.file and files:
                return files[0]
            if not source.file and is_whole(snapshot):
                return snapshot
    return None


def is_whole(snapshot: Path) -> bool:
    """Whether a folder has everything that transformers needs: the configuration and all shards of the weights."""
    try:
        found = shards(snapshot)
    except ValueError:
        return False
    return bool(found) and all((snapshot / name).is_file() for name in {"config.json", *found})


def shards(folder: Path) -> set[str]:
    """The names of the weights' files: those of the index, if there is one. Raises ValueError if it is damaged."""
    from aix_lsp.files import read_json

    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return {file.name for file in folder.glob("*.safetensors")}
    try:
        return set(map(str, read_json(index, 64 << 20)["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{index} is damaged") from error


def snapshots(repository: str) -> list[Path]:
    """The snapshots of a repository in the hub's cache; the one that `main` was last known to be comes first."""
    from aix_lsp.files import read_text

    folder = repository_folder(repository)
    try:
        main = read_text(folder / "refs" / "main", 4096).strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    return sorted(
        (one for one in folder.glob("snapshots/*") if one.is_dir()), key=lambda one: one.name != main
    )
