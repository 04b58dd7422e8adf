"""Locates the plugins and configurations of `editors/` on this machine."""

from __future__ import annotations

from pathlib import Path

import aix_lsp


def folder(editor: str) -> Path:
    """An editor's folder: in the clone that this is run from, else in the installed package."""
    package = Path(aix_lsp.__file__).parent
    clone = package.parent / "editors" / editor
    # Beside a package in site-packages another project's `editors` may lie.
    return (
        clone
        if (package.parent / "pyproject.toml").is_file() and clone.is_dir()
        else package / "editors" / editor
    )
