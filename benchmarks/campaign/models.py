"""Damages models: the engine serves them or says what is wrong, runs no code of theirs, and exits when told to."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.programs import own_home, terminate
from tests.client.editor import environment
from tests.client.own_engine import OwnEngine, completion_body, session_for
from tests.models import SMALL

_SETTLED_S = 180.0
_ODD: tuple[Any, ...] = (0, -1, 7, 2**31, 2**63, 1e308, None, "x", [], {}, True, "\0", [[]] * 100)


class _Pickled:
    """Writes a file when unpickled, which an untrusted model's weights must not be able to do."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self._marker, "ran")


def damage(folder: Path, marker: Path, draw: random.Random) -> str:
    """Damage a model's folder in one way; returns a description."""
    return draw.choice((_truncate, _flip, _remove, _change, _header, _pickle, _code, _nest))(
        folder, marker, draw
    )


def _any_file(folder: Path, draw: random.Random) -> Path:
    return draw.choice(sorted(path for path in folder.iterdir() if path.is_file()))


def _truncate(folder: Path, _: Path, draw: random.Random) -> str:
    path = _any_file(folder, draw)
    size = draw.choice((0, 1, 7, 8, 9, draw.randrange(path.stat().st_size)))
    path.write_bytes(path.read_bytes()[:size])
    return f"{path.name} cut to {size} bytes"


def _flip(folder: Path, _: Path, draw: random.Random) -> str:
    path = _any_file(folder, draw)
    data = bytearray(path.read_bytes())
    for _number in range(draw.choice((1, 10, 1000))):
        data[draw.randrange(min(len(data), draw.choice((200, 10**9))))] = draw.randrange(256)
    path.write_bytes(data)
    return f"bytes of {path.name} changed"


def _remove(folder: Path, _: Path, draw: random.Random) -> str:
    path = _any_file(folder, draw)
    path.unlink()
    return f"no {path.name}"


def _change(folder: Path, _: Path, draw: random.Random) -> str:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    name = draw.choice(sorted(config))
    config[name] = draw.choice(_ODD)
    path.write_text(json.dumps(config))
    return f"{name} is {config[name]!r}"[:80]


def _header(folder: Path, _: Path, draw: random.Random) -> str:
    """Write weights whose header promises more than there is."""
    path = folder / "model.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    name = draw.choice(sorted(set(header) - {"__metadata__"}))
    key, value = draw.choice(
        (("dtype", "F64"), ("dtype", "X"), ("shape", [2**40]), ("shape", [-1]), ("data_offsets", [0, 2**60]))
    )
    header[name][key] = value
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + data[8 + size :])
    return f"{key} of {name} is {value}"


def _pickle(folder: Path, marker: Path, draw: random.Random) -> str:
    (folder / "model.safetensors").unlink()
    name = draw.choice(("pytorch_model.bin", "model.safetensors", "model.bin", "pytorch_model.pt"))
    (folder / name).write_bytes(pickle.dumps(_Pickled(marker)))
    return f"a pickle as {name}"


def _code(folder: Path, marker: Path, draw: random.Random) -> str:
    code = f"open({str(marker)!r}, 'w').write('ran')\nclass Model: pass\n"
    for name in ("modeling_evil.py", "configuration_evil.py", "tokenization_evil.py", "sitecustomize.py"):
        (folder / name).write_text(code)
    path = folder / draw.choice(("config.json", "tokenizer_config.json"))
    config = json.loads(path.read_text())
    names = ("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer")
    config["auto_map"] = dict.fromkeys(names, "modeling_evil.Model")
    if draw.random() < 0.5:
        config["model_type"] = "evil"
    path.write_text(json.dumps(config))
    return f"code of its own, named in {path.name}"


def _nest(folder: Path, _: Path, draw: random.Random) -> str:
    path = folder / draw.choice(("config.json", "tokenizer.json", "generation_config.json"))
    path.write_text("[" * 100_000 if draw.random() < 0.5 else '{"a":' * 100_000)
    return f"{path.name} nested 100,000 deep"


async def run(order: Order) -> Outcome:
    """Try `order.count` damaged models, each in an engine of its own."""
    outcome, ends = Outcome("models", unit="damaged models"), {"served": 0, "refused": 0}
    for seed in order.cases():
        folder = Path(tempfile.mkdtemp(prefix="aix-model-"))
        try:
            draw, marker = random.Random(f"model {seed}"), folder / "ran"
            model = folder / "m"
            shutil.copytree(SMALL, model)
            done = damage(model, marker, draw)
            ends[await _engine(order, outcome, seed, model, done)] += 1
            if marker.exists():
                outcome.find(seed, f"{done}: it ran")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        outcome.tried += 1
    outcome.notes.append(
        f"{ends['served']} were served all the same, {ends['refused']} refused with a message"
    )
    return outcome


async def _engine(order: Order, outcome: Outcome, seed: int, model: Path, done: str) -> str:
    """Start an engine with the model, and end it; returns whether it served or refused."""
    with own_home() as home:
        log = home / "engine.log"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "aix_lsp", "engine", "--uds", str(home / "e.sock")),
            *(
                "--log-file",
                str(log),
                "--model",
                str(model),
                "--offline",
                "--kv-memory-mb",
                "64",
                "--threads",
                "1",
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(home),
        )
        try:
            assert process.stdout
            async with asyncio.timeout(_SETTLED_S):
                state = await _settled(process, outcome, seed, done)
        except TimeoutError:
            outcome.find(seed, f"{done}: neither ready nor refused within {_SETTLED_S:.0f} s")
            state = "refused"
        if process.returncode is None:
            await terminate(process, outcome, seed, order.end_within_s)
        elif process.returncode < 0:
            outcome.find(seed, f"{done}: the engine ended by signal {-process.returncode}")
        if state == "refused" and not (log.exists() and log.read_text().strip()):
            outcome.find(seed, f"{done}: refused without a word")
        return state


async def _settled(process: asyncio.subprocess.Process, outcome: Outcome, seed: int, done: str) -> str:
    """Wait until the engine serves or gives up; if it serves, it must answer."""
    assert process.stdout
    ready = await process.stdout.readline()
    if not ready:
        await process.wait()
        return "refused"
    async with session_for(str(json.loads(ready)["url"])) as session:
        engine = OwnEngine(process, session, "")
        while process.returncode is None:
            try:
                async with session.get("/health") as answer:
                    health = await answer.json()
            except OSError:
                await process.wait()
                return "refused"
            if health.get("state") == "error":
                if not health.get("message"):
                    outcome.find(seed, f"{done}: an error without a message: {health}")
                return "refused"
            if health.get("state") == "ready":
                answered = await engine.whole(completion_body("def f(x):\n    return ", "\n", 8))
                if len(answered["choices"]) != 1:
                    outcome.find(seed, f"{done}: an answer without a choice: {answered}")
                return "served"
            await asyncio.sleep(0.1)
    return "refused"
