"""What the index keeps of one file: made from its text, with its syntax where that is known."""

from __future__ import annotations

from pathlib import Path

from aix_lsp.completion.context.index.chunks import chunks
from aix_lsp.completion.context.index.definitions import definitions
from aix_lsp.completion.context.index.grammars import parse
from aix_lsp.completion.context.index.reading import LARGEST, read_source
from aix_lsp.completion.context.index.store import FileEntry, Stamp
from aix_lsp.completion.context.index.words import words
from aix_lsp.languages import indexed_language


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file that is small enough; None for any other, and where there is none."""
    try:
        info = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(info.st_mtime_ns, info.st_size) if 0 < info.st_size <= LARGEST else None


def entry(root: Path, path: str, stamp: Stamp) -> FileEntry:
    """The entry of a file; an empty one for what nobody reads, so that it is not looked at again."""
    language = indexed_language(path)
    source = read_source(root / path)
    if source is None:
        return FileEntry(path, language, stamp, (), ())
    text = source.text
    lines = text.split("\n")
    tree = parse(text.encode(), language)
    return FileEntry(
        path,
        language,
        stamp,
        [(first, end, words("\n".join(lines[first:end]))) for first, end in chunks(lines, tree)],
        definitions(tree, language) if tree is not None else (),
    )
