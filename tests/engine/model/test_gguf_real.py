"""Real GGUF files compared with llama.cpp: the same tokens and the same greedy lines. `make test-models` runs it.

llama-server is found as in tests/backends/test_real_servers.py, the files by tests/models/weights.py.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from aix_lsp.engine.model.reading import read_config, read_model, read_tokenizer
from aix_lsp.engine.model.source import find_folder
from aix_lsp.engine.options import EngineOptions
from tests.backends.real_servers import ROOT, binary
from tests.models.weights import place

_PROMPTS = int(os.environ.get("AIX_LSP_REAL_PROMPTS", "40"))
_TOKENS = 24

pytestmark = [pytest.mark.real_models, pytest.mark.timeout(600 + 30 * _PROMPTS)]


def _file(name: str) -> Path:
    found = place(name)
    if not found.exists():
        pytest.skip(f"no weights at {found}: name them in AIX_LSP_{name.upper()}_GGUF")
    return found


def _prompts() -> list[str]:
    """Excerpts of code, each ending a few characters into a line."""
    rng, found = Random(0), list[str]()
    files = sorted((ROOT / "aix_lsp").rglob("*.py"))
    while len(found) < _PROMPTS:
        text = rng.choice(files).read_text("utf-8")
        if len(text) < 1500:
            continue
        place = text.find(" = ", rng.randrange(600, len(text) - 200))
        if place > 0:
            found.append(text[place - 500 : place + 2])
    return found


@contextmanager
def _served(file: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(binary()), "-m", str(file), "--host", "127.0.0.1", "--port", str(port), "-c", "2048"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 300
        while not _healthy(url):
            assert process.poll() is None, "llama-server ended at once"
            assert time.monotonic() < end, "llama-server does not get ready"
            time.sleep(0.2)
        yield url
    finally:
        process.kill()
        process.wait()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _ask(url: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


@pytest.mark.parametrize("name", ["smollm2", "qwen"])
def test_tokens_and_greedy_lines_are_llama_cpps(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """A line may differ where two tokens are almost equally likely: on quantised weights, llama.cpp computes with 8-bit
    activations, which affects small models most. On the same weights in float16 it does not.

    With `--junitxml` the report says how many lines are equal, and which are not.
    """
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    file = _file(name)
    options = EngineOptions(model=str(file))
    folder = find_folder(options, lambda *_: None)
    tokenizer = read_tokenizer(folder, options)
    model = read_model(folder, options, read_config(folder, options), torch.float32, torch.device("cpu"))
    ours = _ours(model, tokenizer)
    del model
    most = {"as it is": 0.3 * len(ours)}
    files = {"as it is": file}
    if (quantize := binary().with_name("llama-quantize")).exists():
        files["in float16"], most["in float16"] = tmp_path / "f16.gguf", 0.03 * len(ours)
        command = [str(quantize), "--allow-requantize", str(file), str(files["in float16"]), "F16"]
        subprocess.run(command, check=True, capture_output=True)
    found = {}
    for form, served in files.items():
        with _served(served) as url:
            found[form] = _differing(url, ours)
        record_property(f"equal lines, {form}", f"{len(ours) - len(found[form])} of {len(ours)}")
        record_property(f"differing, {form}", json.dumps(found[form]))
    assert all(len(lines) <= most[form] for form, lines in found.items()), found


def _ours(model: Any, tokenizer: Any) -> dict[str, tuple[list[int], str]]:
    """The prompt's tokens and the rest of the line as our model writes it, by prompt."""
    ours = {}
    # "Ċ" is a line break in byte-level BPE. `stop_strings` would scan the whole vocabulary for each prompt.
    ends = [token for piece, token in tokenizer.get_vocab().items() if "Ċ" in piece]
    for prompt in _prompts():
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            written = model.generate(
                torch.tensor([ids]),
                max_new_tokens=_TOKENS,
                do_sample=False,
                eos_token_id=[*ends, *_ends(model)],
            )
        ours[prompt] = ids, tokenizer.decode(written[0][len(ids) :], skip_special_tokens=True)
    return ours


def _ends(model: Any) -> list[int]:
    """The model's own end tokens."""
    ends = model.generation_config.eos_token_id
    return ends if isinstance(ends, list) else [ends]


def _differing(url: str, ours: dict[str, tuple[list[int], str]]) -> list[tuple[str, str, str]]:
    """The end of the prompt, our line and theirs, for each prompt where the two differ."""
    found = []
    for prompt, (ids, line) in ours.items():
        assert _ask(url, "/tokenize", {"content": prompt})["tokens"] == ids
        asked = {"prompt": ids, "n_predict": _TOKENS, "temperature": 0, "cache_prompt": False, "stop": ["\n"]}
        theirs = _ask(url, "/completion", asked)["content"]
        if line.split("\n")[0] != theirs.split("\n")[0]:
            found.append((prompt[-60:], line.split("\n")[0], theirs.split("\n")[0]))
    return found
