"""Loading: several kinds of real folders run without conversion, and measurements are kept for the next start."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from aix_lsp.engine.model import kernel_choice, prepared, quantised, threads
from aix_lsp.engine.model.kernel_choice import KernelChoice
from aix_lsp.engine.model.loader import load
from aix_lsp.engine.model.plan import DevicePlan
from aix_lsp.engine.model.runner import TorchRunner
from aix_lsp.engine.model.selfcheck import Agreement
from aix_lsp.engine.options import EngineOptions, LoadedModel
from aix_lsp.engine.step import Row
from aix_lsp.models.catalogue import EMBEDDED
from tests.engine.model.loading import change, load_quietly, saved
from tests.engine.model.steps import stepped
from tests.models import SMALL
from training.gguf_writer import write_gguf

PROMPT = "def add(a, b):\n    return a +"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home for this test alone, with nothing prepared in it."""
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "cache" / "models"


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, Any]:
    """Options for a random model that loads and is measured in a third of the time of the tests' usual one."""
    return {"model": str(saved(tmp_path / "model", "llama")), "kv_memory_mb": 8}


def greedy(loaded: LoadedModel, ids: list[int], count: int) -> list[int]:
    pages = range(loaded.runner.page_count)
    tokens, start = list(ids), 0
    for _ in range(count):
        [[sampled]] = stepped(loaded.runner, [Row(tokens[start:], start, pages)])
        start = len(tokens)
        tokens.append(sampled.token)
    return tokens[len(ids) :]


def reference(folder: Path, ids: list[int], count: int) -> list[int]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    out = model.generate(torch.tensor([ids]), max_new_tokens=count, do_sample=False, eos_token_id=None)
    return [int(token) for token in out[0, len(ids) :]]


def test_the_embedded_model(own_cache: Path) -> None:
    stages: list[tuple[str, float]] = []
    loaded = load(EngineOptions(device="cpu", threads=1), lambda stage, part: stages.append((stage, part)))
    seen = list(dict.fromkeys(stage for stage, _ in stages))
    assert seen == ["files", "weights", "check", "measure", "quantize", "threads"]
    assert (loaded.name, loaded.device) == ("embedded", "cpu")
    config = json.loads((EMBEDDED / "config.json").read_text())
    assert loaded.context_length == loaded.runner.context_length == config["max_position_embeddings"]
    assert loaded.runner.vocab_size == config["vocab_size"]
    assert config["eos_token_id"] in loaded.eos_token_ids
    assert loaded.runner.page_count * loaded.runner.page_size > loaded.context_length
    ids = loaded.tokenizer.encode(PROMPT, add_special_tokens=False).ids
    expected = loaded.tokenizer.encode(" b", add_special_tokens=False).ids
    assert greedy(loaded, ids, 1) == expected


def test_a_second_start_uses_what_the_first_one_prepared(own_cache: Path) -> None:
    first = load_quietly()
    [folder] = own_cache.iterdir()
    stages: list[str] = []
    again = load(EngineOptions(device="cpu", threads=1), lambda stage, part: stages.append(stage))
    assert stages == ["files", "threads"]
    assert (again.running, again.dtype) == (first.running, first.dtype)
    assert again.eos_token_ids == first.eos_token_ids
    assert greedy(again, [5, 9, 33], 8) == greedy(first, [5, 9, 33], 8)
    assert again.context_length == first.context_length
    assert again.tokenizer.encode(PROMPT).ids == first.tokenizer.encode(PROMPT).ids
    assert again.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    assert list(own_cache.iterdir()) == [folder]


_HEAVY = {
    "transformers", "huggingface_hub", "torch._dynamo", "torch._inductor", "sympy", "networkx", "scipy", "gguf",
}  # fmt: skip
_WARM_START = """
import sys
from aix_lsp.engine import process
from aix_lsp.engine.loading import start_model
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import EngineOptions
stages = []
options = EngineOptions(model=sys.argv[1], threads=1, device="cpu")
served = start_model(options, EngineMetrics(), lambda stage, _: stages.append(stage))
served.engine.stop(10)
print(stages)
print(sorted(sys.modules))
"""


