"""`aix-lsp train`: its errors for bad input, and that the resulting model knows the code better."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from aix_lsp import files
from aix_lsp.commands.train import command
from aix_lsp.settings import Settings
from aix_lsp.training import adapt, export
from aix_lsp.training.checkpoint import Checkpoint
from aix_lsp.training.evaluation.scores import SampleCounts
from aix_lsp.training.evaluation.transformer import TransformerModel
from aix_lsp.training.model import Llama, Shape
from tests.privacy.heldout import heldout
from tests.training.code import write_package
from training.tokenizer import save_tokenizer, train_tokenizer


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A small untrained model."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    write_package(tmp_path / "other", files=2, seed=9)
    text = "".join(path.read_text() for path in (tmp_path / "other").iterdir())
    save_tokenizer(train_tokenizer([text], 500), tmp_path / "tokenizer")
    shape = Shape(500, hidden=32, layers=2, heads=2, kv_heads=1, intermediate=64, context=512, head_size=16)
    export.write_model(Llama(shape).state_dict(), shape, tmp_path / "tokenizer", tmp_path / "base")
    return tmp_path / "base"


def _train(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_folder_without_sources(tmp_path: Path, base: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "picture.png").write_bytes(b"\x89PNG" * 200)
    (tmp_path / "empty" / "binary.py").write_bytes(bytes(range(256)) * 20)
    result = _train("--source", tmp_path / "empty", "--model", base, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "contains no source files" in result.output
    assert "--source" in result.output


def test_too_little_text(tmp_path: Path, base: Path) -> None:
    write_package(tmp_path / "small", files=3)
    result = _train("--source", tmp_path / "small", "--model", base, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "bytes of source text" in result.output


def test_no_disk(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(tmp_path / "code", files=20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    result = _train("--source", tmp_path / "code", "--model", base, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "free disk" in result.output


def test_an_output_folder_that_cannot_be_written(tmp_path: Path, base: Path) -> None:
    write_package(tmp_path / "code", files=20)
    (tmp_path / "file").write_text("x")
    result = _train("--source", tmp_path / "code", "--model", base, "--out", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert "cannot be created" in result.output
    assert "--out" in result.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_while_training_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"step": 1})
    (tmp_path / "state.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="disk"):
        checkpoint.save({"step": 2, "model": torch.zeros(100_000)})
    assert checkpoint.load() == {"step": 1}


def test_unreadable_files_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(tmp_path / "code", files=20)
    locked = sorted((tmp_path / "code").iterdir())[0]

    def read(path: Path, limit: int) -> bytes:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return files.read_bytes(path, limit)

    monkeypatch.setattr("aix_lsp.training.sourcefiles.read_bytes", read)
    material = adapt.gather(tmp_path / "code")
    assert len([*material.train, *material.held_out]) == 19


def test_a_folder_that_is_not_a_model(tmp_path: Path) -> None:
    write_package(tmp_path / "code", files=20)
    result = _train("--source", tmp_path / "code", "--model", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "cannot be trained on" in result.output
    assert "--model" in result.output


def test_ignored_files_are_not_learned(tmp_path: Path) -> None:
    write_package(tmp_path / "code", files=20)
    write_package(tmp_path / "code" / "made", files=5, seed=1)
    (tmp_path / "code" / ".gitignore").write_text("made/\n")
    material = adapt.gather(tmp_path / "code")
    documents = [*material.train, *material.held_out]
    assert len(documents) == 20
    assert not {d.path for d in material.train} & {d.path for d in material.held_out}


def test_the_duration_is_estimated_and_low_rank_offered_if_it_is_long(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path / "code", files=20)
    monkeypatch.setattr("aix_lsp.commands.train._run", lambda adaptation: (_ for _ in ()).throw(RuntimeError))
    monkeypatch.setattr(adapt.Adaptation, "evaluate", lambda *_: {})
    arguments = ("--source", tmp_path / "code", "--model", base, "--out", tmp_path / "out")
    assert "about 1 min on an otherwise idle" in _train(*arguments).output
    monkeypatch.setattr(adapt, "seconds_a_token", lambda parameters, workers, learned: 1.0 + learned)
    told = _train(*arguments).output
    assert "hours on an otherwise idle" in told
    assert "With --low-rank: about" in told
    assert "With --low-rank" not in _train(*arguments, "--low-rank").output


def test_text_that_must_never_be_sent_is_not_learned(tmp_path: Path) -> None:
    """Nested ignore files and those of other tools, credential files, the setting, and secrets in ordinary files."""
    code = tmp_path / "code"
    write_package(code, files=40)
    sources = iter(sorted(code.rglob("*.py")))
    (code / "inner").mkdir()
    (code / "inner" / ".gitignore").write_text("hidden_*\n")
    (code / ".aiexclude").write_text("private/\n")
    refused = ("inner/hidden_a.py", "private/b.py", ".ssh/c.py", ".env.js", "mine/d.py")
    for name in refused:
        (code / name).parent.mkdir(exist_ok=True)
        next(sources).rename(code / name)
    for plant in list(heldout(4))[:8]:
        file = next(sources)
        file.write_text(f"{file.read_text()}\n{plant.text}\n")
    material = adapt.gather(code, Settings(exclude=["mine/"]))
    documents = [*material.train, *material.held_out]
    assert len(documents) == 40 - len(refused) - 8
    assert not {document.path for document in documents} & set(refused)


_OTHER = """const unlike = (left, right) => {
  switch (left.kind) { case "leaf": return right?.value ?? left.value; default: throw new Error("unlike"); }
};
"""


@pytest.mark.timeout(400)
def test_the_result_knows_the_code_better(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clearly better on unseen files of the project, and more so than on other text: it has learned this code."""
    monkeypatch.setattr(
        adapt, "_SAMPLE_COUNTS", SampleCounts(lines=3, other_lines=3, blocks=1, replays=0, pieces=4)
    )
    write_package(tmp_path / "code", files=12)
    out = tmp_path / "out"
    result = _train("--source", tmp_path / "code", "--model", base, "--out", out, "--passes", 8)
    assert result.exit_code == 0, result.output
    assert f"--model {out}" in result.output
    bits = next(line for line in result.output.splitlines() if "bits per byte" in line)
    before, after = (float(value) for value in bits.replace("→", " ").split()[-2:])
    assert after < 0.93 * before
    assert after / before < _nats(out) / _nats(base) - 0.05
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in base.iterdir())


def _nats(folder: Path) -> float:
    """The model's nats on a text in another language."""
    model = TransformerModel(folder, "model")
    return model.nats(model.tokenizer(_OTHER, add_special_tokens=False).input_ids)
