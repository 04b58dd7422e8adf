"""The GGUF files of other programs on this computer, as `aix-lsp models` lists them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
from click.testing import CliRunner

from aix_lsp.commands.models import command
from aix_lsp.models import stores

_QWEN = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|file_sep|>",
    "<|repo_name|>",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; Windows finds it by another variable."""
    for name in ("OLLAMA_MODELS", "LLAMA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def _file(path: Path, special: tuple[str, ...] = _QWEN, architecture: str = "qwen2") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_block_count(1)
    writer.add_embedding_length(32)
    writer.add_head_count(2)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*special, "a", "b"])
    writer.add_token_types([gguf.TokenType.CONTROL] * len(special) + [gguf.TokenType.NORMAL] * 2)
    writer.add_tensor("token_embd.weight", np.zeros((len(special) + 2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _ollama(root: Path, name: str, tag: str, blob: str) -> Path:
    manifest = root / "manifests" / "registry.ollama.ai" / name / tag
    manifest.parent.mkdir(parents=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:0"},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{blob}"},
    ]
    manifest.write_text(json.dumps({"layers": layers}))
    return _file(root / "blobs" / f"sha256-{blob}")


def _listed() -> dict[str, dict[str, object]]:
    told = json.loads(CliRunner().invoke(command, ["--json"], catch_exceptions=False).output)
    return {model.get("name", model["id"]): model for model in told["models"] if "store" in model}


def test_each_programs_store_is_searched(home: Path) -> None:
    ollama = _ollama(home / ".ollama" / "models", "library/qwen2.5-coder", "0.5b", "ab12")
    studio = _file(home / ".lmstudio" / "models" / "someone" / "coder-GGUF" / "coder-Q4_K_M.gguf")
    hub = _file(home / "hub" / "models--someone--coder-GGUF" / "snapshots" / "1" / "coder-Q8_0.gguf")
    found = _listed()
    assert {name: (model["store"], model["id"]) for name, model in found.items()} == {
        "qwen2.5-coder:0.5b": ("Ollama", str(ollama)),
        "coder-Q4_K_M": ("LM Studio", str(studio)),
        "someone/coder-GGUF/coder-Q8_0": ("Hugging Face", str(hub)),
    }
    assert {model["family"] for model in found.values()} == {"qwen"}
    assert found["coder-Q4_K_M"]["parameters"] == 8 * 32


@pytest.mark.parametrize("variable", ["OLLAMA_MODELS", "LLAMA_CACHE"])
def test_a_store_that_was_moved_is_found(home: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(home / "moved"))
    if variable == "OLLAMA_MODELS":
        _ollama(home / "moved", "someone/coder", "latest", "cd34")
    else:
        _file(home / "moved" / "coder.gguf")
    (model,) = _listed().values()
    assert model["name"] == ("someone/coder:latest" if variable == "OLLAMA_MODELS" else "coder")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_parts_are_listed_once_and_so_is_a_link(home: Path) -> None:
    first = _file(home / ".lmstudio" / "models" / "big-00001-of-00002.gguf")
    _file(first.with_name("big-00002-of-00002.gguf"))
    _file(first.with_name("mmproj-big.gguf"))
    hub = home / "hub" / "models--a--b" / "snapshots" / "1"
    hub.mkdir(parents=True)
    (hub / "same.gguf").symlink_to(first)
    assert list(_listed()) == ["big-00001-of-00002"]


def test_a_model_without_markers_and_one_that_cannot_run_are_listed_as_such(home: Path) -> None:
    studio = home / ".lmstudio" / "models"
    _file(studio / "chat.gguf", special=("<|endoftext|>",))
    _file(studio / "other.gguf", architecture="mamba")
    (studio / "cut.gguf").write_bytes((studio / "chat.gguf").read_bytes()[:-200])
    found = _listed()
    assert found["chat"]["family"] == ""
    assert "mamba" in str(found["other"]["trouble"])
    assert "truncated" in str(found["cut"]["trouble"])
    shown = CliRunner().invoke(command, [], catch_exceptions=False).output
    assert "no fill-in-the-middle, 0.0 G weights" in shown
    assert "cannot be used: it is truncated" in shown
    assert str(studio / "chat.gguf") in shown


def test_damaged_stores_are_skipped(home: Path) -> None:
    manifests = home / ".ollama" / "models" / "manifests" / "registry.ollama.ai" / "library"
    manifests.mkdir(parents=True)
    (manifests / "broken").write_text("{")
    (manifests / "empty").write_text("{}")
    (manifests / "deep").write_text("[" * 100_000)
    (manifests / "digests").write_text(
        json.dumps({"layers": [{"mediaType": stores._OLLAMA_MODEL, "digest": [7]}]})
    )
    assert list(stores.find_files(home / "hub")) == []


def test_a_manifest_without_folders_has_its_own_name(home: Path) -> None:
    root = home / ".ollama" / "models"
    (root / "manifests").mkdir(parents=True)
    _file(root / "blobs" / "sha256-1")
    layer = {"mediaType": stores._OLLAMA_MODEL, "digest": "sha256:1"}
    (root / "manifests" / "plain").write_text(json.dumps({"layers": [layer]}))
    assert [file.name for file in stores.find_files(home / "hub")] == ["plain"]


def test_a_service_of_ollamas_own_user_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its installer for Linux sets it up; the user's own models come first."""
    monkeypatch.setattr(stores, "_OLLAMA_SERVICE", home / "service")
    _ollama(home / "service", "library/coder", "1b", "ef56")
    _ollama(home / ".ollama" / "models", "library/mine", "1b", "ab12")
    assert list(_listed()) == ["mine:1b", "coder:1b"]


def test_llama_cpps_cache_is_found_on_every_system(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    for system, folder in (("darwin", "Library/Caches"), ("win32", "AppData/Local"), ("linux", ".cache")):
        _file(home / folder / "llama.cpp" / f"{system}.gguf")
        monkeypatch.setattr(sys, "platform", system)
        assert [file.name for file in stores.find_files(home / "hub")] == [system]


def test_each_model_is_listed_with_its_place_on_a_line_of_its_own(home: Path) -> None:
    studio = _file(home / ".lmstudio" / "models" / "odd\x1b[31m.gguf")
    lines = CliRunner().invoke(command, [], catch_exceptions=False).output.splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith("(LM Studio)"))
    assert lines[at].split()[0] == "odd\ufffd[31m"
    assert lines[at + 1].strip() == str(studio).replace("\x1b", "\ufffd")


def test_a_tokenizer_that_transformers_5_saved_names_the_family(home: Path) -> None:
    """Its tokenizer_config.json names no added tokens."""
    snapshot = home / "hub" / "models--someone--unknown" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    with (snapshot / "model.safetensors").open("wb") as weights:
        weights.truncate(200_000_000)
    (snapshot / "tokenizer_config.json").write_text('{"eos_token": "<|endoftext|>"}')
    added = [{"id": number, "content": token, "special": True} for number, token in enumerate(_QWEN)]
    for damaged in ("{", "[" * 100_000, '{"added_tokens": [{}]}'):
        (snapshot / "tokenizer.json").write_text(damaged)
        assert _listed()["someone/unknown"]["family"] == ""
    (snapshot / "tokenizer.json").write_text(
        json.dumps({"added_tokens": added, "model": {"vocab": {"a": 0}}})
    )
    assert _listed()["someone/unknown"]["family"] == "qwen"
    shown = CliRunner().invoke(command, [], catch_exceptions=False).output
    assert "qwen, 0.2 GB (Hugging Face)\n" in shown
