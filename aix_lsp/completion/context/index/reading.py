"""How a file is read that is searched: never a secret, nothing huge, nothing generated. Knows no index."""

from __future__ import annotations

from pathlib import Path

from aix_lsp.completion.secrets import Redacted, redact

LARGEST = 256 * 1024
"""Bytes; what is larger is data or generated."""
_LONGEST_LINE = 2000
"""Characters on average over a file's first lines; minified code has more."""


def read_source(path: Path) -> Redacted | None:
    """A file's text without its secrets, all line endings "\\n"; None where it is no source that one reads."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError:
        return None
    if len(data) > LARGEST or b"\0" in data:
        return None
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    head = text[: 8 * _LONGEST_LINE]
    if len(head) > _LONGEST_LINE * (head.count("\n") + 1):
        return None
    return redact(text)
