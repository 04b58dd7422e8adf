"""Runs a GGUF file: a folder as transformers has it is made of its header once, and its weights are read from it.

The folder holds the configuration, the tokenizer and the file's name; it lies in the program's cache, so that only the
first start waits for the tokenizer. Which tensor belongs where, and what llama.cpp's converters did to it, is
transformers' knowledge.
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

from aix_lsp.engine.model.gguf_header import MAGIC, GgufError, Header, Tensor, read_header, type_name
from aix_lsp.engine.model.gguf_tokenizer import names, write_tokenizer
from aix_lsp.engine.options import ModelError
from aix_lsp.paths import cache_dir

_POINTER = "gguf.json"
_FORM = 2  # of what is cached; a change of it makes every folder anew
_THREADS = 2  # that dequantise; each holds a tensor in float32
_CHUNK = 16_000_000  # values dequantised at a time
_SAME = 0.15  # relative difference of two quantisations of one matrix

# llama.cpp's architectures that run here, and transformers' names of them.
_ARCHITECTURES = {
    "llama": "llama", "mistral": "mistral", "qwen2": "qwen2", "qwen3": "qwen3", "starcoder2": "starcoder2",
    "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3_text", "phi3": "phi3", "stablelm": "stablelm",
}  # fmt: skip
GEMMA = {
    "context_length": "max_position_embeddings", "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size", "embedding_length": "hidden_size",
    "attention.key_length": "head_dim", "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads", "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
}  # fmt: skip


def prepare(file: Path, name: str) -> Path:
    """The folder made of a GGUF file, from the cache where it is there. Raises ModelError, naming it `name`."""
    try:
        folder = _folder(file)
        if not (folder / _POINTER).exists():
            _make(read_header(file), folder)
    except GgufError as error:
        raise ModelError(f"{name} cannot be used: {error}; set model to another file") from error
    except OSError as error:
        raise ModelError(
            f"cannot read {name} ({error.strerror or error}); change the setting model"
        ) from error
    return folder


def is_gguf(file: Path) -> bool:
    """Whether a file begins as a GGUF does, whatever its name: Ollama's have none."""
    try:
        with file.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def is_made(folder: Path) -> bool:
    """Whether `prepare` made the folder."""
    return (folder / _POINTER).is_file()


def size(folder: Path) -> tuple[int, float]:
    """Parameters of the file behind a folder, and the bytes that one takes in it. Raises ModelError."""
    noted = _pointer(folder)
    return noted["parameters"], noted["bytes"] / max(1, noted["parameters"])


def read_weights(folder: Path, dtype: Any) -> dict[str, Any]:
    """The weights of the file behind a folder, in `dtype`, by transformers' names. Raises ModelError."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import (
        TENSOR_PROCESSORS,
        TensorProcessor,
        get_gguf_hf_weights_map,
    )

    header = _header(folder)
    about = json.loads((folder / "config.json").read_text("utf-8"))
    kept = "gemma2" if header.architecture == "gemma" else header.architecture
    processor = TENSOR_PROCESSORS.get(kept, TensorProcessor)(config=about)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    places = get_gguf_hf_weights_map(_Whole(model.config, model.state_dict()), processor)
    data = np.memmap(header.path, np.uint8, mode="r")

    def read(tensor: Tensor) -> tuple[str, Any]:
        told = {"name": tensor.name, "tensor_key_mapping": places, "parsed_parameters": {}}
        values = processor.process(weights=_values(data, tensor), **told)[0]
        return places[tensor.name], torch.from_numpy(np.ascontiguousarray(values)).to(dtype)

    wanted = [tensor for tensor in header.tensors.values() if tensor.name in places]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = dict(pool.map(read, wanted))
    if about["tie_word_embeddings"] and "lm_head.weight" in found:
        found["model.embed_tokens.weight"] = found["lm_head.weight"]
    return found


@dataclass(frozen=True, slots=True)
class _Whole:
    """A model without its modules' tree: transformers maps the names of each module anew, seconds in all, and all that
    runs here is mapped by the whole one's names."""

    config: Any
    weights: dict[str, Any]

    def state_dict(self) -> dict[str, Any]:
        return self.weights

    def named_children(self) -> tuple[()]:
        return ()


