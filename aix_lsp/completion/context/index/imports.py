"""Finds the imports of a file, and the signatures of what they name in the workspace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from aix_lsp.completion.context.files import module_parts, nearness
from aix_lsp.completion.context.index.reader import Excerpt, IndexReader, Query
from aix_lsp.grammars import parse
from aix_lsp.languages import indexed_language, related

_RUST_USE = re.compile(
    r"(?:pub(?:\([^)]*\))?\s+)?use\s+([\w:]+?)(?:::)?(\{.*\}|\*)?\s*(?:as\s+\w+)?\s*;", re.DOTALL
)
_SCRIPT_KINDS = ("import_statement", "export_statement", "lexical_declaration", "variable_declaration")
_SOURCE_FOLDERS = frozenset(("src", "lib", "app", "include"))


@dataclass(frozen=True, slots=True)
class Import:
    """An imported module, and the names imported from it; without names, the module itself is imported."""

    parts: tuple[str, ...]
    names: tuple[str, ...] = ()
    up: int = -1
    """How many folders above the importing file's the name begins; -1 if it is absolute."""


Read = Callable[[str], Iterator[Import]]


def import_statements(head: str, language: str) -> list[Import]:
    """The imports at the head of a file, in order; empty for an unknown language."""
    tree = parse(head.encode("utf-8", "replace"), language) if language in _LANGUAGES else None
    if tree is None:
        return []
    kinds, read = _LANGUAGES[language]
    found: list[Import] = []
    for node in tree.root_node.children:
        if node.type in kinds and node.text is not None:
            found += read(node.text.decode("utf-8", "replace"))
    return list(dict.fromkeys(found))


def _names(listed: str) -> tuple[str, ...]:
    """The names in a list such as "a as b, type c", without their aliases."""
    found = (re.match(r"\s*(?:type\s+)?([\w$]+)", name) for name in listed.strip(" \n(){}").split(","))
    return tuple(match[1] for match in found if match)


def _python(statement: str) -> Iterator[Import]:
    statement = re.sub(r"#.*", "", statement)
    match = re.match(r"from\s+(\.*)\s*([\w.]*)\s+import\s+(.*)", statement, re.DOTALL)
    if match:
        dots, module, names = match.groups()
        yield Import(_dotted(module), _names(names), len(dots) - 1)
        return
    for module in statement.removeprefix("import").split(","):
        if parts := _dotted(module.split()[0] if module.split() else ""):
            yield Import(parts)


def _script(statement: str) -> Iterator[Import]:
    for match in re.finditer(r"""(?:from|import|require\()\s*["']([^"'\n]+)["']""", statement):
        path = match[1]
        up = path.count("../") if path.startswith(".") else -1
        parts = tuple(part for part in path.split("/") if part not in (".", "..", "", "@", "~"))
        braces = re.search(r"\{(.*?)\}", statement, re.DOTALL)
        alone = re.match(r"import\s+(?:type\s+)?(?!type\b)([\w$]+)", statement)
        names = (*((alone[1],) if alone else ()), *(_names(braces[1]) if braces else ()))
        if parts:
            yield Import((*parts[:-1], parts[-1].partition(".")[0]), names, up)


def _go(statement: str) -> Iterator[Import]:
    for match in re.finditer(r'"([^"\n]+)"', statement):
        yield Import(tuple(match[1].split("/")))


def _rust(statement: str) -> Iterator[Import]:
    module = re.match(r"(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;", statement)
    if module:
        yield Import((module[1],))
        return
    used = _RUST_USE.match(statement)
    if used is None:
        return
    parts = tuple(part for part in used[1].split("::") if part not in ("crate", "self", "super", ""))
    if used[2]:
        yield Import(parts, _names(used[2]))
    elif len(parts) > 1:
        yield Import(parts[:-1], parts[-1:])


def _java(statement: str) -> Iterator[Import]:
    match = re.match(r"import\s+(static\s+)?([\w.]+)", statement)
    if match:
        parts = _dotted(match[2])
        yield Import(parts[:-1], parts[-1:]) if match[1] else Import(parts)


