"""Which files are indexed, by name and size, and how they are read. Knows no index."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from aix_lsp.completion.secrets import redact

LARGEST = 256 * 1024
"""Bytes; what is larger is data or generated."""
_LONGEST_LINE = 2000
"""Characters on average over a file's first lines; minified code has more."""
_SUFFIXES = {
    "python": "py pyi",
    "javascript": "js mjs cjs",
    "javascriptreact": "jsx",
    "typescript": "ts mts cts",
    "typescriptreact": "tsx",
    "go": "go",
    "rust": "rs",
    "java": "java",
    "c": "c h",
    "cpp": "cc cpp cxx hh hpp hxx cu cuh",
    "csharp": "cs",
    "ruby": "rb",
    "php": "php",
    "kotlin": "kt kts",
    "swift": "swift",
    "scala": "scala",
    "lua": "lua",
    "dart": "dart",
    "elixir": "ex exs",
    "erlang": "erl hrl",
    "haskell": "hs",
    "julia": "jl",
    "ocaml": "ml mli",
    "perl": "pl pm",
    "r": "r",
    "shellscript": "sh bash zsh",
    "sql": "sql",
    "vue": "vue",
    "svelte": "svelte",
    "zig": "zig",
    "proto": "proto",
}
LANGUAGES = {suffix: language for language, names in _SUFFIXES.items() for suffix in names.split()}
"""LSP language ids by the suffix of a file's name, without its dot."""
_PASSED_BY = frozenset(("node_modules", "__pycache__", "site-packages", "bower_components"))
_STANDS_FOR_ITS_FOLDER = frozenset(("__init__", "index", "mod"))


def language_of_file(path: str) -> str:
    """The LSP language id of a file that would be indexed; empty for any other."""
    return LANGUAGES.get(PurePosixPath(path).suffix[1:].lower(), "")


def passed_by(folder: str) -> bool:
    """Whether a folder's name says that nobody wrote what lies in it here."""
    return folder.startswith(".") or folder in _PASSED_BY


def stem(path: str) -> str:
    """What others call the file: its name without suffixes, or its folder's where it stands for that."""
    pure = PurePosixPath(path)
    name = pure.name.partition(".")[0]
    return pure.parent.name if name in _STANDS_FOR_ITS_FOLDER and pure.parent.name else name


def module_parts(path: str) -> tuple[str, ...]:
    """The folders of a file inside its workspace, and then its stem."""
    pure = PurePosixPath(path)
    folders = pure.parts[:-1]
    if pure.name.partition(".")[0] in _STANDS_FOR_ITS_FOLDER:
        return folders
    return (*folders, pure.name.partition(".")[0])


def read_text(path: Path) -> str | None:
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
    return redact(text).text
