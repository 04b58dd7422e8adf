"""What child processes are started with: environment, folder and module path name nothing of an opened project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aix_lsp import __main__, paths, processes

ROOT = Path(__file__).parents[2]


def test_a_childs_environment(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "open", tmp_path / "elsewhere"
    installed = elsewhere / "site-packages"
    inherited = {
        "PATH": os.pathsep.join(["", ".", "bin", "/usr/bin"]),
        "HOME": "/home/u",
        "PYTHONPATH": os.pathsep.join(
            [".", str(here), str(elsewhere), str(installed), str(here / "site-packages")]
        ),
        "PYTHONSTARTUP": "x.py",
        "PYTHONWARNINGS": "error::evil.Evil",
        "PYTHONPYCACHEPREFIX": str(elsewhere),
        "PYTHONINSPECT": "1",
        "PYTHONHOME": str(here),
        "PYTHONUSERBASE": str(elsewhere),
        "PYTHONUTF8": "1",
    }
    found = processes.environment(inherited, str(here))
    assert found["PYTHONPATH"] == os.pathsep.join([str(processes.ROOT), str(installed)])
    assert found["PATH"] == "/usr/bin"
    assert {name for name in found if name.startswith("PYTHON")} == {
        "PYTHONPATH",
        "PYTHONSAFEPATH",
        "PYTHONUSERBASE",
        "PYTHONUTF8",
    }
    assert found["HOME"] == "/home/u"


def test_a_child_is_not_told_the_servers_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIX_LSP_TOKEN", "secret")
    assert "secret" not in processes.run_code("import os; print(dict(os.environ))", 60).stdout


def test_a_child_works_in_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    done = processes.run_code("import os, sys; print(os.getcwd()); print('' in sys.path)", 60)
    assert done.stdout.split() == [str(paths.runtime_dir()), "False"]


def test_every_child_process_is_started_in_one_place() -> None:
    starters = (
        "subprocess.Popen(",
        "subprocess.run(",
        "create_subprocess",
        "sys.executable,",
        "os.system",
        "os.exec",
    )
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "aix_lsp").rglob("*.py")
        if any(starter in path.read_text("utf-8") for starter in starters)
    }
    assert found == {"aix_lsp/processes.py"}


@pytest.mark.parametrize(
    ("path", "pythonpath", "safe", "kept"),
    [
        (["/w", "/usr/lib/python3", "/v/site-packages"], "", False, ["/usr/lib/python3", "/v/site-packages"]),
        (["/usr/lib/python3"], "", True, ["/usr/lib/python3"]),
        (["/bin", ".", "", "lib", "/usr/lib/python3"], ".", False, ["/usr/lib/python3"]),
        (["/bin", "/deps", "/usr/lib/python3"], "/deps", False, ["/usr/lib/python3", "/deps"]),
        (
            ["/bin", "{here}/src", "{here}", "/usr/lib/python3"],
            "{here}:{here}/src",
            False,
            ["/usr/lib/python3"],
        ),
    ],
)
def test_the_module_path(
    path: list[str],
    pythonpath: str,
    safe: bool,
    kept: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [entry.format(here=tmp_path) for entry in path]
    environment = {"PYTHONPATH": pythonpath.format(here=tmp_path)}
    assert __main__.close_module_path(given, environment, safe=safe) == [*kept, str(ROOT)]
