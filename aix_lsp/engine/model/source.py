"""Resolves the setting `model` to a folder with the model's files: embedded, local, or downloaded. Knows no torch."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from aix_lsp.engine.options import EngineOptions, ModelError, Progress
from aix_lsp.files import is_regular
from aix_lsp.gguf.header import is_gguf
from aix_lsp.models import catalogue
from aix_lsp.models.catalogue import EMBEDDED
from aix_lsp.paths import folder_named

_LARGEST_TEXT = 256 << 20
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def find_folder(options: EngineOptions, progress: Progress) -> Path:
    """The folder with the model's files, downloaded if necessary. Raises ModelError."""
    name = options.model
    if name == "embedded":
        return embedded()
    if (entry := catalogue.find(name)) is not None:
        folder: Path | None = _from_catalogue(entry)
    else:
        folder = _folder(name)
    if folder is None:
        return _from_hub(name, options, progress)
    if folder.is_dir():
        return folder
    if folder.is_file():
        from aix_lsp.engine.model import gguf

        if folder.suffix != ".gguf" and not is_gguf(folder):
            raise ModelError(
                f"the setting model names the file {name}; name the folder that holds it, or a GGUF file"
            )
        return gguf.prepare(folder, name)
    raise _no_folder(name)


def _from_catalogue(entry: catalogue.Entry) -> Path:
    """The folder or GGUF file that `aix-lsp models get` downloaded; only that command asks about the licence. Raises
    ModelError."""
    place = catalogue.downloaded(entry)
    if place is None:
        raise ModelError(
            f"{entry.name} is not on this computer; download it with `aix-lsp models get {entry.name}`, or change the "
            "setting model"
        )
    return place


def _from_hub(name: str, options: EngineOptions, progress: Progress) -> Path:
    """The folder of a model by its hub id, downloaded unless there is a complete copy: starting must not send requests
    to the network. Raises ModelError."""
    for copy in catalogue.snapshots(name):
        if options.offline or catalogue.is_whole(copy):
            return copy
    if options.offline:
        raise ModelError(
            f"there is no local copy of {name}, and offline is set; unset offline once, or download it "
            f"beforehand with `hf download {name}`"
        )
    from aix_lsp.models.download import fetch, look_up  # the hub's library takes a quarter of a second
    from aix_lsp.models.failures import DownloadError

    source = catalogue.DownloadSource(name, gb=0.0, more=("*.py",) if options.trust_remote_code else ())
    try:
        return fetch(look_up(source), lambda done, total: progress("download", done / max(total, 1)))
    except DownloadError as error:
        raise ModelError(f"cannot download {name}: {error}; or change the setting model") from error


def embedded() -> Path:
    """The folder of the embedded model, converted first if it is a GGUF file. Raises ModelError."""
    file = EMBEDDED / "model.gguf"
    if not file.is_file():
        return EMBEDDED
    from aix_lsp.engine.model import gguf

    return gguf.prepare(file, "embedded")


def _folder(name: str) -> Path | None:
    """The folder named, or None for a hub id, which never means a folder in the current one."""
    try:
        folder = folder_named(name)
    except ValueError:
        raise _no_folder(name) from None
    if folder is None and not _HUB_ID.fullmatch(name):
        raise _no_folder(name)
    return folder


def _no_folder(name: str) -> ModelError:
    return ModelError(
        f"there is no folder or file {name}; set model to a folder, a GGUF file (`aix-lsp models` shows the paths of "
        "those on this computer), a name from its catalogue, or a Hugging Face id"
    )


def check_folder(folder: Path, name: str) -> int:
    """Refuse a folder that cannot be loaded, and count its parameters. Raises ModelError."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise ModelError(
            f"cannot read {folder} ({error.strerror}); fix it or change the setting model"
        ) from error
    if "config.json" not in names:
        raise ModelError(f"{name} has no config.json; set model to a folder saved by transformers")
    _check_files(folder, name)
    if "gguf.json" in names:
        from aix_lsp.engine.model import gguf

        return gguf.parameters(folder)
    try:
        shards = catalogue.shards(folder)
    except ValueError as error:
        raise ModelError(f"{error}; download the model again or change model") from error
    if not shards:
        if any(entry.endswith((".bin", ".pt", ".pth", ".ckpt")) for entry in names):
            raise ModelError(
                f"{name} has only pickled weights, which can run any code when they are read; save it with "
                "safe_serialization=True, or set model to one with .safetensors files"
            )
        raise ModelError(f"{name} has no .safetensors weights; set model to one that has")
    missing = sorted(shard for shard in shards if not (folder / shard).is_file())
    if missing:
        raise ModelError(
            f"{name} lacks {', '.join(missing[:3])}; download it again or change the setting model"
        )
    return sum(_parameters(folder / shard) for shard in shards)


def model_files(folder: Path) -> list[Path]:
    """The files that a model is read from."""
    return sorted(file for kind in catalogue.SAFETENSORS_FILES for file in folder.glob(kind) if file.exists())


def _check_files(folder: Path, name: str) -> None:
    """Refuse what the libraries that read a model would wait for, or fill memory with. Raises ModelError."""
    for file in model_files(folder):
        if not is_regular(file):
            raise ModelError(f"{file.name} of {name} is not a regular file; change the setting model")
        if file.suffix != ".safetensors" and file.stat().st_size > _LARGEST_TEXT:
            raise ModelError(f"{file.name} of {name} is too large to be read; change the setting model")


def _parameters(file: Path) -> int:
    try:
        with safe_open(file, "np") as tensors:
            return sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118 - no dict
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{file} is damaged; download the model again or change the setting model"
        ) from error