def _c(statement: str) -> Iterator[Import]:
    match = re.match(r'#\s*include\s+"([^"\n]+)"', statement)
    if match:
        parts = tuple(part for part in match[1].split("/") if part not in (".", ".."))
        yield Import((*parts[:-1], parts[-1].partition(".")[0]))


def _ruby(statement: str) -> Iterator[Import]:
    match = re.match(r"""require(_relative)?[\s(]+["']([^"'\n]+)["']""", statement)
    if match:
        parts = tuple(part for part in match[2].removesuffix(".rb").split("/") if part not in (".", ".."))
        yield Import(parts, (), match[2].count("../") if match[1] else -1)


def _php(statement: str) -> Iterator[Import]:
    for match in re.finditer(r"([\w\\]+)", statement.removeprefix("use")):
        if "\\" in match[1]:
            yield Import(tuple(part for part in match[1].split("\\") if part))


def _dotted(module: str) -> tuple[str, ...]:
    return tuple(part for part in module.strip().split(".") if part)


_LANGUAGES: dict[str, tuple[tuple[str, ...], Read]] = {
    "python": (("import_statement", "import_from_statement"), _python),
    **dict.fromkeys(
        ("javascript", "javascriptreact", "typescript", "typescriptreact"), (_SCRIPT_KINDS, _script)
    ),
    "go": (("import_declaration",), _go),
    "rust": (("use_declaration", "mod_item"), _rust),
    "java": (("import_declaration",), _java),
    "c": (("preproc_include",), _c),
    "cpp": (("preproc_include",), _c),
    "ruby": (("call",), _ruby),
    "php": (("namespace_use_declaration",), _php),
}


def search(query: Query, index: IndexReader) -> Iterator[Excerpt]:
    """One outline per file; files whose names are used around the cursor come first."""
    wanted: dict[str, set[str]] = {}
    for statement in import_statements(query.head, query.language):
        for path, names in resolve(statement, query, index):
            wanted.setdefault(path, set()).update(names)
    used = {name: at for at, name in enumerate(query.names)}

    def first_use(path: str) -> int:
        names = wanted[path] or {module_parts(path)[-1]}
        return min((used[name] for name in names if name in used), default=len(used))

    for path in sorted(wanted, key=first_use):
        excerpt = index.outline(path, wanted[path], query.names)
        if excerpt is not None:
            yield excerpt


def resolve(statement: Import, query: Query, index: IndexReader) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files that an import may mean, with the names imported from each; of several candidates, the nearest."""
    if query.language == "go":
        yield from _package(statement, query, index)
        return
    for parts, names in _readings(statement):
        paths = [path for path in index.store.named(parts[-1]) if _fits(path, parts, statement.up, query)]
        if paths:
            yield max(paths, key=lambda path: nearness(path, query.path)), names


def _readings(statement: Import) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The two ways to read an import: it names a module and names in it, or modules inside a package."""
    if statement.parts:
        yield statement.parts, statement.names
    for name in statement.names:
        yield (*statement.parts, name), ()


def _fits(path: str, parts: tuple[str, ...], up: int, query: Query) -> bool:
    if path == query.path or not related(indexed_language(path), query.language):
        return False
    module, here = module_parts(path), PurePosixPath(query.path).parts[:-1]
    if up >= 0:
        return up <= len(here) and module == (*here[: len(here) - up], *parts)
    if module[-len(parts) :] != parts:
        return False
    # A single word is found everywhere, so it must be in a folder where imports begin.
    return len(parts) > 1 or module[:-1] == here or set(module[:-1]) <= _SOURCE_FOLDERS


def _package(statement: Import, query: Query, index: IndexReader) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files of a Go package, which is a folder; its exported names are capitalised."""
    here = PurePosixPath(query.path).parent
    for path in index.store.in_folder(statement.parts[-1]):
        folder = PurePosixPath(path).parent
        tests = path.endswith("_test.go")
        if folder != here and not tests and folder.parts == statement.parts[-len(folder.parts) :]:
            known = index.store.definitions_of(path)
            exported = tuple(d.name for d in known[1] if d.name[:1].isupper()) if known else ()
            if exported:
                yield path, exported
