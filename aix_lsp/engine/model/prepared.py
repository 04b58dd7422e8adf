"""Caches the results of loading a model, so that the next start is quick.

One folder per combination of the model's files, the CPU, the versions of torch, transformers and this program, and the
settings that matter. Owns those files; knows no kernels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

import aix_lsp
from aix_lsp import files, paths
from aix_lsp.engine.model.lean_state import LeanConfig, LeanState
from aix_lsp.engine.model.threads import Threads
from aix_lsp.machine import cpu_name

log = logging.getLogger(__name__)

_FORMAT = 3
_KEPT_MODELS = 4
_ROOM = 3
"""Free disk space required, as a multiple of its size."""
_LARGEST = 16 << 20
_FILES = ("findings.json", "kept.safetensors", "repacked.safetensors", "tokenizer.json")


@dataclass(slots=True)
class Findings:
    """What loading found out: the model's form, how well its kernels agree with float32, its end tokens, and the chosen
    numbers of threads, if they were. `context` is the longest sequence in tokens."""

    config: LeanConfig
    agreement: str
    context: Annotated[int, msgspec.Meta(gt=0)]
    ends: frozenset[int]
    threads: Threads | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A prepared model: the findings, its state (`kept` is mapped from the file), and the tokenizer."""

    findings: Findings
    state: LeanState
    tokenizer: Tokenizer


@dataclass(frozen=True, slots=True)
class Prepared:
    """The folder of a prepared model; it need not exist."""

    folder: Path

    def read(self) -> Stored | None:
        """What is stored; None if there is nothing, or it is damaged."""
        try:
            for name in _FILES:
                if not stat.S_ISREG((self.folder / name).stat().st_mode):
                    raise ValueError(f"{name} is not a regular file")  # a pipe would be waited for
            findings = msgspec.convert(files.read_json(self.folder / "findings.json", _LARGEST), Findings)
            kept = load_file(self.folder / "kept.safetensors")
            repacked = load_file(self.folder / "repacked.safetensors")
            tokenizer = _tokenizer(self.folder / "tokenizer.json")
            os.utime(self.folder)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.ValidationError, SafetensorError) as error:
            log.warning("%s is damaged (%s); the model is prepared again", self.folder, error)
            self.remove()
            return None
        return Stored(findings, LeanState(findings.config, kept, repacked), tokenizer)

    def write(self, findings: Findings, state: LeanState, tokenizer: str) -> bool:
        """Store all parts, the tokenizer as its library's JSON; False, with a line in the log, if the disk does not
        permit it."""
        size = sum(tensor.nbytes for part in (state.kept, state.repacked) for tensor in part.values())
        try:
            root = self.folder.parent
            root.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(root).free < _ROOM * size:
                raise OSError(f"not enough disk space for {size >> 20} MB")
            with tempfile.TemporaryDirectory(dir=root, prefix="new-") as made:
                # A subfolder: the rename must leave the temporary folder itself to be removed.
                folder = Path(made) / "model"
                folder.mkdir()
                save_file(state.kept, folder / "kept.safetensors")
                save_file(state.repacked, folder / "repacked.safetensors")
                (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
                (folder / "findings.json").write_bytes(msgspec.json.encode(findings))
                self.remove()
                folder.rename(self.folder)
            _prune(root)
        except (OSError, SafetensorError) as error:
            log.warning("the prepared model could not be saved (%s); the next start will take as long", error)
            return False
        return True

    def note_threads(self, threads: Threads) -> None:
        """Add the chosen numbers of threads to what is stored."""
        file = self.folder / "findings.json"
        try:
            found = files.read_json(file, _LARGEST)
            files.write_whole(file, json.dumps({**found, "threads": asdict(threads)}))
        except (OSError, ValueError, TypeError) as error:
            log.info("the number of threads could not be saved (%s)", error)

    def remove(self) -> None:
        """Delete the folder."""
        files.remove(self.folder)


def _tokenizer(file: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing more specific
        raise ValueError(str(error)) from error


def prepared(made_of: Iterable[Path], **what: object) -> Prepared:
    """Where the model of these files is cached, for this machine and the settings `what`."""
    digest = hashlib.sha256()
    for file in made_of:
        info = file.stat()
        digest.update(f"{file.resolve()} {info.st_size} {info.st_mtime_ns}\n".encode())
    versions = [_FORMAT, aix_lsp.__version__, metadata.version("transformers")]
    digest.update(json.dumps([versions, machine(), what], sort_keys=True, default=str).encode())
    return Prepared(paths.cache_dir() / "models" / digest.hexdigest()[:24])


def machine() -> dict[str, Any]:
    """What the kernels' correctness and speed depend on: the CPU and its instructions, its cores, torch."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return {
        "cpu": cpu_name(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "flags": sorted(name for name, there in capabilities.items() if there),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }


def _prune(root: Path) -> None:
    """Delete all but the most recently used models."""
    folders = [folder for folder in root.iterdir() if not folder.name.startswith("new-")]
    for folder in sorted(folders, key=lambda one: one.lstat().st_mtime, reverse=True)[_KEPT_MODELS:]:
        files.remove(folder)
