"""A model's files are found in every place that may have them; if they are in none, an error says why."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.engine.model.source import check_folder, find_folder
from aix_lsp.engine.options import EngineOptions, ModelError
from aix_lsp.models.catalogue import EMBEDDED
from tests.models.hub import Hub, serving
from tests.test_files import device, fifo, folder, sparse, terminal, unix_socket

REPOSITORY = "someone/tiny"


def ignore(stage: str, fraction: float) -> None:
    pass


def test_embedded_is_a_complete_folder() -> None:
    assert find_folder(EngineOptions(), ignore) == EMBEDDED
    config = json.loads((EMBEDDED / "config.json").read_text())
    assert check_folder(EMBEDDED, "embedded") >= config["vocab_size"] * config["hidden_size"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("/no/such/folder", "there is no folder or file /no/such/folder"),
        ("./nor-here", "there is no folder"),
        ("not an id", "there is no folder"),
        ("a/b/c", "there is no folder"),
        ("qwen2.5-coder:0.5b", "a GGUF file (`aix-lsp models` shows the paths"),  # Ollama's name
        (__file__, "names the file"),
    ],
)
def test_names_that_are_not_a_model(model: str, said: str) -> None:
    with pytest.raises(ModelError, match=r"\bmodel\b") as caught:
        find_folder(EngineOptions(model=model), ignore)
    assert said in str(caught.value)


@pytest.mark.parametrize("model", ["acme/coder", "coder", "acme"])
def test_an_id_is_never_a_folder_of_the_current_one(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project may contain a folder with the name of the user's model."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / model
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="no local copy"):
        find_folder(EngineOptions(model=model, offline=True, trust_remote_code=True), ignore)


def write(folder: Path, **files: bytes | str) -> Path:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def weights(*shape: int) -> bytes:
    """A safetensors file with one matrix."""
    size = 2 * prod(shape)
    header = json.dumps({"w": {"dtype": "F16", "shape": shape, "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


GOOD = weights(3, 5)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no config.json"),
        ({"config__json": "{}"}, "no .safetensors weights"),
        ({"config__json": "{}", "pytorch_model__bin": b"x"}, "only pickled weights"),
        ({"config__json": "{}", "model__safetensors": b"short"}, "damaged"),
        ({"config__json": "{}", "model__safetensors": b"\xff" * 64}, "damaged"),
        (
            {
                "config__json": "{}",
                "model__safetensors__index__json": '{"weight_map": {"w": "a.safetensors"}}',
            },
            "lacks a.safetensors",
        ),
        ({"config__json": "{}", "model__safetensors__index__json": "nonsense"}, "damaged"),
    ],
)
def test_folders_that_cannot_be_loaded(tmp_path: Path, files: dict[str, bytes | str], said: str) -> None:
    with pytest.raises(ModelError, match=r"\bmodel\b") as caught:
        check_folder(write(tmp_path, **files), "mine")
    assert said in str(caught.value)


NESTED = b'{"w":' * 20_000


@pytest.mark.parametrize(
    "header",
    [b"[]", b"7", b'{"w": 7}', b'{"w": {"shape": "ab", "data_offsets": [0, 1]}}', NESTED, b'{"w": {}}'],
)
def test_invalid_headers(tmp_path: Path, header: bytes) -> None:
    content = len(header).to_bytes(8, "little") + header
    with pytest.raises(ModelError, match="damaged"):
        check_folder(write(tmp_path, config__json="{}", model__safetensors=content), "mine")


def test_a_header_of_many_gigabytes_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, config__json="{}", model__safetensors=(1 << 39).to_bytes(8, "little"))
    os.truncate(tmp_path / "model.safetensors", 1 << 40)
    with pytest.raises(ModelError, match="damaged"):
        check_folder(tmp_path, "mine")


@pytest.mark.parametrize(
    "index", ["[" * 100_000, "[]", '{"weight_map": {"w": ["a"]}}', '{"weight_map": 7}', "\0"]
)
def test_an_invalid_index(tmp_path: Path, index: str) -> None:
    write(tmp_path, config__json="{}", model__safetensors__index__json=index)
    with pytest.raises(ModelError, match=r"damaged|lacks"):
        check_folder(tmp_path, "mine")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("make", [fifo, device, terminal, unix_socket, sparse, folder])
@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "merges.txt",
        "chat.jinja",
    ],
)
def test_model_files_that_are_not_regular_files(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    """The libraries would wait for a pipe forever, and read a device until memory is full."""
    write(tmp_path, config__json="{}", model__safetensors=GOOD)
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    with pytest.raises(ModelError, match=r"\bmodel\b"):
        check_folder(tmp_path, "mine")


def test_sizes_are_read_from_headers(tmp_path: Path) -> None:
    assert check_folder(write(tmp_path, config__json="{}", model__safetensors=GOOD), "mine") == 15


def test_a_file_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="damaged"):
        check_folder(write(tmp_path, config__json="{}", model__safetensors=GOOD[:-1]), "mine")


@pytest.mark.skipif(sys.platform == "win32", reason="Unix permissions")
def test_unreadable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        with not_root(), pytest.raises(ModelError, match="cannot read"):
            check_folder(tmp_path, "mine")
    finally:
        tmp_path.chmod(0o700)


@contextlib.contextmanager
def not_root() -> Iterator[None]:
    """Give up root's permission to read everything, if the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


_ASK = """
import json, sys
from aix_lsp.engine.options import EngineOptions, ModelError
from aix_lsp.engine.model.source import find_folder
told = []
try:
    folder = find_folder(EngineOptions(model=sys.argv[1], offline=sys.argv[2] == "offline"),
                         lambda stage, part: told.append([stage, part]))
    print(json.dumps({"files": sorted(entry.name for entry in folder.iterdir()), "told": told}))
except ModelError as error:
    print(json.dumps({"error": str(error)}))
"""


def ask(model: str, home: Path, endpoint: str, offline: bool = False) -> dict[str, Any]:
    """The result of a separate process: the hub's library reads its address on import."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", _ASK, model, "offline" if offline else "online"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


NOWHERE = "http://127.0.0.1:9"


def test_a_model_is_downloaded_once_and_then_found_without_network(tmp_path: Path) -> None:
    files = {
        "config.json": b"{}",
        "model.safetensors": weights(300, 500),
        "README.md": b"no",
        "pickle.bin": b"no",
        "code.py": b"no",
    }
    home = tmp_path / "home"
    with serving(Hub({REPOSITORY: files}, breaks=[100_000])) as hub:
        assert "no local copy" in ask(REPOSITORY, home, hub.url, offline=True)["error"]
        first = ask(REPOSITORY, home, hub.url)
    assert first["files"] == ["config.json", "model.safetensors"]
    assert first["told"][-1] == ["download", 1.0]
    for offline in (False, True):
        assert ask(REPOSITORY, home, NOWHERE, offline) == {"files": first["files"], "told": []}


def test_a_refusal_by_the_hub(tmp_path: Path) -> None:
    with serving(Hub()) as hub:
        absent = ask("someone/else", tmp_path, hub.url)["error"]
        hub.refusal = 403, {"X-Error-Code": "GatedRepo"}
        gated = ask(REPOSITORY, tmp_path, hub.url)["error"]
    assert "licence" in gated and "hf auth login" in gated
    assert "cannot download someone/else" in absent and "setting model" in absent


def test_no_network(tmp_path: Path) -> None:
    error = ask(REPOSITORY, tmp_path, NOWHERE)["error"]
    assert f"cannot download {REPOSITORY}" in error and "set model to" in error
