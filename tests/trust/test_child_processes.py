"""The environment, folder and module path of child processes name nothing in an open project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aix_lsp import __main__, paths, processes

ROOT = Path(__file__).parents[2]
_NAMES = """
AIX_LSP_HOME XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR TMPDIR TEMP SSL_CERT_FILE
SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_DIR GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_EXTERNAL_DIFF
GIT_SSH_COMMAND GIT_EXEC_PATH HF_HOME HF_HUB_CACHE TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR CC CXX OLLAMA_MODELS
AIX_LSP_EMBEDDED PYTHONUSERBASE PYTHONHOME NODE_OPTIONS_FILE
"""


def test_the_environment_of_a_child_process(tmp_path: Path) -> None:
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


def test_no_variable_names_the_open_folder(tmp_path: Path) -> None:
    """Variables that a project's `.envrc` may set and the editor passes on."""
    here, mine = tmp_path / "open", tmp_path / "mine"
    names = _NAMES.split()
    lists = ("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH")
    inherited = {"HOME": str(tmp_path / "home"), "PWD": str(here), "PATH": f"{here}/bin{os.pathsep}/usr/bin"}
    inherited |= {name: str(here / "x") for name in (*names, *lists)}
    found = processes.environment(inherited, str(here))
    kept = {"HOME", "PWD", "PATH", "PYTHONPATH", "PYTHONSAFEPATH"}
    assert found.keys() == kept | ({"NoDefaultCurrentDirectoryInExePath"} if os.name == "nt" else set())
    assert found["PATH"] == "/usr/bin"
    inherited |= {name: str(mine / "x") for name in (*names, *lists)}
    found = processes.environment(inherited, str(here))
    assert found.items() >= {name: str(mine / "x") for name in (*names, *lists)}.items()
    inherited |= dict.fromkeys(lists, f"lib/x{os.pathsep}{here / 'x'}{os.pathsep}{mine / 'x'}")
    assert {processes.environment(inherited, str(here))[name] for name in lists} == {str(mine / "x")}


@pytest.mark.parametrize(("variable", "folder"), [("AIX_LSP_HOME", "config"), ("XDG_CONFIG_HOME", "aix-lsp")])
def test_settings_in_the_open_folder_are_not_the_users(tmp_path: Path, variable: str, folder: str) -> None:
    """Whichever variable names them: what they contain would be run or contacted."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for place in (project / "x", elsewhere / "x"):
        (place / folder).mkdir(parents=True)
        (place / folder / "config.toml").write_text('url = "http://evil.example"\n')
    shown = []
    for place in (elsewhere / "x", project / "x"):
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "AIX_"))
        }
        done = subprocess.run(
            [sys.executable, "-P", "-m", "aix_lsp", "settings"],
            cwd=project,
            env=inherited | {"HOME": str(tmp_path / "home"), variable: str(place)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        shown.append("evil.example" in done.stdout)
    assert shown == ([True, False] if sys.platform == "linux" or folder == "config" else [False, False])


def test_a_team_servers_data_may_lie_where_it_is_started() -> None:
    assert __main__.open_folder(["serve", "--port", "1"]) == ""
    assert __main__.open_folder(["doctor"]) is None and __main__.open_folder([]) is None


def test_a_relative_file_is_not_looked_for_in_the_open_folder(tmp_path: Path) -> None:
    inherited = {
        "SSL_CERT_FILE": "./ca.pem",
        "TMPDIR": "a/tmp",
        "CXX": "./c++",
        "HTTPS_PROXY": "http://p:3128",
    }
    found = processes.environment(inherited, str(tmp_path))
    assert found.keys() & inherited.keys() == {"HTTPS_PROXY"}


@pytest.fixture(name="account")
def _account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home folder according to the system's user database."""
    home = tmp_path / "account"
    home.mkdir()
    monkeypatch.setattr(processes, "_home_of_account", lambda: str(home))
    return home


@pytest.mark.parametrize("place", ["", "home", "../other/home"])
def test_a_project_cannot_declare_itself_the_users_home(tmp_path: Path, account: Path, place: str) -> None:
    """Set by an `.envrc`; a different home elsewhere is the user's own choice."""
    project = tmp_path / "project"
    home = os.path.normpath(project / place)
    inherited = {"HOME": home, "AIX_LSP_HOME": str(project / "x"), "XDG_CONFIG_HOME": str(project / "y")}
    found = processes.environment(inherited, str(project))
    assert found.keys() & inherited.keys() == {"HOME"}
    assert found["HOME"] == (home if ".." in place else str(account))


def test_a_warning_that_nobody_reads_does_no_harm(tmp_path: Path) -> None:
    """An editor may have closed the pipe, as Emacs did."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "aix_lsp", "--version"],
            cwd=tmp_path,
            env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=closed,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0 and done.stdout.startswith(b"aix-lsp ")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no list of users to ask")
def test_a_project_set_as_home_configures_nothing(tmp_path: Path) -> None:
    """The whole program, with the system's real user database."""
    (tmp_path / ".config" / "aix-lsp").mkdir(parents=True)
    (tmp_path / ".config" / "aix-lsp" / "config.toml").write_text('url = "http://evil.example"\n')
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "AIX_"))}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "aix_lsp", "settings"],
        cwd=tmp_path,
        env=inherited | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and "evil.example" not in done.stdout
    assert f"HOME={tmp_path} is ignored" in done.stderr


def test_the_environment_is_trusted_if_the_system_knows_no_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container that runs as a numeric user id."""
    monkeypatch.setattr(processes, "_home_of_account", lambda: "")
    inherited = {"HOME": str(tmp_path), "AIX_LSP_HOME": str(tmp_path / "x")}
    assert processes.environment(inherited, str(tmp_path)).items() >= inherited.items()


def test_all_of_the_users_settings_apply_in_the_users_own_folder(account: Path) -> None:
    inherited = {
        "HOME": str(account),
        "XDG_CONFIG_HOME": str(account / "settings"),
        "TMPDIR": str(account / "tmp"),
    }
    assert processes.environment(inherited, str(account)).items() >= inherited.items()


@pytest.mark.skipif(os.name == "nt", reason="the variable is Unix's")
def test_a_library_of_the_project_is_not_loaded_into_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("LD_PRELOAD", str(project / "evil.so"))
    done = processes.run_code("import os; print(os.environ.get('LD_PRELOAD'))", 60)
    assert (done.stdout.strip(), done.stderr) == ("None", "")


def test_a_child_process_does_not_get_the_servers_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIX_LSP_TOKEN", "secret")
    assert "secret" not in processes.run_code("import os; print(dict(os.environ))", 60).stdout


def test_a_child_process_works_in_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
