"""GGUF files with arbitrary headers, and damaged files derived from a GGUF file."""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aix_lsp.engine.model import gguf
from aix_lsp.engine.options import ModelError
from aix_lsp.gguf.configuration import configuration
from aix_lsp.gguf.header import GgufError, read_header
from aix_lsp.gguf.tokenizer import special_names, write_tokenizer
from aix_lsp.models.stores import StoredFile, describe
from tests.test_files import HOSTILE
from tests.test_logs import is_harmless

unix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TOKENS = ["<s>", "</s>", "a", "b", "ab", "<PRE>", "<SUF>", "<MID>"]
METADATA: dict[str, tuple[int, Any]] = {
    "general.architecture": (8, "llama"),
    "general.alignment": (4, 32),
    "split.count": (2, 1),
    "llama.context_length": (4, 64),
    "llama.block_count": (4, 1),
    "llama.embedding_length": (4, 8),
    "llama.feed_forward_length": (4, 16),
    "llama.attention.head_count": (4, 2),
    "llama.attention.head_count_kv": (4, 2),
    "llama.attention.key_length": (4, 4),
    "llama.attention.layer_norm_rms_epsilon": (6, 1e-5),
    "llama.rope.freq_base": (6, 1e4),
    "llama.rope.dimension_count": (4, 4),
    "llama.rope.scaling.type": (8, "yarn"),
    "llama.rope.scaling.factor": (6, 2.0),
    "llama.rope.scaling.original_context_length": (4, 32),
    "tokenizer.ggml.model": (8, "gpt2"),
    "tokenizer.ggml.pre": (8, "gpt-2"),
    "tokenizer.ggml.tokens": (9, (8, _TOKENS)),
    "tokenizer.ggml.scores": (9, (6, [0.0] * 8)),
    "tokenizer.ggml.token_type": (9, (5, [3, 3, 1, 1, 1, 3, 3, 3])),
    "tokenizer.ggml.merges": (9, (8, ["a b"])),
    "tokenizer.ggml.bos_token_id": (4, 0),
    "tokenizer.ggml.eos_token_id": (4, 1),
    "tokenizer.ggml.fim_pre_token_id": (4, 5),
    "tokenizer.ggml.fim_suf_token_id": (4, 6),
    "tokenizer.ggml.fim_mid_token_id": (4, 7),
}
Shape = tuple[int, ...]
TENSORS: dict[str, Shape] = {"token_embd.weight": (8, 8), "output.weight": (8, 8), "output_norm.weight": (8,)}
VALUES: st.SearchStrategy[tuple[int, Any]] = st.one_of(
    st.tuples(st.just(4), st.integers(0, (1 << 32) - 1)),
    st.tuples(st.just(10), st.integers(0, (1 << 64) - 1)),
    st.tuples(st.just(11), st.integers(-(1 << 63), (1 << 63) - 1)),
    st.tuples(st.just(12), st.floats()),
    st.tuples(st.just(7), st.booleans()),
    st.tuples(st.just(8), st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(_TOKENS)),
    st.tuples(st.just(9), st.tuples(st.just(8), st.lists(st.sampled_from([*_TOKENS, "", "a b c", "\x1b[2J"])))),
    st.tuples(st.just(9), st.tuples(st.just(5), st.lists(st.integers(-4, 9)))),
    st.tuples(st.just(9), st.tuples(st.just(12), st.lists(st.floats()))),
)  # fmt: skip


def packed(kind: int, value: Any) -> bytes:
    """A value in GGUF's encoding."""
    if kind == 8:
        data = str(value).encode()
        return struct.pack("<Q", len(data)) + data
    if kind == 9:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(packed(inner, item) for item in items)
    return struct.pack("<" + _NUMBERS[kind], value)


def gguf_file(metadata: dict[str, tuple[int, Any]], tensors: dict[str, Shape]) -> bytes:
    """A file with this metadata and these tensors, all zeros in float32."""
    written = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, (kind, value) in metadata.items():
        written += packed(8, key) + struct.pack("<I", kind) + packed(kind, value)
    for name, shape in tensors.items():
        written += packed(8, name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], 0, 0)
    return written + bytes(2048)


