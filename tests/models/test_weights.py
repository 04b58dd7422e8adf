"""The weights for `make test-models` come from the hub once, and a missing network is no failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aix_lsp import processes
from tests.models.hub import Hub, serving
from tests.models.weights import SOURCES

FILES = {"qwen": "a-instruct-q4_k_m.gguf", "smollm2": "A-Instruct-Q4_1.gguf"}


def fetched(home: Path, endpoint: str) -> tuple[str, list[Path]]:
    """Run the command; returns its output, and the files that it has fetched."""
    places = {f"AIX_LSP_{name.upper()}_GGUF": str(home / name / "model.gguf") for name in SOURCES}
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.weights"],
        cwd=Path(__file__).parents[2],
        env=processes.environment() | places | {"HF_HOME": str(home / "hf"), "HF_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stderr, [Path(file) for file in places.values()]


def test_weights_are_fetched_once(tmp_path: Path) -> None:
    content = {source.repository: {FILES[name]: name.encode()} for name, source in SOURCES.items()}
    with serving(Hub(content)) as hub:
        said, files = fetched(tmp_path, hub.url)
        assert said.count("fetching") == 2
        assert fetched(tmp_path, hub.url)[0] == ""
        assert [len(hub.downloads(file)) for file in FILES.values()] == [1, 1]
    assert [file.read_text() for file in files] == list(FILES)


def test_without_a_network_skipped_files_are_named(tmp_path: Path) -> None:
    said, files = fetched(tmp_path, "http://127.0.0.1:9")
    assert said.count("The tests with it are skipped") == 2
    assert not any(file.exists() for file in files)
