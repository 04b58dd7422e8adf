"""Refuse a release whose tag, package, extension and changelog do not name one version: check_version.py VERSION."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def versions() -> dict[str, str]:
    """The version that each place names."""
    package = re.search(r'__version__ = "([^"]+)"', (ROOT / "aix_lsp/__init__.py").read_text("utf-8"))
    changelog = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    return {
        "aix_lsp/__init__.py": package[1] if package else "none",
        "editors/vscode/package.json": json.loads((ROOT / "editors/vscode/package.json").read_text("utf-8"))[
            "version"
        ],
        "CHANGELOG.md": changelog[1] if changelog else "none",
    }


def main() -> int:
    """Exit status 0 where all agree."""
    wanted = sys.argv[1]
    wrong = {place: found for place, found in versions().items() if found != wanted}
    for place, found in wrong.items():
        sys.stderr.write(f"{place} names version {found}, the tag {wanted}\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
