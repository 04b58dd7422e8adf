"""Hooks of mkdocs: README.md is the site's first page, and links to files outside docs/ lead to the repository."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import normpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#\s:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the repository's README as the index."""
    files.append(File.generated(config, "index.md", content=(ROOT / "README.md").read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Point links at where a site has their targets."""
    place = page.file.src_uri
    folder = "." if place == "index.md" else normpath(f"docs/{place}/..")

    def point(match: re.Match[str]) -> str:
        target = normpath(f"{folder}/{match[2]}")
        if target.startswith("docs/"):
            up = "../" * place.count("/")
            return f"{match[1]}{up}{target.removeprefix('docs/')}{match[3] or ''})"
        if not (ROOT / target).exists():
            return match[0]  # mkdocs says what is wrong with it
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{match[1]}{config['repo_url']}/{kind}/main/{target}{match[3] or ''})"

    return _LINK.sub(point, markdown)
