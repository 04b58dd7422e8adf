"""Fetches missing weights for `make test-models` from the hub into .cache/models.

`python -m tests.models.weights`. Without a network it says so, and the tests that need the weights are skipped by name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aix_lsp.models.catalogue import DownloadSource
from aix_lsp.models.download import fetch, look_up
from aix_lsp.models.failures import DownloadError

_FOLDER = Path(__file__).parents[2] / ".cache" / "models"
SOURCES = {
    "qwen": DownloadSource("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", 0.5, "*q4_k_m.gguf"),
    "smollm2": DownloadSource("bartowski/SmolLM2-135M-Instruct-GGUF", 0.1, "*q4_1.gguf"),
}


def place(name: str) -> Path:
    """The path of a model's file, unless AIX_LSP_QWEN_GGUF or AIX_LSP_SMOLLM2_GGUF names another."""
    return Path(os.environ.get(f"AIX_LSP_{name.upper()}_GGUF") or _FOLDER / name / "model.gguf")


def main() -> int:
    """Fetch missing files; those that cannot be fetched are named on standard error."""
    for name, source in SOURCES.items():
        if not place(name).exists():
            _fetch(name, source)
    return 0


def _fetch(name: str, source: DownloadSource) -> None:
    try:
        download = look_up(source)
        sys.stderr.write(f"fetching {download.source.repository}, {download.size / 1e6:.0f} MB\n")
        file = fetch(download, lambda done, total: None)
    except DownloadError as error:
        sys.stderr.write(f"{name}: {error}. The tests with it are skipped.\n")
        return
    target = place(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(file)


if __name__ == "__main__":
    sys.exit(main())