def configuration(header: Header) -> dict[str, Any]:
    """transformers' configuration of the model. Raises GgufError where it cannot run here."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_TO_TRANSFORMERS_MAPPING

    architecture = header.architecture
    if architecture not in _ARCHITECTURES:
        raise GgufError(f"its architecture ({architecture or 'unnamed'}) cannot be run here")
    if int(header.metadata.get("split.count") or 1) > 1:
        raise GgufError("it is one of several parts; merge them with `llama-gguf-split --merge`")
    known: dict[str, str | None] = GGUF_TO_TRANSFORMERS_MAPPING["config"].get(architecture, GEMMA)
    about: dict[str, Any] = {}
    for key, place in known.items():
        if place and (value := header.of_architecture(key)) is not None:
            # A float32 of 1e-5 would be another number in float64.
            about[place] = float(f"{value:.7g}") if isinstance(value, float) else value
    for key in ("block_count", "embedding_length", "attention.head_count"):
        if header.of_architecture(key) is None:
            raise GgufError(f"its header has no {architecture}.{key}")
    for key in ("attention.key_length", "rope.dimension_count"):
        if architecture in {"llama", "mistral", "qwen3"} and (width := header.of_architecture(key)):
            about.setdefault("head_dim", width)
    about["vocab_size"] = _rows(header)
    about["tie_word_embeddings"] = _tied(header)
    about["bos_token_id"] = header.metadata.get("tokenizer.ggml.bos_token_id")
    about["eos_token_id"] = header.metadata.get("tokenizer.ggml.eos_token_id")
    about |= _rope(header, about.pop("rope_theta", 10_000.0))
    return {"model_type": _ARCHITECTURES[architecture], "architectures": [_class(architecture)], **about}


def _class(architecture: str) -> str:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return str(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[_ARCHITECTURES[architecture]])


def _rope(header: Header, base: float) -> dict[str, Any]:
    kind = header.of_architecture("rope.scaling.type")
    factor = header.of_architecture("rope.scaling.factor")
    parameters: dict[str, Any] = {"rope_type": "default", "rope_theta": base}
    if kind in {"linear", "yarn"} and factor:
        parameters |= {"rope_type": kind, "factor": factor}
        original = header.of_architecture("rope.scaling.original_context_length")
        if kind == "yarn" and original:
            parameters["original_max_position_embeddings"] = original
    return {"rope_parameters": parameters}


def _rows(header: Header) -> int:
    embeddings = header.tensors.get("token_embd.weight")
    if embeddings is None:
        raise GgufError("it has no tensor token_embd.weight")
    if len(names(header)) > embeddings.shape[0]:
        raise GgufError("its tokenizer has more entries than the model")
    return embeddings.shape[0]


def _tied(header: Header) -> bool:
    """Whether the head is the embeddings. A file may hold the same matrix twice, in two precisions."""
    head, embeddings = header.tensors.get("output.weight"), header.tensors["token_embd.weight"]
    if head is None:
        return True
    if head.shape != embeddings.shape:
        return False
    data = np.memmap(header.path, np.uint8, mode="r")
    rows = slice(0, min(512, head.shape[0]))
    first, second = _values(data, head, rows), _values(data, embeddings, rows)
    return bool(np.linalg.norm(first - second) < _SAME * np.linalg.norm(first))


def _values(data: Any, tensor: Tensor, rows: slice | None = None) -> Any:
    """The tensor in float32, or some of its rows. Raises GgufError."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    kind = GGMLQuantizationType(tensor.kind)
    stored = data[tensor.start : tensor.start + tensor.nbytes]
    if len(tensor.shape) < 2:
        return _dequantised(dequantize, stored, kind, tensor).reshape(tensor.shape)
    lines = stored.reshape(-1, tensor.nbytes // max(1, tensor.parameters // tensor.shape[-1]))
    if rows is not None:
        lines = lines[rows]
    at_once = max(1, _CHUNK // tensor.shape[-1])
    parts = [
        _dequantised(dequantize, lines[start : start + at_once], kind, tensor)
        for start in range(0, len(lines), at_once)
    ]
    values = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return values if rows is not None else values.reshape(tensor.shape)


def _dequantised(dequantize: Any, stored: Any, kind: Any, tensor: Tensor) -> Any:
    try:
        plain = {"F32": np.float32, "F16": np.float16}.get(kind.name)
        return stored.view(plain).astype(np.float32) if plain else dequantize(stored, kind)
    except NotImplementedError:
        said = f"its tensor {tensor.name} is of type {type_name(tensor.kind)}, which cannot be read here"
        raise GgufError(said) from None


def _pointer(folder: Path) -> dict[str, Any]:
    """What was noted of the file behind a folder. Raises ModelError."""
    try:
        noted: dict[str, Any] = json.loads((folder / _POINTER).read_text("utf-8"))
        return {"file": Path(noted["file"]), **{key: int(noted[key]) for key in ("parameters", "bytes")}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from error


def _header(folder: Path) -> Header:
    try:
        return read_header(_pointer(folder)["file"])
    except (GgufError, OSError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"cannot read the file that {folder} was made of: {error}; change the setting model")


def _folder(file: Path) -> Path:
    """Where what is made of a file lies; another one after the file has changed."""
    known = file.stat()
    key = f"{_FORM}/{file.resolve()}/{known.st_size}/{known.st_mtime_ns}"
    return cache_dir() / "gguf" / hashlib.sha256(key.encode()).hexdigest()[:24]


def _make(header: Header, folder: Path) -> None:
    """Write the folder, whole or not at all."""
    for tensor in header.tensors.values():
        _check_type(header, tensor)
    about = configuration(header)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        write_tokenizer(header, draft)
        (draft / "config.json").write_text(json.dumps(about, indent=1))
        ends = {"eos_token_id": about["eos_token_id"], "bos_token_id": about["bos_token_id"]}
        (draft / "generation_config.json").write_text(json.dumps(ends))
        tensors = header.tensors.values()
        noted = {
            "file": str(header.path.resolve()),
            "parameters": sum(tensor.parameters for tensor in tensors),
            "bytes": sum(tensor.nbytes for tensor in tensors),
        }
        (draft / _POINTER).write_text(json.dumps(noted))
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _check_type(header: Header, tensor: Tensor) -> None:
    """Refuse what cannot be dequantised before anything is read at length."""
    data = np.memmap(header.path, np.uint8, mode="r")
    first = (
        Tensor(tensor.name, (1, tensor.shape[-1]), tensor.kind, tensor.start, 0) if tensor.shape else tensor
    )
    if first.shape and tensor.parameters:
        nbytes = tensor.nbytes // max(1, tensor.parameters // tensor.shape[-1])
        _values(data, Tensor(tensor.name, first.shape, tensor.kind, tensor.start, nbytes))