def read_all(content: bytes, folder: Path) -> dict[str, Any]:
    """Convert a file: returns the configuration, and writes the tokenizer into the folder. Raises GgufError."""
    (folder / "m.gguf").write_bytes(content)
    told = describe(StoredFile(folder / "m.gguf", "m", "here"))
    json.dumps(told)
    header = read_header(folder / "m.gguf")
    about = configuration(header)
    special_names(header)
    write_tokenizer(header, folder)
    return about


def check(content: bytes) -> None:
    """Assert that a file is either read or refused with a readable error."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            about = read_all(content, Path(folder))
        except GgufError as error:
            assert "\n" not in str(error) and len(str(error)) < 400
        else:
            assert 1 <= about["num_hidden_layers"] <= 1024 and about["vocab_size"] == 8
            assert about["eos_token_id"] in (None, *range(8))


def test_the_file_as_it_is(tmp_path: Path) -> None:
    about = read_all(gguf_file(METADATA, TENSORS), tmp_path)
    assert (about["hidden_size"], about["head_dim"], about["eos_token_id"]) == (8, 4, 1)


@example("tokenizer.ggml.merges", (8, "0"))
@given(st.sampled_from(sorted(METADATA)), VALUES)
def test_any_value_in_any_place(key: str, value: tuple[int, Any]) -> None:
    check(gguf_file(METADATA | {key: value}, TENSORS))


@given(st.sampled_from(sorted(METADATA)), VALUES)
def test_any_value_in_any_place_of_a_sentencepiece_model(key: str, value: tuple[int, Any]) -> None:
    check(gguf_file(METADATA | {"tokenizer.ggml.model": (8, "llama"), key: value}, TENSORS))


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize(
    "shape",
    [(), (0,), (0, 8), (8, 0), (1 << 60, 0), (8, 16), (1, 1 << 62), (1 << 62, 1 << 62), (8,), (8, 2, 4)],
)
def test_tensors_of_any_shape(name: str, shape: Shape) -> None:
    check(gguf_file(METADATA, TENSORS | {name: shape}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("llama.block_count", (4, (1 << 32) - 1)),
        ("llama.block_count", (10, 1 << 63)),
        ("llama.attention.head_count", (4, 0)),
        ("llama.attention.key_length", (4, 1 << 31)),
        ("llama.context_length", (4, 0)),
        ("llama.rope.freq_base", (12, float("nan"))),
        ("tokenizer.ggml.tokens", (9, (8, [*_TOKENS[:-1], "x" * 10_000_000]))),
    ],
)
@pytest.mark.parametrize("tokenizer", ["gpt2", "llama"])
def test_headers_that_would_take_forever_are_refused(
    key: str, value: tuple[int, Any], tokenizer: str, tmp_path: Path
) -> None:
    metadata = METADATA | {"tokenizer.ggml.model": (8, tokenizer), key: value}
    with pytest.raises(GgufError):
        read_all(gguf_file(metadata, TENSORS), tmp_path)


@unix
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_anything_but_a_regular_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "m.gguf")
    with pytest.raises(ModelError) as caught:
        gguf.prepare(tmp_path / "m.gguf", "m")
    assert is_harmless(str(caught.value))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _other(path: Path) -> None:
    path.write_text("{}")


def _deep(path: Path) -> None:
    path.write_text("[" * 100_000)


@unix
@pytest.mark.parametrize("make", [*HOSTILE, _empty, _other, _deep], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", [gguf._POINTER, *gguf._MADE])
def test_damaged_derived_files_are_rebuilt(
    name: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf_file(METADATA, TENSORS))
    folder = gguf.prepare(file, "m")
    content = (folder / name).read_bytes()
    inode = folder.stat().st_ino
    assert gguf.prepare(file, "m") == folder and folder.stat().st_ino == inode
    (folder / name).unlink()
    make(folder / name)
    assert gguf.prepare(file, "m") == folder
    assert (folder / name).read_bytes() == content and gguf.parameters(folder) == 136
    assert list(folder.parent.iterdir()) == [folder]


@unix
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_anything_may_lie_at_the_folders_path(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf_file(METADATA, TENSORS))
    place = gguf._folder(file)
    place.parent.mkdir(parents=True)
    make(place)
    assert gguf.prepare(file, "m") == place and gguf.is_made(place)
