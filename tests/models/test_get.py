"""`aix-lsp models get` against a real server with the hub's API, which fails in every way that networks do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aix_lsp.models.catalogue import find
from tests.client.engine_watch import end_engines
from tests.models import SMALL
from tests.models.hub import COMMIT, Hub, serving

NAME = "qwen2.5-coder-0.5b"
ENTRY = find(NAME)
assert ENTRY is not None and ENTRY.gguf is not None
GGUF, FOLDER = ENTRY.gguf.repository, ENTRY.safetensors.repository
WEIGHTS = bytes(range(256)) * 4096
"""A megabyte: enough for a download to break off in the middle."""
FILE = "qwen2.5-coder-0.5b-q8_0.gguf"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub({GGUF: {FILE: WEIGHTS, "README.md": b"# read me"}})) as hub:
        yield hub


Get = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def get(hub: Hub, tmp_path: Path) -> Get:
    """Runs the command with further arguments; keywords become environment variables."""

    def run(*arguments: str, prefix: tuple[str, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
        command = [*prefix, sys.executable, "-m", "aix_lsp", "models", "get", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240, check=False,
            env=environment(hub, tmp_path) | more,
        )  # fmt: skip

    return run


def environment(hub: Hub, home: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("HF_", "HTTP", "ALL_"))
    }
    return kept | {"HF_HOME": str(home / "hf"), "HF_ENDPOINT": hub.url, "AIX_LSP_HOME": str(home / "aix")}


def place(home: Path, repository: str = GGUF) -> Path:
    return home / "hf" / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / COMMIT


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a failed run: one line, after the text about the licence."""
    assert done.returncode == 1, done
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1] == lines[0]
    return lines[0]


def test_only_weights_are_fetched_into_the_hubs_own_cache(get: Get, hub: Hub, tmp_path: Path) -> None:
    done = get(NAME, "--yes")
    assert done.returncode == 0, done.stderr
    assert (place(tmp_path) / FILE).read_bytes() == WEIGHTS
    assert not hub.downloads("README.md")
    assert "Apache License 2.0" in done.stderr
    assert f'model = "{NAME}"' in done.stdout
    asked = len(hub.asked)
    assert get(NAME, "--yes").returncode == 0
    assert len(hub.asked) == asked, "what is here is not asked for again"


def test_nothing_is_fetched_without_consent(get: Get, hub: Hub) -> None:
    assert "pass --yes if you agree" in one_line(get(NAME))
    assert hub.asked == []


def test_progress_as_json(get: Get, tmp_path: Path) -> None:
    told = [json.loads(line) for line in get(NAME, "--yes", "--json").stdout.splitlines()]
    assert told[-2] == {"done": len(WEIGHTS), "total": len(WEIGHTS)}
    assert told[-1] == {"model": NAME, "place": str(place(tmp_path) / FILE)}


def test_a_broken_download_is_resumed(get: Get, hub: Hub, tmp_path: Path) -> None:
    hub.breaks = [300_000, 200_000]
    assert get(NAME, "--yes").returncode == 0
    assert (place(tmp_path) / FILE).read_bytes() == WEIGHTS
    ranges = hub.downloads(FILE)
    assert len(ranges) == 3 and ranges[0] == "bytes=0-"
    starts = [int(given.removeprefix("bytes=").removesuffix("-")) for given in ranges]
    assert starts == sorted(set(starts)), "each goes on behind the last"


def test_another_run_resumes_a_broken_download(get: Get, hub: Hub, tmp_path: Path) -> None:
    hub.breaks = [300_000, *[0] * 12]
    said = one_line(get(NAME, "--yes"))
    assert "try again" in said or "resumes" in said
    hub.breaks.clear()
    hub.asked.clear()
    assert get(NAME, "--yes").returncode == 0
    assert (place(tmp_path) / FILE).read_bytes() == WEIGHTS
    assert hub.downloads(FILE) != ["bytes=0-"]


def test_a_server_without_ranges(get: Get, hub: Hub, tmp_path: Path) -> None:
    hub.breaks, hub.ranges = [300_000], False
    assert get(NAME, "--yes").returncode == 0
    assert (place(tmp_path) / FILE).read_bytes() == WEIGHTS


