"""Invariants of the repository: files and functions are short, releases name one version, and the documentation
build refuses dead links.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aix_lsp

ROOT = Path(__file__).parent.parent
CHECKED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]["files"]
SOURCES = [
    file for top in CHECKED for file in sorted((ROOT / top).rglob("*.py")) if "node_modules" not in file.parts
]


def test_every_script_is_type_checked() -> None:
    """One that no test runs would otherwise keep calling what is long gone."""
    files = [*ROOT.glob("[a-z]*/**/*.py"), *ROOT.glob(".github/**/*.py")]
    assert {file.relative_to(ROOT).parts[0] for file in files} == set(CHECKED)


def test_files_and_functions_are_short() -> None:
    long = []
    for file in SOURCES:
        text = file.read_text("utf-8")
        if (count := text.count("\n")) > 300:
            long.append(f"{file}: {count} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > 40:
                    long.append(f"{file}: {node.name} has {count} lines")
    assert not long


def test_a_module_begins_with_what_it_does() -> None:
    """As a statement: a docstring that begins with a question word only names its topic."""
    question = re.compile(r"(?:What|Which|How|Where|Whether|When|Who)\b")
    first = {file: ast.get_docstring(ast.parse(file.read_text("utf-8"))) for file in SOURCES}
    assert not [str(file) for file, docstring in first.items() if docstring and question.match(docstring)]


def checked(version: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(ROOT / ".github" / "check_version.py"), version]
    return subprocess.run(script, capture_output=True, text=True, check=False, timeout=60)


def test_a_release_must_name_the_version_everywhere() -> None:
    done = checked("99.0.0")
    assert done.returncode == 1
    assert f"aix_lsp/__init__.py names version {aix_lsp.__version__}, the tag 99.0.0" in done.stderr
    assert "editors/vscode/package.json" in done.stderr and "CHANGELOG.md" in done.stderr


def test_package_and_extension_name_one_version() -> None:
    assert "aix_lsp/__init__.py" not in (found := checked(aix_lsp.__version__).stderr), found
    assert "package.json" not in found


DEAD = ("nowhere.md", "../training/nowhere.py", "settings.md#no-such-part")


def test_dead_links_fail_the_documentation(tmp_path: Path) -> None:
    """One warning for each, any of which fails a strict build."""
    pytest.importorskip("mkdocs")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("pictures"))
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "docs" / "page.md").write_text("".join(f"See [there]({link}).\n" for link in DEAD))
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, capture_output=True, text=True, check=False, timeout=200, cwd=tmp_path)
    assert done.returncode == 1
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert all(any(link in warning for warning in warnings) for link in DEAD), done.stderr
