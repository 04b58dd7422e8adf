"""Training runs: they learn, continue after a kill, and give the same result with workers as without."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from aix_lsp.training import corpus, workers
from aix_lsp.training.checkpoint import Checkpoint
from aix_lsp.training.corpus import DuplicateFilter
from aix_lsp.training.export import export_checkpoint, read_model
from aix_lsp.training.loop import Inputs, Trainer, train
from aix_lsp.training.model import Llama, Shape
from aix_lsp.training.recipe import Phase, Recipe
from tests.training.code import write_package
from training.documents import load, write
from training.tokenizer import save_tokenizer, train_tokenizer

pytestmark = pytest.mark.timeout(400)

_SHAPE = Shape(
    vocabulary=600, hidden=48, layers=2, heads=3, kv_heads=1, intermediate=64, context=128, head_size=16
)
"""With a short context: the held-out rows scored at the end of each run are as long, and take longer than training."""


def _recipe(tokens: int) -> Recipe:
    return Recipe(
        tokens=tokens,
        batch=2048,
        micro_batch=1024,
        warmup=4096,
        phases=(Phase(0.0, 96),),
        fall_length=128,
        compiled=False,
    )


class Given:
    """The documents of a folder, as a function that workers can call."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def __call__(self) -> Inputs:
        documents = load(self._work / "documents.jsonl")
        return Inputs(documents[2:], documents[:2], self._work / "tokenizer")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    write_package(tmp_path / "code", files=8)
    documents = list(corpus.gather(tmp_path / "code", "code", 10**6, DuplicateFilter()))
    write(tmp_path / "documents.jsonl", documents)
    tokenizer = train_tokenizer([d.text for d in documents], 600)
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    return tmp_path


def _log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_run_learns_and_logs_it(work: Path) -> None:
    told: list[int] = []
    arguments = (_SHAPE, _recipe(60_000), Given(work), work / "run", lambda tokens, loss: told.append(tokens))
    workers.run(1, work / "rendezvous", train, arguments)
    last = _log(work / "run")[-1]
    assert last["finished"]
    assert last["held_out_average"] < 5.5 < torch.log(torch.tensor(600.0))
    assert told == sorted(told)
    assert told[-1] >= 60_000


def test_a_resumed_run_is_the_run_that_was_not_interrupted(work: Path) -> None:
    whole = Trainer(workers.Workers(), _SHAPE, _recipe(12_288), Given(work)(), work / "whole")
    whole.run()
    Trainer(workers.Workers(), _SHAPE, _recipe(12_288), Given(work)(), work / "halves").run_to(6_144)
    second = Trainer(workers.Workers(), _SHAPE, _recipe(12_288), Given(work)(), work / "halves")
    assert second.tokens == 6_144
    second.run()
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value)


def test_two_workers_train_and_one_can_continue(work: Path) -> None:
    before = os.environ.get("PYTHONSAFEPATH")
    workers.run(2, work / "rendezvous", train, (_SHAPE, _recipe(8_192), Given(work), work / "run"))
    state = Checkpoint(work / "run").load()
    assert state is not None
    assert state["tokens"] == 8_192
    workers.run(1, work / "rendezvous", train, (_SHAPE, _recipe(12_288), Given(work), work / "run"))
    assert _log(work / "run")[-1]["tokens"] == 12_288
    assert os.environ.get("PYTHONSAFEPATH") == before


def test_a_run_asked_to_finish_ends_at_low_rates_and_can_be_resumed(work: Path) -> None:
    def ask(tokens: int, loss: float) -> None:
        if tokens == 6_144:
            Checkpoint(work / "run").ask_to_finish(time.time() + 0.5)

    workers.run(1, work / "rendezvous", train, (_SHAPE, _recipe(10**9), Given(work), work / "run", ask))
    finished = Checkpoint(work / "run").load()
    assert finished is not None
    assert finished["tokens"] > 6_144
    log = _log(work / "run")
    assert log[-1]["finished"]
    assert [line["tokens"] for line in log if line.get("falls")] == [6_144]
    assert Checkpoint(work / "run").go_on()
    assert not Checkpoint(work / "run").go_on()
    workers.run(1, work / "rendezvous", train, (_SHAPE, _recipe(8_192), Given(work), work / "run"))
    resumed = Checkpoint(work / "run").load()
    assert resumed is not None
    assert (resumed["tokens"], resumed["fall"]) == (8_192, None)