def test_wrong_bytes_are_fetched_again_and_then_refused(get: Get, hub: Hub, tmp_path: Path) -> None:
    hub.wrong = 1
    assert get(NAME, "--yes").returncode == 0
    assert (place(tmp_path) / FILE).read_bytes() == WEIGHTS
    shutil.rmtree(tmp_path / "hf")
    hub.wrong = 2
    assert "does not match its digest on the hub" in one_line(get(NAME, "--yes"))
    assert not (place(tmp_path) / FILE).exists()


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "`hf auth login` again"),
        (401, {"X-Error-Code": "RepoNotFound"}, "run `hf auth login`"),
        (403, {"X-Error-Code": "GatedRepo"}, "accept its licence"),
        (403, {}, "refuses"),
        (404, {"X-Error-Code": "RepoNotFound"}, f"has no {GGUF}"),
        (429, {"Retry-After": "3600"}, "in 3600 s"),
        (500, {}, "fails (500)"),
    ],
)
def test_refusals_say_what_to_do(get: Get, hub: Hub, status: int, headers: dict[str, str], told: str) -> None:
    hub.refusal = status, headers
    assert told in one_line(get(NAME, "--yes"))


def test_no_network_and_a_proxy_that_refuses(get: Get, hub: Hub) -> None:
    nowhere = "http://127.0.0.1:9"
    assert "cannot reach" in (said := one_line(get(NAME, "--yes", HF_ENDPOINT=nowhere)))
    assert "copy the model's folder" in said
    proxied = one_line(
        get(NAME, "--yes", HF_ENDPOINT="https://hub.invalid", HTTPS_PROXY="http://user:secret@127.0.0.1:9")
    )
    assert "the proxy http://127.0.0.1:9" in proxied and "secret" not in proxied
    assert "HF_HUB_OFFLINE is set" in one_line(get(NAME, "--yes", HF_HUB_OFFLINE="1"))


def test_a_full_disk(get: Get, hub: Hub, tmp_path: Path) -> None:
    hub.claimed[FILE] = 1 << 60
    assert "set HF_HOME to a folder on another disk" in one_line(get(NAME, "--yes"))


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_disk_that_fills_up(get: Get, hub: Hub, tmp_path: Path) -> None:
    disk = tmp_path / "hf"
    disk.mkdir()
    inside = f'mount -t tmpfs -o size=1200k none {disk} && head -c 900k /dev/zero >{disk}/other && exec "$@"'
    alone = ("unshare", "-rm", "sh", "-c", inside, "sh")
    tried = subprocess.run([*alone, "true"], capture_output=True, timeout=60, check=False)
    if tried.returncode:
        pytest.skip(f"no disk can be mounted here: {tried.stderr!r}")
    assert "too little space" in one_line(get(NAME, "--yes", prefix=alone))


@pytest.mark.parametrize("path", ["../outside.json", "/etc/outside.json", "a\\..\\outside.json"])
def test_paths_outside_the_folder_are_refused(get: Get, hub: Hub, tmp_path: Path, path: str) -> None:
    hub.files[FOLDER] = {path: b"{}", "model.safetensors": WEIGHTS}
    assert "the hub's answer is invalid" in one_line(get(NAME, "--yes", "--form", "safetensors"))
    assert not list(tmp_path.rglob("outside.json"))


def test_unknown_names_and_forms(get: Get, hub: Hub) -> None:
    assert "the catalogue has no nothing" in one_line(get("nothing", "--yes"))
    assert "no gguf that runs here" in one_line(get("mellum-4b", "--yes", "--form", "gguf"))


def test_a_fetched_model_works(get: Get, hub: Hub, tmp_path: Path) -> None:
    """With a small model in place of the large one: the engine finds it by the catalogue's name, and completes."""
    hub.files[FOLDER] = {file.name: file.read_bytes() for file in SMALL.iterdir() if file.is_file()} | {
        "pytorch_model.bin": b"pickled"
    }
    before = run(hub, tmp_path, "complete", "--model", NAME, "--set", "deadlineMs=60000")
    assert f"`aix-lsp models get {NAME}`" in before.stderr, before
    assert get(NAME, "--yes", "--form", "safetensors").returncode == 0
    assert not hub.downloads("pytorch_model.bin")
    listed = json.loads(run(hub, tmp_path, "models", "--json").stdout)
    assert next(one for one in listed["catalogue"] if one["name"] == NAME)["downloaded"]
    end_engines(tmp_path / "aix")  # the one without a model would keep reporting that for some seconds
    done = run(hub, tmp_path, "complete", "--model", NAME, "--set", "deadlineMs=60000")
    end_engines(tmp_path / "aix")
    assert done.returncode == 0 and done.stdout.strip(), done


def run(hub: Hub, home: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    source = home / "source.py"
    source.write_text("def add(a, b):\n    return\n")
    where = [str(source), "--at", "2:11"] if command == "complete" else []
    return subprocess.run(
        [sys.executable, "-m", "aix_lsp", command, *where, *arguments], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=240, check=False, env=environment(hub, home),
    )  # fmt: skip
