"""Finds GGUF files downloaded by other programs: Ollama, LM Studio, llama.cpp, the Hugging Face hub's tools.

Reads their folders and the files' headers; loads nothing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aix_lsp.files import read_json
from aix_lsp.fim.templates import detect

_MANIFEST = 1 << 20
_OLLAMA_MODEL = "application/vnd.ollama.image.model"
_OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where it is when Ollama runs as a service of its own user, as its installer for Linux sets it up."""
_LATER_PART = re.compile(r"-(?!0*1-)\d+-of-\d+$")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A GGUF file in another program's store."""

    path: Path
    name: str
    """The name that its users know."""
    store: str


def find_files(hub: Path) -> Iterator[StoredFile]:
    """Every GGUF file in the known stores, each once; `hub` is the Hugging Face hub's cache."""
    seen: set[Path] = set()
    for found in (*_ollama(), *_lm_studio(), *_llama_cpp(), *_hub(hub)):
        real = found.path.resolve()
        if real not in seen:
            seen.add(real)
            yield found


def describe(file: StoredFile) -> dict[str, object]:
    """What `aix-lsp models` says about a file: `family` is empty if the model has no fill-in-the-middle tokens,
    `trouble` is why it cannot be used.
    """
    from aix_lsp.gguf.configuration import configuration
    from aix_lsp.gguf.header import GgufError, read_header
    from aix_lsp.gguf.tokenizer import special_names

    description: dict[str, object] = {
        "id": str(file.path),
        "name": file.name,
        "store": file.store,
        "family": "",
    }
    try:
        header = read_header(file.path)
        description["bytes"] = sum(tensor.nbytes for tensor in header.tensors.values())
        description["parameters"] = sum(tensor.parameters for tensor in header.tensors.values())
        template = detect(special_names(header), file.name)
        description["family"] = template.name if template else ""
        configuration(header)
    except GgufError as error:
        description["trouble"] = str(error)
    except OSError as error:
        description["trouble"] = error.strerror or str(error)
    return description


def _ollama() -> Iterator[StoredFile]:
    if moved := os.environ.get("OLLAMA_MODELS"):
        yield from _ollama_in(Path(moved))
        return
    yield from _ollama_in(Path.home() / ".ollama" / "models")
    yield from _ollama_in(_OLLAMA_SERVICE)


def _ollama_in(root: Path) -> Iterator[StoredFile]:
    """Ollama's manifests name the blob of each model and tag by its digest."""
    manifests = root / "manifests"
    for manifest in _files(manifests, "*"):
        try:
            layers = read_json(manifest, _MANIFEST)["layers"]
            digests = [layer["digest"] for layer in layers if layer["mediaType"] == _OLLAMA_MODEL]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        parts = manifest.relative_to(manifests).parts[1:] or (manifest.name,)
        name = "/".join(parts[:-1]).removeprefix("library/")
        for digest in digests:
            blob = root / "blobs" / str(digest).replace(":", "-")
            if blob.is_file():
                yield StoredFile(blob, f"{name}:{parts[-1]}" if name else parts[-1], "Ollama")


def _lm_studio() -> Iterator[StoredFile]:
    for root in (Path.home() / ".lmstudio" / "models", Path.home() / ".cache" / "lm-studio" / "models"):
        yield from _plain(root, "LM Studio")


def _llama_cpp() -> Iterator[StoredFile]:
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    yield from _plain(Path(os.environ.get("LLAMA_CACHE") or caches / "llama.cpp"), "llama.cpp")


def _hub(hub: Path) -> Iterator[StoredFile]:
    for folder in sorted(hub.glob("models--*")):
        name = folder.name.removeprefix("models--").replace("--", "/")
        for file in _files(folder / "snapshots", "*.gguf"):
            if not _LATER_PART.search(file.stem):
                yield StoredFile(file, f"{name}/{file.stem}", "Hugging Face")


def _plain(root: Path, store: str) -> Iterator[StoredFile]:
    for file in _files(root, "*.gguf"):
        if not _LATER_PART.search(file.stem) and "mmproj" not in file.name:
            yield StoredFile(file, file.stem, store)


def _files(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in root.rglob(pattern) if path.is_file())
    except OSError:
        return []
