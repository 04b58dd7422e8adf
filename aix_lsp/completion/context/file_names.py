"""Which files are searched, by their names, and what others call them. Reads no files."""

from __future__ import annotations

from pathlib import PurePosixPath

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
