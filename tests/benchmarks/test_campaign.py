"""The quick part of the campaign: the real server in hostile workspaces, mutated messages, a killed engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from benchmarks.campaign import cancels, kills, models, protocol, workspaces
from benchmarks.campaign.__main__ import PARTS
from benchmarks.campaign.hostile_workspace import Builder, Workspace
from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.recorder import Planted, look_on_disk, recorders

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and signals of Unix")
PATIENT_S = 60.0
"""This test asserts nothing about time; the campaign itself requires five seconds."""


def order(count: int, seed: int = 1) -> Order:
    return Order(seed, count, end_within_s=PATIENT_S)


@unix_only
async def test_hostile_workspaces_leak_nothing_and_block_nothing() -> None:
    outcome = await workspaces.run(order(6, seed=50))
    assert outcome.tried == 6 and outcome.found == []
    assert len(outcome.ended_s) == 2, "one server of its own, and the shared one"


@unix_only
async def test_mutated_messages_over_each_transport_are_answered_once() -> None:
    outcome = await protocol.run(order(100))
    assert outcome.tried >= 300 and outcome.found == []


@unix_only
async def test_dropped_requests_each_end_once() -> None:
    outcome = await cancels.run(order(80))
    assert 80 <= outcome.tried < 80 + cancels.CLIENTS and outcome.found == []


@unix_only
async def test_an_engine_that_is_killed_in_mid_stream_comes_back() -> None:
    outcome = await kills.run(order(1))
    assert outcome.tried == 1 and outcome.found == []


@unix_only
async def test_a_damaged_model_is_served_or_refused() -> None:
    outcome = await models.run(order(1, seed=3))
    assert outcome.tried == 1 and outcome.found == []


@unix_only
@pytest.mark.parametrize("seed", range(30))
def test_a_workspace_is_the_same_for_a_seed(seed: int, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made.append(Builder(tmp_path / name, seed).build())
    one, other = made
    assert one.planted == other.planted and len(one.planted) >= 5
    assert [it.text for it in one.documents] == [it.text for it in other.documents]
    assert any(document.forbidden for document in one.documents)


async def test_planted_text_is_found_in_a_request_whole_or_in_large_part(tmp_path: Path) -> None:
    outcome, planted = Outcome("workspaces"), Planted()
    secret = "k3yXq8Zr51LmNb7w"
    planted.add(7, {"planted7n0z": "an ignored file", secret: "a secret"})
    async with recorders(planted, outcome) as (ours, other), aiohttp.ClientSession() as session:
        for url in (f"{ours.url}/v1/completions", f"{ours.url}/aix/corpus", f"{other.url}/v1/completions"):
            await session.post(url, json={"prompt": "x = 1  # visible7word"})
        assert outcome.found == [] and ours.visible == other.visible == {"visible7word"}
        await session.post(f"{ours.url}/aix/corpus", json={"texts": ["planted7n0z = 1"]})
        await session.post(f"{other.url}/v1/completions", json={"prompt": f"'{secret[3:-2]}"})
    assert [finding.seed for finding in outcome.found] == [7, 7]
    (tmp_path / "index.db").write_bytes(b"\0\xff" + secret.encode())
    look_on_disk(tmp_path, planted, outcome)
    assert "index.db" in outcome.found[-1].what and len(outcome.found) == 3


def test_growing_memory_is_detected() -> None:
    outcome = Outcome("protocol", tried=10)
    outcome.memory = [50.0] * 10 + [100.0] * 50 + [109.0] * 20
    outcome.check_memory(1, "the server")
    assert outcome.found == []
    outcome.memory = [100.0] * 40 + [112.0] * 20
    outcome.check_memory(1, "the server")
    assert "grew from 100 to 112" in outcome.found[0].what
    lines = outcome.lines(Order(1, 10), 3.0)
    assert "tried 10 cases, held 9, found 1" in lines[0]
    assert any("--part protocol --seed 1" in line for line in lines)


def test_every_part_exists_and_an_unknown_one_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks.campaign"]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    folder = Path(workspaces.__file__).parent
    assert all(name in told and (folder / f"{name}.py").exists() for name in PARTS)
    assert subprocess.run([*command, "--part", "none"], capture_output=True).returncode == 2


def test_a_finding_says_how_to_run_its_case_alone_and_what_ran_beside_it() -> None:
    outcome = Outcome("workspaces", tried=3, alone=True)
    outcome.running = {7, 8, 9}
    outcome.find(8, "a secret was sent")
    lines = outcome.lines(Order(7, 3), 1.0)
    assert "    again: python -m benchmarks.campaign --part workspaces --seed 8 --count 1" in lines
    assert "    cases that ran at the same time: 7, 9" in lines


@unix_only
async def test_a_case_that_runs_alone_finds_what_it_found_among_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An ordinary document is declared to be planted: each run of the case finds that it was sent."""
    build = Builder.build

    def planted(builder: Builder) -> Workspace:
        workspace = build(builder)
        if workspace.calm:
            workspace.planted[workspace.visible] = "the ordinary document"
        return workspace

    monkeypatch.setattr(Builder, "build", planted)
    among = await workspaces.run(order(4, seed=51))
    assert among.found, "none of these cases is calm"
    seed = among.found[0].seed
    alone = await workspaces.run(order(1, seed=seed))
    assert {f.seed for f in alone.found} == {seed}