@dataclass(frozen=True)
class AskToFinish:
    """Asks a run to finish half a second after its second step, as a function that workers can call."""

    run: Path

    def __call__(self, tokens: int, loss: float) -> None:
        if tokens == 4_096:
            Checkpoint(self.run).ask_to_finish(time.time() + 0.5)


def test_two_workers_lower_their_rates_together(work: Path) -> None:
    arguments = (_SHAPE, _recipe(10**9), Given(work), work / "run", AskToFinish(work / "run"))
    workers.run(2, work / "rendezvous", train, arguments)
    log = _log(work / "run")
    assert log[-1]["finished"]
    assert [line["tokens"] for line in log if line.get("falls")] == [4_096]
    assert log[-1]["tokens"] > 4_096


def test_frozen_layers_keep_their_weights(work: Path) -> None:
    trainer = Trainer(
        workers.Workers(), _SHAPE, replace(_recipe(4_096), frozen_layers=1), Given(work)(), work / "run"
    )
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    after = trainer.model.state_dict()
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith("model.layers.0."), name


def test_changes_of_low_rank_are_learned_and_merged(work: Path) -> None:
    recipe = replace(_recipe(8_192), rank=4, frozen_layers=1, matrix_rate=0.0, other_rate=0.01)
    trainer = Trainer(workers.Workers(), _SHAPE, recipe, Given(work)(), work / "run")
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    first = trainer.scores()["held_out"]
    trainer.run()
    assert trainer.scores()["held_out"] < first
    export_checkpoint(work / "run", work / "tokenizer", work / "model")
    after, shape = read_model(work / "model")
    assert shape == replace(_SHAPE, vocabulary=shape.vocabulary)
    changed = {name for name, value in after.items() if not torch.allclose(value, before[name], atol=1e-3)}
    assert changed
    assert all(name.startswith("model.layers.1.") and name.endswith("proj.weight") for name in changed)
    merged = Llama(shape)
    merged.load_state_dict(after)
    tokens = torch.arange(40)[None]
    trainer.model.load_state_dict(trainer.average)
    with torch.no_grad():
        torch.testing.assert_close(merged(tokens), trainer.model(tokens), atol=0.02, rtol=0.02)


_SCRIPT = """
import sys
from pathlib import Path
from aix_lsp.training import workers
from aix_lsp.training.loop import train
from tests.training.test_loop import Given, _SHAPE, _recipe
if __name__ == "__main__":
    work = Path(sys.argv[1])
    workers.run(2, work / "rendezvous", train, (_SHAPE, _recipe(10**9), Given(work), work / "run"))
"""


def test_a_terminated_run_leaves_a_checkpoint(work: Path) -> None:
    def interrupt(tokens: int, loss: float) -> None:
        if tokens >= 6_144:
            signal.raise_signal(signal.SIGTERM)

    arguments = (_SHAPE, _recipe(10**9), Given(work), work / "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        workers.run(1, work / "rendezvous", train, arguments)
    state = Checkpoint(work / "run").load()
    assert state is not None
    assert state["tokens"] == 6_144


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_when_the_first_worker_is_killed_the_others_end(work: Path) -> None:
    script = work / "script.py"
    script.write_text(_SCRIPT)
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    first = subprocess.Popen([sys.executable, str(script), str(work)], cwd=root, env=environment)
    try:
        _until(lambda: (work / "run" / "log.jsonl").exists())
        others = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(first.pid)], capture_output=True, text=True, check=True
        )
        pids = [int(pid) for pid in others.stdout.split()]
        assert pids
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    _until(lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _until(done: object, seconds: float = 90) -> None:
    assert callable(done)
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
