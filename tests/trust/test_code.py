"""Opening a workspace runs none of its code: in the server, its child processes, and the commands."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aix_lsp import processes
from aix_lsp.completion.context.index_client import IndexClient
from aix_lsp.settings.names import options
from tests.client.editor import Editor
from tests.client.lsp import inline_items
from tests.client.readiness import NotReady, wait_until_ready
from tests.end_to_end.conftest import PATIENT, SOURCE
from tests.trust.hostile import ran, write_modules

ROOT = Path(__file__).parents[2]
AS_MODULE = [sys.executable, "-m", "aix_lsp"]
SAFELY = [sys.executable, "-P", "-m", "aix_lsp"]
SCRIPT = [str(Path(sys.executable).with_name("aix-lsp"))]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("pythonpath", [None, ".", os.pathsep, "{workspace}", "{workspace}/lib"], ids=str)
@pytest.mark.parametrize("start", [AS_MODULE, SAFELY], ids=["-m", "-P -m"])
def test_the_server_imports_nothing_from_its_folder(
    start: list[str], pythonpath: str | None, workspace: Path, marker: Path, tmp_path: Path
) -> None:
    """Every import of the server and of a command, with each way to put the folder on the module path."""
    write_modules(workspace, marker, package=False)
    (workspace / "lib").mkdir()
    write_modules(workspace / "lib", marker, package=False)
    if start is AS_MODULE or pythonpath is not None:
        for folder in (workspace, workspace / "lib"):
            for name in _imported_before_any_program(tmp_path):
                (folder / f"{name}.py").unlink(missing_ok=True)
    environment = {**os.environ, "AIX_LSP_HOME": str(tmp_path / "home")}
    environment.pop("PYTHONPATH", None)
    if pythonpath is not None:
        environment["PYTHONPATH"] = pythonpath.format(workspace=workspace)
    for arguments in (["--stdio"], ["settings"]):
        done = subprocess.run(
            [*start, *arguments],
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert ran(marker) == "", done.stderr.decode()
        assert b"Traceback" not in done.stderr, done.stderr.decode()


def _imported_before_any_program(folder: Path) -> set[str]:
    """Modules that `python -m` and an interpreter with PYTHONPATH import at startup: no program can prevent that."""
    (folder / "named.py").write_text(
        "import sys; print(' '.join({n.partition('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-m", "named"], cwd=folder, capture_output=True, text=True, check=True
    )
    return {*done.stdout.split(), "sitecustomize", "usercustomize"}


@pytest.mark.parametrize("start", [AS_MODULE, SAFELY], ids=["-m", "-P -m"])
async def test_a_whole_session_in_a_hostile_workspace(
    start: list[str], workspace: Path, marker: Path, fresh_home: Path
) -> None:
    """Server, engine, index searcher and index builder, for one completion."""
    write_modules(workspace, marker, package=start is SAFELY)
    for name in _imported_before_any_program(workspace.parent) if start is AS_MODULE else ():
        (workspace / f"{name}.py").unlink(missing_ok=True)
    async with await Editor.start(
        fresh_home, cwd=workspace, env={"PYTHONPATH": "", "PYTHONWARNINGS": "default"}, program=start
    ) as editor:
        await editor.initialize(root=workspace, options=PATIENT | {"recall": False})
        await wait_until_ready(editor)
        buffer = editor.open(workspace / "ledger.py", SOURCE)
        assert inline_items(await editor.inline(buffer, "invoked").result())
        assert ran(marker) == ""
    assert ran(marker) == ""


async def test_the_index_processes_import_nothing_from_the_folder(
    workspace: Path, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(workspace))
    monkeypatch.setenv("PYTHONSTARTUP", str(workspace / "json.py"))
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(workspace))
    monkeypatch.setenv("PYTHONUSERBASE", str(workspace))
    monkeypatch.chdir(workspace)
    write_modules(workspace, marker, package=True)
    indexed = asyncio.Event()
    searcher = IndexClient(lambda *_: None, indexed.set)
    searcher.open(workspace, [])
    await asyncio.wait_for(indexed.wait(), 90)
    await searcher.close()
    assert ran(marker) == ""


@pytest.mark.parametrize("command", [["settings"], ["models"], ["stats"], ["init", "neovim"], ["--help"]])
def test_commands_run_nothing_from_the_folder(
    command: list[str], workspace: Path, marker: Path, tmp_path: Path
) -> None:
    write_modules(workspace, marker, package=True)
    environment = {**os.environ, "AIX_LSP_HOME": str(tmp_path / "home"), "PYTHONPATH": ""}
    done = subprocess.run(
        [*SCRIPT, *command], cwd=workspace, env=environment, capture_output=True, timeout=60, check=False
    )
    assert ran(marker) == ""
    assert done.returncode == 0, done.stderr.decode()


def test_the_doctors_torch_check_runs_nothing_from_the_folder(
    workspace: Path, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(workspace))
    monkeypatch.chdir(workspace)
    write_modules(workspace, marker, package=True)
    done = processes.run_code("import json, sqlite3; print(json.__file__)", 60)
    assert done.returncode == 0, done.stderr
    assert ran(marker) == ""


MODEL_CODE = """
import pathlib
pathlib.Path({marker!r}).write_text("ran")
"""


@pytest.mark.parametrize("how", ["user file", "flag", "client"])
async def test_a_hub_id_is_never_a_folder_of_the_project(
    how: str, workspace: Path, marker: Path, fresh_home: Path
) -> None:
    """The user has chosen acme/coder and trusts its code; the project has a folder with that name."""
    model = workspace / "acme" / "coder"
    model.mkdir(parents=True)
    (model / "modeling_evil.py").write_text(MODEL_CODE.format(marker=str(marker)))
    (model / "configuration_evil.py").write_text(MODEL_CODE.format(marker=str(marker)))
    config = {
        "model_type": "evil",
        "auto_map": {
            "AutoConfig": "configuration_evil.Evil",
            "AutoModelForCausalLM": "modeling_evil.Evil",
        },
    }
    (model / "config.json").write_text(json.dumps(config))
    (model / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    settings = {"model": "acme/coder", "trustRemoteCode": True, "offline": True}
    flags = ["--model", "acme/coder", "--set", "trustRemoteCode=true", "--set", "offline=true"]
    if how == "user file":
        (fresh_home / "config").mkdir()
        (fresh_home / "config" / "config.toml").write_text(
            'model = "acme/coder"\ntrustRemoteCode = true\noffline = true\n'
        )
    async with await Editor.start(
        fresh_home, *(flags if how == "flag" else []), cwd=workspace, env={"HF_HOME": str(fresh_home / "hub")}
    ) as editor:
        await editor.initialize(root=workspace, options=settings if how == "client" else {})
        with pytest.raises(NotReady, match="no local copy of acme/coder"):
            await wait_until_ready(editor)
    assert ran(marker) == ""


async def test_a_client_cannot_name_a_folder_relative_to_the_project(
    workspace: Path, fresh_home: Path
) -> None:
    async with await Editor.start(fresh_home, cwd=workspace) as editor:
        await editor.initialize(root=workspace, options={"model": "./acme/coder", "offline": True})
        shown = await editor.wire.wait_for(
            lambda: [n.params for n in editor.wire.notifications if n.method == "window/showMessage"]
        )
        assert "model in initializationOptions: must be an absolute folder" in shown[0]["message"]


def test_editors_install_and_start_nothing_from_the_folder() -> None:
    """Python started by an editor must not look for modules in the project; nor may a project choose the command."""
    neovim = (ROOT / "editors/neovim/lua/aix_lsp/install.lua").read_text("utf-8")
    vscode = (ROOT / "editors/vscode/src/install.ts").read_text("utf-8")
    assert "'-c'" not in neovim.replace("'-I', '-c'", "") and '"-c"' not in vscode.replace('"-I", "-c"', "")
    assert "'venv'" not in neovim.replace("'-I', '-m', 'venv'", "")
    assert '"venv"' not in vscode.replace('"-I", "-m", "venv"', "")
    manifest = json.loads((ROOT / "editors/vscode/package.json").read_text("utf-8"))
    assert manifest["capabilities"]["untrustedWorkspaces"]["supported"] == "limited"
    properties = [each["properties"] for each in manifest["contributes"]["configuration"]]
    scopes = {name: value.get("scope") for group in properties for name, value in group.items()}
    users = {f"aix.{name}" for name, option in options().items() if option.scope == "user"}
    assert len(users) > 10 and {scopes[name] for name in users} == {"machine"}
    server = {name for name in scopes if name.startswith("aix.server.")}
    restricted = set(manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"])
    assert server and server <= restricted | {name for name in server if scopes[name] == "machine"}


def test_emacs_asks_before_it_applies_a_projects_dir_locals(tmp_path: Path) -> None:
    emacs = shutil.which("emacs")
    if emacs is None:
        pytest.skip("Emacs is not here")
    forms = (
        "(princ (list (risky-local-variable-p 'aix-lsp-command) (risky-local-variable-p 'aix-lsp-settings)))"
    )
    load = ["-Q", "--batch", "-L", str(ROOT / "editors/emacs"), "-l", "aix-lsp-client"]
    done = subprocess.run(
        [emacs, *load, "--eval", forms], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "(t t)"
