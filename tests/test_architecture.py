"""docs/architecture.md is true: imports run downwards, each module is on the map, and each file named exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import aix_lsp

PACKAGE = Path(aix_lsp.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "architecture.md").read_text("utf-8")
LAYERS = [
    {"__version__", "files", "languages", "logs", "machine", "paths", "trust", "uris"},
    {"fim", "grammars", "processes", "roots", "settings", "statistics"},
    {"gguf", "privacy"},
    {"backends", "models"},
    {"completion", "engine"},
    {"lsp", "serve", "training"},
    {"cli", "cluster"},
    {"commands", "__main__"},
]
"""The package's folders from the bottom up: each imports only from those below it."""


def imports(file: Path) -> Iterator[str]:
    """The folders of the package that a file imports, including imports within functions."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "aix_lsp":
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aix_lsp."):
            yield str(node.module).split(".")[1]


def test_imports_run_one_way() -> None:
    floor = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    upward = []
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            upward += [
                f"{file} imports {other}"
                for other in imports(file)
                if other != room and floor[other] >= floor[room]
            ]
    assert not upward


def modules_imported(file: Path) -> Iterator[str]:
    """The modules of the package that a file imports, as dotted names below it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aix_lsp."):
            module = str(node.module).removeprefix("aix_lsp.")
            names = (f"{module}.{name.name}" for name in node.names)
            yield from (name if is_module(name) else module for name in names)


def is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


@pytest.mark.parametrize("package", sorted({file.parent for file in PACKAGE.rglob("*/*.py")}), ids=str)
def test_modules_and_folders_import_each_other_in_no_circle(package: Path) -> None:
    """A folder counts as one, with all that is in it."""
    depth, inside = len(package.relative_to(PACKAGE).parts), package.relative_to(PACKAGE).parts
    needs: dict[str, set[str]] = {}
    for file in package.rglob("*.py"):
        name = file.relative_to(package).parts[0].removesuffix(".py")
        found = [other.split(".") for other in modules_imported(file)]
        needs.setdefault(name, set()).update(
            other[depth]
            for other in found
            if (*other[:depth],) == inside and other[depth:] not in ([], [name])
        )
    order = TopologicalSorter({name: others - {name} for name, others in needs.items()})
    assert set(order.static_order()) >= set(needs)  # or it raises CycleError, which names the circle


def mapped(section: str, folder: Path) -> dict[Path, set[str]]:
    """The modules in a section's table, by folder: listed in the first column, or in the column after the folder."""
    found: dict[Path, set[str]] = {}
    text = re.split(r"^##+ ", PAGE, flags=re.MULTILINE)
    [rows] = [part.splitlines() for part in text if part.startswith(section)]
    for row in rows:
        cells = [re.findall(r"`(\w+)/?`", cell) for cell in row.split("|")[1:-1]]
        if not cells or row.startswith(("|--", "| modules", "| folder")):
            continue
        if len(cells) == 3:  # an empty first cell stands for the folder above
            folder = folder if not cells[0] else PACKAGE / "engine" / cells[0][0].removeprefix("engine")
            found.setdefault(folder, set()).update(cells[1])
        else:
            found.setdefault(folder, set()).update(cells[0])
    return found


@pytest.mark.parametrize(
    ("section", "folder"), [("The language server", "lsp"), ("Completion", "completion"), ("The engine", "")]
)
def test_every_module_is_on_the_map(section: str, folder: str) -> None:
    tables = mapped(section, PACKAGE / folder)
    assert sum(map(len, tables.values())) > 10
    for place, named in tables.items():
        there = {
            path.stem for path in place.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        if not folder:  # the engine's folders have rows of their own
            there = {path.stem for path in place.glob("*.py")}
        assert there - {"__init__"} == named


@pytest.mark.parametrize("folder", ["settings", "privacy", "backends", "fim", "serve", "cluster", "models"])
def test_every_module_is_in_the_row_of_its_package(folder: str) -> None:
    [row] = re.findall(rf"^\| `{folder}/` .*", PAGE, flags=re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", row))
    assert {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"} - named == set()


def test_every_file_named_on_the_map_exists() -> None:
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|lua|toml|md))`", PAGE)
    assert len(named) > 25
    assert not [name for name in named if not any((top / name).exists() for top in (PACKAGE, PACKAGE.parent))]


def test_every_name_on_the_map_is_in_the_file_beside_it() -> None:
    """Such as `settings/table.py` (`deadline_ms`)."""
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)+\.py)` \(`(\w+)`", PAGE)
    assert len(named) >= 5
    files = {
        name: next(top / name for top in (PACKAGE, PACKAGE.parent) if (top / name).exists())
        for name, _ in named
    }
    assert not [
        (file, name) for file, name in named if not re.search(rf"\b{name}\b", files[file].read_text("utf-8"))
    ]
