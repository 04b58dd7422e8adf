"""Runs a GGUF file: converts its header into a model folder for transformers once, and reads the weights from the file.

The folder, in the program's cache, holds the configuration, the tokenizer and the file's name, so that only the first
start waits for the tokenizer. Which tensor belongs where, and what llama.cpp's converters did to it, is left to
transformers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aix_lsp import files
from aix_lsp.engine.options import ModelError
from aix_lsp.gguf.configuration import configuration
from aix_lsp.gguf.header import GgufError, Header, Tensor, read_header
from aix_lsp.gguf.tensors import check_types, values_of
from aix_lsp.gguf.tokenizer import write_tokenizer
from aix_lsp.paths import cache_dir

_POINTER = "gguf.json"
_MADE = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
_LARGEST = 256 << 20
_FORM = 3  # version of the cached folders; changing it rebuilds all of them
THREADS = 2  # for dequantisation; each holds a tensor in float32


def prepare(file: Path, name: str) -> Path:
    """The folder made from a GGUF file, from the cache if present. Raises ModelError, which calls the file `name`."""
    try:
        folder = _folder(file)
        if not _is_whole(folder):
            _make(read_header(file), folder)
    except GgufError as error:
        raise ModelError(f"{name} cannot be used: {error}; set model to another file") from error
    except OSError as error:
        raise ModelError(
            f"cannot read {name} ({error.strerror or error}); change the setting model"
        ) from error
    return folder


def is_made(folder: Path) -> bool:
    """Whether `prepare` made the folder."""
    return (folder / _POINTER).is_file()


def parameters(folder: Path) -> int:
    """The number of parameters in the file behind a folder. Raises ModelError."""
    return _pointer(folder)[1]


def read_weights(folder: Path, dtype: Any) -> dict[str, Any]:
    """The weights of the file behind a folder, in `dtype`, by transformers' names. Raises ModelError."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import (
        TENSOR_PROCESSORS,
        TensorProcessor,
        get_gguf_hf_weights_map,
    )

    header = header_of(folder)
    about = json.loads((folder / "config.json").read_text("utf-8"))
    kept = "gemma2" if header.architecture == "gemma" else header.architecture
    processor = TENSOR_PROCESSORS.get(kept, TensorProcessor)(config=about)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    places = get_gguf_hf_weights_map(_Whole(model.config, model.state_dict()), processor)
    data = np.memmap(header.path, np.uint8, mode="r")

    def read(tensor: Tensor) -> tuple[str, Any]:
        arguments = {"name": tensor.name, "tensor_key_mapping": places, "parsed_parameters": {}}
        values = processor.process(weights=values_of(data, tensor), **arguments)[0]
        return places[tensor.name], torch.from_numpy(np.ascontiguousarray(values)).to(dtype)

    wanted = [tensor for tensor in header.tensors.values() if tensor.name in places]
    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(pool.map(read, wanted))
    if about["tie_word_embeddings"] and "lm_head.weight" in found:
        found["model.embed_tokens.weight"] = found["lm_head.weight"]
    return found


@dataclass(frozen=True, slots=True)
class _Whole:
    """A model without submodules. transformers maps tensor names again for each module, which takes seconds; for the
    models that run here, the names of the whole model suffice."""

    config: Any
    weights: dict[str, Any]

    def state_dict(self) -> dict[str, Any]:
        return self.weights

    def named_children(self) -> tuple[()]:
        return ()


def _pointer(folder: Path) -> tuple[Path, int]:
    """The file behind a folder, and the number of its parameters. Raises ModelError."""
    try:
        noted = files.read_json(folder / _POINTER, _LARGEST)
        return Path(noted["file"]), int(noted["parameters"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from error


def header_of(folder: Path) -> Header:
    """The header of the file behind a folder. Raises ModelError."""
    try:
        return read_header(_pointer(folder)[0])
    except (GgufError, OSError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"cannot read the file that {folder} was made of: {error}; change the setting model")


def _folder(file: Path) -> Path:
    """The folder for a file; a different one after the file has changed."""
    known = file.stat()
    key = f"{_FORM}/{file.resolve()}/{known.st_size}/{known.st_mtime_ns}"
    return cache_dir() / "gguf" / hashlib.sha256(key.encode()).hexdigest()[:24]


def _is_whole(folder: Path) -> bool:
    """Whether all that was made is there, and as it was made: a crash, or a full disk, leaves files without content."""
    try:
        return bool(files.read_json(folder / _POINTER, _LARGEST)["digests"] == _digests(folder))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.blake2b(files.read_bytes(folder / name, _LARGEST), digest_size=16).hexdigest()
        for name in _MADE
    }


def _make(header: Header, folder: Path) -> None:
    """Write the folder atomically."""
    check_types(header)
    about = configuration(header)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        write_tokenizer(header, draft)
        (draft / "config.json").write_text(json.dumps(about, indent=1))
        ends = {"eos_token_id": about["eos_token_id"], "bos_token_id": about["bos_token_id"]}
        (draft / "generation_config.json").write_text(json.dumps(ends))
        noted = {
            "file": str(header.path.resolve()),
            "parameters": sum(tensor.parameters for tensor in header.tensors.values()),
            "digests": _digests(draft),
        }
        (draft / _POINTER).write_text(json.dumps(noted))
        files.remove(folder)
        try:
            draft.rename(folder)
        except OSError:
            if not _is_whole(folder):  # else another process has just made it
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