def test_a_prepared_model_needs_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    file = write_gguf(SMALL, tmp_path / "small.gguf", "q8_0")
    load_quietly(model=str(file))
    done = subprocess.run(
        [sys.executable, "-P", "-c", _WARM_START, str(file)], capture_output=True, text=True, check=True
    )
    stages, modules = done.stdout.splitlines()
    assert "weights" not in stages and "'torch'" in modules
    assert not {name for name in _HEAVY if f"'{name}'" in modules}


@pytest.mark.parametrize(
    "spoilt", ["findings.json", "kept.safetensors", "repacked.safetensors", "tokenizer.json"]
)
def test_damaged_preparations_are_rebuilt(
    own_cache: Path, tiny: dict[str, Any], spoilt: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = greedy(load_quietly(**tiny, dtype="int8"), [5, 9, 33], 4)
    [folder] = own_cache.iterdir()
    # Replace the file instead of writing to it: the original may still be mapped into memory.
    (folder / spoilt).unlink()
    (folder / spoilt).write_bytes(b"{}")
    assert greedy(load_quietly(**tiny, dtype="int8"), [5, 9, 33], 4) == expected
    assert "prepared again" in caplog.text
    assert (folder / spoilt).stat().st_size > 2


def test_another_setting_or_file_is_another_preparation(own_cache: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "llama")
    load_quietly(model=str(folder), kv_memory_mb=8)
    load_quietly(model=str(folder), kv_memory_mb=8, dtype="int8")
    assert len(list(own_cache.iterdir())) == 2
    os.utime(folder / "model.safetensors", (1, 1))
    load_quietly(model=str(folder), kv_memory_mb=8)
    assert len(list(own_cache.iterdir())) == 3


def test_it_runs_without_room_in_the_cache(
    own_cache: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prepared, "_ROOM", 1 << 60)
    loaded = load_quietly(**tiny)
    assert "could not be saved" in caplog.text and not list(own_cache.iterdir())
    assert len(greedy(loaded, [5, 9, 33], 4)) == 4


def test_kernels_that_fail_the_whole_model_check_are_left_out(
    own_cache: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next fastest is tried, then float32 in the same lean path, which reports why."""
    found = iter([Agreement(0.5, 0.5, 1.0), Agreement(0.001, 0.99, 0.05)])
    monkeypatch.setattr(quantised, "compare", lambda *_: next(found))
    tried: list[KernelChoice] = []

    def choose(*given: Any) -> KernelChoice:
        tried.append(kernel_choice.choose(*given))
        return tried[-1]

    monkeypatch.setattr(quantised, "choose_kernels", choose)
    loaded = load_quietly(**tiny)
    assert len(tried) == 2 and not {tried[0].few, tried[0].many} & {tried[1].few, tried[1].many}
    assert "kernels left" in caplog.text or loaded.running.startswith("lean")
    assert "not otherwise, since computed with" in loaded.running

    monkeypatch.setattr(quantised, "compare", lambda *_: Agreement(0.5, 0.5, 1.0))
    monkeypatch.setattr(prepared, "_FORMAT", -1)
    assert load_quietly(**tiny).running.startswith("lean, float32; not otherwise")


def test_the_memory_of_the_weights_is_reported() -> None:
    loaded = {dtype: load_quietly(dtype=dtype) for dtype in ("int8", "float32", "bfloat16")}
    config = json.loads((EMBEDDED / "config.json").read_text())
    embedding = config["vocab_size"] * config["hidden_size"]
    # All but the norms. The output head is the embedding, which packing and quantising copy.
    whole = loaded["float32"].weight_bytes
    assert whole == pytest.approx(4 * loaded["float32"].parameters, rel=0.01)
    assert loaded["bfloat16"].weight_bytes in (whole // 2, whole // 2 + 2 * embedding)
    # At these small widths, columns with two codes and padding add a quarter; there may be two kernels, each with
    # its own weights.
    assert whole // 4 < loaded["int8"].weight_bytes < whole * 0.9 + 4 * embedding
    assert all(one.pool_bytes > 1 << 20 for one in loaded.values())


@pytest.mark.parametrize("dtype", ["auto", "int8", "float32", "bfloat16"])
def test_every_precision_gives_nearly_the_same_output(dtype: str) -> None:
    loaded = load_quietly(dtype=dtype)
    assert dtype in ("auto", loaded.dtype)
    assert loaded.running.startswith("lean, ")
    ids = loaded.tokenizer.encode(PROMPT, add_special_tokens=False).ids
    [[found]] = stepped(loaded.runner, [Row(ids, 0, range(9), top_logprobs=3)])
    exact = load_quietly(dtype="float32")
    [[expected]] = stepped(exact.runner, [Row(ids, 0, range(9), top_logprobs=3)])
    assert found.token == expected.token
    assert found.logprob == pytest.approx(expected.logprob, abs=0.15)


@pytest.mark.parametrize("case", ["qwen2", "starcoder2", "gemma2", "deepseek_v3", "bloom"])
def test_folders_of_other_families(tmp_path: Path, case: str) -> None:
    folder = saved(tmp_path, case)
    loaded = load_quietly(model=str(folder), dtype="float32", kv_memory_mb=8)
    ids = [5, 9, 33, 120, 7, 7, 64, 200, 12, 90, 3]
    assert greedy(loaded, ids, 8) == reference(folder, ids, 8)


def test_a_model_without_paged_attention_runs_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        loaded = load_quietly(model=str(saved(tmp_path, "codegen")), kv_memory_mb=4)
    assert loaded.dtype == "float32"
    assert "without a KV cache" in caplog.text and "setting model" in caplog.text
    assert len(greedy(loaded, [5, 6, 7], 3)) == 3


def test_int8_of_a_family_without_lean_path(tmp_path: Path) -> None:
    folder = saved(tmp_path, "starcoder2")
    loaded = load_quietly(model=str(folder), kv_memory_mb=8)
    assert loaded.dtype == "int8"
    assert greedy(loaded, [5, 9, 33], 1) == reference(folder, [5, 9, 33], 1)


def test_the_context_is_no_longer_than_the_pool(tmp_path: Path) -> None:
    loaded = load_quietly(kv_memory_mb=4)
    assert loaded.context_length < loaded.runner.page_count * loaded.runner.page_size < 1024


def test_long_rope_is_limited_to_its_first_range(tmp_path: Path) -> None:
    """Beyond it, transformers uses other frequencies for the whole batch, so one request would change another."""
    folder = saved(tmp_path, "phi3")
    factors = [1.0] * 8
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": factors, "long_factor": factors}
    change(
        folder,
        "config.json",
        rope_parameters={**rope, "original_max_position_embeddings": 64},
        original_max_position_embeddings=64,
    )
    assert load_quietly(model=str(folder), kv_memory_mb=8).context_length == 64


def test_steps_of_many_tokens_use_other_thread_counts_than_those_of_few() -> None:
    before = torch.get_num_threads()
    seen = []

    class Watched:
        def __call__(self, plan: DevicePlan) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return torch.zeros(len(plan.wanted), 5)

    try:
        loaded = load_quietly()
        assert isinstance(loaded.runner, TorchRunner)
        runner = TorchRunner(Watched(), loaded.runner._pool, 5, 1000)
        runner.govern(threads.Threads(few=1, many=2))
        for count in (1, 100, 1):
            runner.step([Row([0] * count, 0, range(20))])
        assert seen == [1, 2, 1]
    finally:
        torch.set_num_threads(before)


def test_threads_are_measured_and_set(
    own_cache: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_ROUNDS", 2)
    load_quietly(**tiny)  # measures the kernels on one thread
    options = EngineOptions(device="cpu", **tiny)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        stages: list[str] = []
        loaded = load(options, lambda stage, part: stages.append(stage))
        assert "threads" in stages and torch.get_num_threads() in (1, 2)
        chosen = threads.choose(loaded.runner, 2)
        assert {chosen.few, chosen.many} <= {1, 2}
        load(dataclasses.replace(options, threads=2), lambda stage, part: None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
