"""Finds related files: the names that a file imports from another one in its package. Pure; uses patterns."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_FROM = re.compile(r"^from\s+(\.*)([\w.]*)\s+import\s+(\([^)]*\)|[^\n]+)", re.MULTILINE)
_REQUIRE = re.compile(r"(?:const|let|var)\s+(\{[^}]*\}|\w+)\s*=\s*require\(\s*['\"](\.[^'\"]*)['\"]\s*\)")
_IMPORT = re.compile(r"import\s+(?:type\s+)?(\{[^}]*\}|\w+)\s+from\s+['\"](\.[^'\"]*)['\"]")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_SUFFIXES = (".ts", ".js", "/index.ts", "/index.js", "")


@dataclass(frozen=True)
class Import:
    """Another file in the package, and the names imported from it."""

    path: str
    names: tuple[str, ...]


def imports(path: str, text: str, language: str, files: Collection[str]) -> list[Import]:
    """What the file at `path` imports from `files`; all paths are relative to the package's folder."""
    found = _python(path, text) if language == "python" else _script(path, text)
    return [
        Import(target, names) for options, names in found for target in options if target in files and names
    ]


def _python(path: str, text: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    for dots, module, listed in _FROM.findall(text):
        base = path
        for _ in dots:
            base = posixpath.dirname(base)
        target = posixpath.join(base if dots else "", *module.split("."))
        names = (_NAME.findall(part) for part in re.sub(r"#[^\n]*", "", listed).strip("()").split(","))
        yield (f"{target}.py", f"{target}/__init__.py"), tuple(found[-1] for found in names if found)


def _script(path: str, text: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    for listed, module in _REQUIRE.findall(text) + _IMPORT.findall(text):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), module))
        names = (_NAME.findall(part) for part in listed.strip("{}").split(","))
        yield tuple(target + suffix for suffix in _SUFFIXES), tuple(found[-1] for found in names if found)
