"""The command line as a shell sees it: real processes, their output, their exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import aix_lsp
from aix_lsp.settings import Settings
from tests.program import PROGRAM, ROOT, SOURCE, run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "project" / "sample.py"
    file.parent.mkdir()
    file.write_text(SOURCE)
    return file


def test_version(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert done.stdout == f"aix-lsp {aix_lsp.__version__}\n"


@pytest.mark.parametrize("module", ["aix_lsp.cli", "aix_lsp.backends.launch", "aix_lsp.commands.complete"])
def test_nothing_heavy_is_imported(module: str) -> None:
    """Importing torch takes seconds; aiohttp's quarter of a second is deferred to the first connection."""
    heavy = "{'torch', 'transformers', 'tokenizers', 'pygls', 'aiohttp', 'uvicorn', 'difflib'}"
    code = f"import sys, {module}; found = {heavy} & set(sys.modules); assert not found, found"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


COMMANDS = ["engine", "complete", "doctor", "init", "models", "settings", "stats"]


def test_help_names_every_command(tmp_path: Path) -> None:
    told = run(tmp_path, "--help").stdout
    assert all(f"\n  {command} " in told for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    done = run(tmp_path, command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: aix-lsp {command}")


WRONG = [
    (["nonsense"], "No such command"),
    (["--tcp", "--ws"], "mutually exclusive"),
    (["--set", "maxTokns=3"], "did you mean maxTokens?"),
    (["--set", "maxTokens=many"], "an integer"),
    (["--set", "maxTokens"], "name=value"),
    (["engine", "--uds", "x", "--host", "y"], "mutually exclusive"),
    (["complete", "gone.py", "--at", "1:1"], "No such file"),
    (["complete", ".", "--at", "1:1"], "is a directory"),
    (["complete", "binary.py", "--at", "1:1"], "null bytes"),
    (["complete", "latin.py", "--at", "1:1"], "not UTF-8 text (byte 1)"),
    (["complete", "sample.py", "--at", "0:1"], "there is no line 0; the file has 7"),
    (["complete", "sample.py", "--at", "8"], "there is no line 8; the file has 7"),
    (["complete", "sample.py", "--at", "3:44"], "columns 1 to 43, not 44"),
    (["complete", "sample.py", "--at", "2:"], "not LINE:COL"),
    (["complete", "sample.py", "--at", "-1:2"], "not LINE:COL"),
    (["complete", "sample.py"], "Missing option '--at'"),
    (["init", "notepad"], "neovim"),
]


@pytest.mark.parametrize(
    ("arguments", "told"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_mistakes_are_explained(arguments: list[str], told: str, source: Path) -> None:
    (source.parent / "binary.py").write_bytes(b"a\0b")
    (source.parent / "latin.py").write_bytes(b"a\xe4b")
    done = run(source.parents[1], *arguments, cwd=source.parent)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_reader_that_has_closed_the_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            [*PROGRAM, "settings", "--markdown"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode != 0
    assert done.stderr == ""


@pytest.mark.parametrize(
    "editor",
    [
        "neovim",
        "vscode",
        "emacs",
        "helix",
        "vim-ale",
        "vim-lsp",
        "coc",
        "kate",
        "sublime",
        "jetbrains",
        "zed",
    ],
)
def test_init(editor: str, tmp_path: Path) -> None:
    done = run(tmp_path, "init", editor)
    assert done.returncode == 0
    assert "@COMMAND@" not in done.stdout
    assert "aix-lsp" in done.stdout
    assert "To check that it works" in done.stdout


def test_settings_shows_what_files_set(tmp_path: Path) -> None:
    config = tmp_path / "config" / "config.toml"
    config.parent.mkdir()
    config.write_text('maxTokens = 7\napiKey = "sk-secret"\n[languages.python]\nmaxTokens = 9\n')
    done = run(tmp_path, "settings")
    assert done.returncode == 0
    assert "maxTokens = 7\n" in done.stdout
    assert "sk-secret" not in done.stdout
    assert "maxTokens = 9\n" in run(tmp_path, "settings", "--language", "python").stdout
    assert str(config) in run(tmp_path, "settings", "--where").stdout
    config.write_text("maxTokns = 7\n")
    wrong = run(tmp_path, "settings")
    assert wrong.returncode == 1
    assert "did you mean maxTokens?" in wrong.stderr


def test_settings_for_editors(tmp_path: Path) -> None:
    assert (
        json.loads(run(tmp_path, "settings", "--json-schema").stdout)["properties"]["maxTokens"]["default"]
        == 64
    )
    assert "aix.maxTokens" in json.loads(run(tmp_path, "settings", "--vscode").stdout)


def test_models_lists_the_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen2.5-Coder-0.5B" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").touch()
    names = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>", "<|repo_name|>"]
    added = {str(i): {"content": name} for i, name in enumerate(names)}
    (snapshot / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    told = json.loads(run(tmp_path, "models", "--json").stdout)
    assert told["models"] == [
        {"id": "embedded", "family": "aix"},
        {"id": "Qwen/Qwen2.5-Coder-0.5B", "family": "qwen", "store": "Hugging Face", "bytes": 0},
    ]
    assert "embedded" in run(tmp_path, "models").stdout


def test_stats(tmp_path: Path) -> None:
    assert "Nothing has been counted" in run(tmp_path, "stats").stdout
    state = tmp_path / "state" / "statistics.json"
    state.write_text(
        '{"2026-01-01": {"shown": 4, "accepted": 1, "first_text_50": 3,'
        ' "python:requests": 9, "python:shown": 4, "python:accepted": 1, "python:kept_characters": 70}}'
    )
    told = run(tmp_path, "stats").stdout
    assert "25.0%  of the shown suggestions were accepted" in told
    assert "within 50 ms" in told
    assert "python  9 requests, 4 shown, 25.0% of these accepted, 70 characters kept" in told
    assert "Nothing" in run(tmp_path, "stats", "--days", "1").stdout
    assert run(tmp_path, "stats", "--clear").returncode == 0
    assert not state.exists()


def test_doctor_finds_no_problem(engine_home: Path) -> None:
    done = run(engine_home, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for subject in ("Python", "torch", "memory", "socket", "engine", "completion"):
        assert f"ok {subject}" in done.stdout
    assert "first text" in done.stdout


def test_doctor_says_what_to_fix(fresh_home: Path, tmp_path: Path) -> None:
    config = fresh_home / "config" / "config.toml"
    config.parent.mkdir()
    config.write_text(f'model = "{tmp_path}"\nmaxTokns = 3\n')
    done = run(fresh_home, "doctor")
    assert done.returncode == 1
    assert "did you mean maxTokens?" in done.stdout
    assert "→ Set model to a folder" in done.stdout
    assert "ok engine" not in done.stdout


def test_defaults_of_the_engine_are_those_of_the_table(tmp_path: Path) -> None:
    told = run(tmp_path, "engine", "--help").stdout
    assert f"[default: {Settings().model}]" in " ".join(told.split())
