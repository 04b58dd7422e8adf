"""The special tokens shared by all parts of the pipeline, and encoding and decoding with a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aix_lsp.fim.family import Template
from aix_lsp.fim.templates import AIX, detect

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END, PAD = AIX.reserved
SUFFIX, PREFIX, MIDDLE = AIX.markers
(REPOSITORY,), FILE = AIX.repository, AIX.file[0]
SPECIALS = (END, PREFIX, SUFFIX, MIDDLE, FILE, PAD, REPOSITORY)


def template_of(known: dict[str, int]) -> Template:
    """The prompt template of a model with these tokens. Raises ValueError if it has no fill-in-the-middle tokens."""
    template = detect(known)
    if template is None:
        raise ValueError("the model's tokenizer has no fill-in-the-middle tokens: it cannot complete code")
    return template


class Codec:
    """Text to ids and back; a special token's name inside a text stays text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        tokenizer.encode_special_tokens = True
        self.size: int = tokenizer.get_vocab_size()
        self._ids: dict[str, int] = tokenizer.get_vocab()
        self.end, self.pad = self._ids[END], self._ids[PAD]

    @property
    def template(self) -> Template:
        """See `template_of`."""
        return template_of(self._ids)

    def special(self, name: str) -> int:
        """The id of a special token. Raises KeyError if there is none of that name."""
        return self._ids[name]

    @classmethod
    def load(cls, folder: Path) -> Codec:
        """From a folder with a `tokenizer.json`."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")))

    def encode(self, text: str) -> list[int]:
        """The ids of a text; none of them is special."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of ids, without special ones."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
