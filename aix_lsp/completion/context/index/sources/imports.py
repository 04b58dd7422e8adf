"""Signatures of what the current file imports from other files of the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from aix_lsp.completion.context.file_names import module_parts
from aix_lsp.completion.context.index.import_statements import Import, import_statements
from aix_lsp.completion.context.index.reader import Excerpt, Library, Query
from aix_lsp.completion.context.nearness import nearness
from aix_lsp.languages import indexed_language, related

_SOURCE_FOLDERS = frozenset(("src", "lib", "app", "include"))


def find(query: Query, library: Library) -> Iterator[Excerpt]:
    """One outline a file; files whose names are used around the cursor first."""
    wanted: dict[str, set[str]] = {}
    for statement in import_statements(query.head, query.language):
        for path, names in resolve(statement, query, library):
            wanted.setdefault(path, set()).update(names)
    used = {name: at for at, name in enumerate(query.names)}

    def first_use(path: str) -> int:
        names = wanted[path] or {module_parts(path)[-1]}
        return min((used[name] for name in names if name in used), default=len(used))

    for path in sorted(wanted, key=first_use):
        excerpt = library.outline(path, wanted[path], query.names)
        if excerpt is not None:
            yield excerpt


def resolve(statement: Import, query: Query, library: Library) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files that an import may mean, with the names out of each: the nearest, where there are several."""
    if query.language == "go":
        yield from _package(statement, query, library)
        return
    for parts, names in _readings(statement):
        paths = [path for path in library.store.named(parts[-1]) if _fits(path, parts, statement.up, query)]
        if paths:
            yield max(paths, key=lambda path: nearness(path, query.path)), names


def _readings(statement: Import) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """An import names a module and names out of it, or modules inside of it."""
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
    # One word alone is found everywhere: it must lie where imports begin.
    return len(parts) > 1 or module[:-1] == here or set(module[:-1]) <= _SOURCE_FOLDERS


def _package(statement: Import, query: Query, library: Library) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Go's packages are folders; what they export is capitalised."""
    here = PurePosixPath(query.path).parent
    for path in library.store.in_folder(statement.parts[-1]):
        folder = PurePosixPath(path).parent
        tests = path.endswith("_test.go")
        if folder != here and not tests and folder.parts == statement.parts[-len(folder.parts) :]:
            known = library.store.definitions_of(path)
            exported = tuple(d.name for d in known[1] if d.name[:1].isupper()) if known else ()
            if exported:
                yield path, exported
