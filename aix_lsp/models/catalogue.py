"""The catalogue of fill-in-the-middle models (catalogue.toml), and where a downloaded one lies in the hub's cache."""

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
"""The folder of the model "embedded". AIX_LSP_EMBEDDED names another one, for tests and for packagers."""
SAFETENSORS_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What a model in transformers' format consists of: weights, tokenizer, configuration. No code, no pickles."""
REPEATED = ("original/*", "consolidated*", "*.gguf", "onnx/*")
"""The same weights a second time, in other layouts."""


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
    """A repository on the Hugging Face hub; `file` is the pattern of the one file that is needed, if it is one."""

    repository: str
    gb: float
    """To download, in 10^9 bytes, about."""
    file: str = ""

    def wants(self, path: str) -> bool:
        """Whether a file of the repository is part of the model."""
        if self.file:
            return fnmatch(path.lower(), self.file)
        return any(fnmatch(path, p) for p in SAFETENSORS_FILES) and not any(
            fnmatch(path, p) for p in REPEATED
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue."""

    name: str
    """The value of the setting `model`."""
    family: str
    architecture: str
    """transformers' `model_type`."""
    billions: float
    """Of weights."""
    context: int
    """Tokens."""
    licence: Licence
    safetensors: DownloadSource
    gguf: DownloadSource | None = None
    gated: bool = False
    """Whether the hub hands it out only to those who have accepted its licence there."""
    active_billions: float = 0.0
    """Weights that a token passes, where those are not all."""

    @property
    def active(self) -> float:
        """Billions of weights that a token passes."""
        return self.active_billions or self.billions

    def source(self, form: Form | None = None) -> DownloadSource:
        """Where it is downloaded from: the smaller form by default. KeyError where there is no such form."""
        if form == "gguf" and self.gguf is None:
            raise KeyError(form)
        return self.gguf if self.gguf is not None and form != "safetensors" else self.safetensors


@cache
def entries() -> tuple[Entry, ...]:
    """All of them, as they are in the file."""
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
    """The entry of a name, whatever its case; None where there is none."""
    return next((entry for entry in entries() if entry.name == name.lower()), None)


def hub_cache() -> Path:
    """Where huggingface_hub keeps models; found without importing it."""
    home = os.environ.get("HF_HOME") or str(
        Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def repository_folder(repository: str) -> Path:
    """The folder of a repository in the hub's cache, which may not exist."""
    return hub_cache() / f"models--{repository.replace('/', '--')}"


def downloaded(entry: Entry) -> Path | None:
    """The folder or GGUF file of a model that is in the hub's cache, whole; None where it is not."""
    for source in filter(None, (entry.gguf, entry.safetensors)):
        for snapshot in _snapshots(repository_folder(source.repository)):
            files = [
                file for file in sorted(snapshot.iterdir()) if source.wants(file.name) and file.is_file()
            ]
            if source.file and files:
                return files[0]
            if not source.file and is_whole(snapshot):
                return snapshot
    return None


def is_whole(snapshot: Path) -> bool:
    """Whether a folder has all that transformers needs of a model: configuration and all shards of the weights."""
    from aix_lsp.files import read_json

    index = snapshot / "model.safetensors.index.json"
    try:
        shards = set(read_json(index, 64 << 20)["weight_map"].values()) if index.is_file() else set()
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False
    found = shards or {file.name for file in snapshot.glob("*.safetensors")}
    return bool(found) and all((snapshot / name).is_file() for name in {"config.json", *map(str, found)})


def _snapshots(folder: Path) -> list[Path]:
    """The snapshots of a repository, the one that `main` was last known to be first."""
    try:
        main = (folder / "refs" / "main").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    return sorted(
        (one for one in folder.glob("snapshots/*") if one.is_dir()), key=lambda one: one.name != main
    )
