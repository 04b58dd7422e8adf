"""Reads the header of a GGUF file: metadata, and where each tensor is. Knows the format, but no models and no torch.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf` package's own reader
takes seconds for a vocabulary of 150,000 entries, since it makes an array of each string.
"""

from __future__ import annotations

import mmap
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_ALIGNMENT = 32
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_ITEMS = 5_000_000
_MOST_TENSORS = 100_000
_LONGEST_ROW = 1 << 26


class GgufError(ValueError):
    """The file cannot be read. The message says what is wrong with it, without naming it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's description in the file."""

    name: str
    shape: tuple[int, ...]
    """Rows first, as in torch."""
    kind: int
    """The number of its type, such as 8 for Q8_0."""
    start: int
    """Its first byte, from the beginning of the file."""
    nbytes: int

    @property
    def parameters(self) -> int:
        """The number of its values."""
        return prod(self.shape)

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return self.nbytes // prod(self.shape[:-1])


@dataclass(frozen=True, slots=True)
class Header:
    """A GGUF file's metadata and its table of tensors."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the model's architecture."""
        return str(self.metadata.get("general.architecture", ""))

    def of_architecture(self, key: str) -> Any:
        """The value of a key below the architecture's name, such as `block_count`; None if it is missing."""
        return self.metadata.get(f"{self.architecture}.{key}")


@contextmanager
def damage() -> Iterator[None]:
    """Turns what comes of values of wrong types, or beyond all bounds, in a header into GgufError; a decorator, too."""
    try:
        yield
    except (GgufError, OSError, MemoryError):
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise GgufError(f"its header is damaged ({reason[:200]})") from error


def is_gguf(file: Path) -> bool:
    """Whether a file begins with GGUF's magic number, whatever its name is: Ollama's files have no suffix."""
    try:
        with file.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_header(path: Path) -> Header:
    """The header of a file whose tensors are complete. Raises GgufError, or OSError if it cannot be opened."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise GgufError("it is not a regular file")
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise GgufError("it is empty") from None
        with data, damage():
            return _Reader(data).header(path)


def type_name(kind: int) -> str:
    """The name of a tensor's type. Raises GgufError if this program doesn't know it."""
    from gguf import GGMLQuantizationType

    try:
        return GGMLQuantizationType(kind).name
    except ValueError:
        raise GgufError(f"its tensors have an unknown type (number {kind})") from None


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def header(self, path: Path) -> Header:
        if self._take(len(MAGIC)) != MAGIC:
            raise GgufError("it does not start like a GGUF file")
        version = self._number("I")
        if version not in _VERSIONS:
            raise GgufError(f"it has format version {version}; only 2 and 3 are supported")
        tensor_count, pairs = self._number("Q"), self._number("Q")
        if tensor_count > _MOST_TENSORS or pairs > _MOST_TENSORS:
            raise GgufError("its header is damaged")
        metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._string()
            metadata[key] = self._value(self._number("I"))
        described = [self._described() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment <= 0:
            raise GgufError("its header is damaged")
        first = -(-self._at // alignment) * alignment
        tensors = {name: Tensor(name, shape, kind, first + offset, self._size(name, shape, kind))
                   for name, shape, kind, offset in described}  # fmt: skip
        end = max((tensor.start + tensor.nbytes for tensor in tensors.values()), default=0)
        if end > len(self._data):
            raise GgufError(f"it is truncated: {len(self._data):,} bytes of {end:,}")
        return Header(path, metadata, tensors)

    def _described(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._string()
        extents = self._number("I")
        if extents > 4:
            raise GgufError("its header is damaged")
        shape = tuple(self._number("Q") for _ in range(extents))[::-1]
        if not shape or 0 in shape or shape[-1] > _LONGEST_ROW:
            raise GgufError(f"its header is damaged: {name[:80]} has the shape {shape}")
        return name, shape, self._number("I"), self._number("Q")

    def _size(self, name: str, shape: tuple[int, ...], kind: int) -> int:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        type_name(kind)
        items, nbytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        if shape[-1] % items:
            raise GgufError(f"its header is damaged: rows of {name} are no multiple of {items}")
        return prod(shape) // items * nbytes

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _NUMBERS:
            raise GgufError("its header is damaged")
        return self._number(_NUMBERS[kind])

    def _array(self) -> list[Any]:
        kind, count = self._number("I"), self._number("Q")
        if count > _MOST_ITEMS or kind == _ARRAY:
            raise GgufError("its header is damaged")
        if kind in _NUMBERS:
            form = f"<{count}{_NUMBERS[kind]}"
            return list(struct.unpack(form, self._take(struct.calcsize(form))))
        return [self._value(kind) for _ in range(count)]

    def _string(self) -> str:
        return self._take(self._number("Q")).decode("utf-8", "replace")

    def _number(self, form: str) -> Any:
        form = f"<{form}"
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise GgufError(f"it is truncated: its header extends beyond its {len(self._data):,} bytes")
        taken = self._data[self._at : end]
        self._at = end
        return taken
