"""The checks that `aix-lsp doctor` makes before it starts an engine. Torch is tried in a separate process."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aix_lsp
from aix_lsp import files, machine, paths, processes
from aix_lsp.backends.engine_endpoint import HAS_UNIX_SOCKETS
from aix_lsp.commands import editor_config
from aix_lsp.gguf.header import is_gguf
from aix_lsp.models import catalogue
from aix_lsp.settings import Problem, Settings

_TORCH_S = 120.0
_EDITORS = {
    "nvim": "neovim",
    "code": "vscode",
    "codium": "vscode",
    "emacs": "emacs",
    "hx": "helix",
    "helix": "helix",
    "vim": "vim-ale",
    "kate": "kate",
    "subl": "sublime",
    "zed": "zed",
    "zeditor": "zed",
    "idea": "jetbrains",
    "pycharm": "jetbrains",
}
_TORCH_PROBE = """
import json, torch, transformers
mps = torch.backends.mps.is_available()
cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(json.dumps([torch.__version__, transformers.__version__, cuda, mps, torch.get_num_threads()]))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `remedy` says how to fix the problem; empty if there is no problem."""

    subject: str
    found: str
    remedy: str = ""
    fatal: bool = False
    """Whether further checks are pointless."""


def python() -> Finding:
    version = platform.python_version()
    text = f"{version} on {platform.system()} {platform.machine()} ({sys.executable})"
    return Finding("Python", text, "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer.")


def package() -> Finding:
    where = Path(aix_lsp.__file__).parent
    found = shutil.which("aix-lsp")
    command = found or "not on the PATH, so editors need its path: `aix-lsp init` prints it"
    return Finding("aix-lsp", f"{aix_lsp.__version__} in {where}, command {command}")


def settings_files(problems: list[Problem]) -> Iterator[Finding]:
    if not problems:
        yield Finding("settings", "no problems")
    for problem in problems:
        yield Finding(
            "settings", str(problem), "Correct the file; `aix-lsp settings` shows the settings in effect."
        )


def torch() -> Finding:
    """Whether torch and transformers can be imported, and which devices they find."""
    try:
        done = processes.run_code(_TORCH_PROBE, _TORCH_S)
    except subprocess.TimeoutExpired:
        return Finding(
            "torch", f"not imported within {_TORCH_S:g} s", "Check the disk and the machine's load.", True
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding("torch", last, f"{sys.executable} -m pip install --upgrade torch transformers", True)
    torch_version, transformers_version, cuda, mps, threads = json.loads(done.stdout.splitlines()[-1])
    devices = ", ".join([*cuda, *(["Apple GPU"] if mps else []), f"CPU with {threads} threads"])
    return Finding("torch", f"{torch_version}, transformers {transformers_version}; {devices}")


def memory() -> Finding:
    """Free memory, if the system reports it."""
    free = machine.available_bytes()
    if free is None:
        return Finding("memory", "unknown on this system")
    low = free < 1 << 30
    return Finding(
        "memory",
        f"{free / (1 << 30):.1f} GiB free",
        "Close other programs, or lower kvMemoryMb; torch alone takes about 0.4 GiB." if low else "",
    )


def folders() -> Iterator[Finding]:
    """Whether the program can write its files and bind a socket."""
    for name, folder in (("logs", paths.log_dir), ("state", paths.state_dir), ("sockets", paths.runtime_dir)):
        try:
            path = folder()
            probe = path / f".doctor-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            yield Finding(name, str(error), "Set AIX_LSP_HOME to a folder that you can write.", True)
        else:
            yield Finding(name, str(path))
    if HAS_UNIX_SOCKETS:
        yield _socket()


def model(settings: Settings) -> Finding:
    """Whether a model can be where the settings say."""
    folder = paths.folder_named(settings.model)
    entry = catalogue.find(settings.model)
    if entry is not None:
        folder = catalogue.downloaded(entry)
        if folder is None:
            remedy = f"Run `aix-lsp models get {entry.name}`."
            return Finding("model", f"{entry.name} is not on this computer", remedy, True)
    if settings.model == "embedded":
        folder = Path(aix_lsp.__file__).parent / "embedded"
        if not (folder / "config.json").exists():
            return Finding("model", f"{folder} is incomplete", "Install aix-lsp again.", True)
    elif folder is None:
        return Finding("model", f"{settings.model} (a Hugging Face id)")
    elif folder.is_file() and (folder.suffix == ".gguf" or is_gguf(folder)):
        # What may be wrong with it, the engine says.
        return Finding("model", f"{folder} ({folder.stat().st_size / (1 << 20):.0f} MiB)")
    elif not folder.is_dir():
        remedy = "Set model to a folder or a GGUF file that exists."
        return Finding("model", f"{folder} is neither a folder nor a GGUF file", remedy, True)
    missing = [name for name in ("config.json", "tokenizer_config.json") if not (folder / name).exists()]
    if missing:
        return Finding(
            "model", f"{folder} has no {missing[0]}", "Set model to a folder saved by transformers.", True
        )
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return Finding("model", f"{folder} ({size / (1 << 20):.0f} MiB of weights)")


def editors() -> Iterator[Finding]:
    """Editors on this machine, and how each is set up."""
    found = {name: where for name in _EDITORS if (where := shutil.which(name))}
    for name, where in found.items():
        yield Finding("editor", f"{where}: {_setup_of(_EDITORS[name])}")
    if not found:
        yield Finding("editor", "no supported editor is on the PATH; `aix-lsp init --help` lists them")


def _setup_of(editor: str) -> str:
    """How an editor is set up, or can be: by the file that `aix-lsp init --write` would change, if there is one."""
    says = f"run `aix-lsp init {editor}` for instructions"
    try:
        path = editor_config.config_file_of(editor).path
        if "aix-lsp" in files.read_text(path, 1 << 20):
            return f"set up in {path}"
    except editor_config.CannotConfigure:
        return says
    except (OSError, UnicodeError):
        pass
    return f"{says}, or with --write to set it up"


def _socket() -> Finding:
    try:
        path = paths.socket_path(f"doctor-{os.getpid()}.sock")
    except OSError as error:
        return Finding("socket", str(error), "Set AIX_LSP_HOME to a folder on a local disk.", True)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    except OSError as error:
        return Finding("socket", f"{path}: {error}", "Set AIX_LSP_HOME to a folder on a local disk.", True)
    finally:
        path.unlink(missing_ok=True)
    return Finding("socket", f"{path.parent} supports sockets")
