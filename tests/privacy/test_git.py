"""Ignored files are the same as git's: random trees and rules, compared with `git check-ignore`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aix_lsp.files import Unreadable
from aix_lsp.privacy.ignore import IgnoreFiles
from aix_lsp.settings import Settings
from tests.privacy.judged import inactive_reason

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is the oracle")

_NAMES = ["a", "b", "ab", "a.c", "x.log", "B", "ä", "a b", "[x]", "foo"]
_FOLDERS = ["d", "D", "deep", "a"]
_PIECES = [
    *["**", "**/", "*.c", "[a-c]", "[!a]", "[[:alpha:]]", "[c-a]", "[b-\\]x]", "\0"],
    *["x.log", "d", "deep", "foo", "ä", " ", *"ab*?/.[]!\\"],
]


def git(folder: Path, *arguments: str, given: str = "") -> str:
    """Run git; returns its output."""
    ran = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=given.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return ran.stdout.decode("utf-8", "surrogateescape")


def ignored_by_git(top: Path, paths: Sequence[str]) -> set[str]:
    """Which of the paths git ignores, whether or not it tracks them."""
    out = git(top, "check-ignore", "--no-index", "-z", "--stdin", given="\0".join(paths))
    return {path for path in out.split("\0") if path}


def ignored_by_us(top: Path, paths: Sequence[str], root: Path | None) -> set[str]:
    files = IgnoreFiles()
    return {path for path in paths if files.ignored(top / path, root, (top / path).is_dir()) is not None}


@pytest.fixture(autouse=True)
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty home."""
    home = tmp_path / "user"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return home


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "w"
    top.mkdir()
    git(top, "init", "-q", "--template=")
    (top / ".git/info").mkdir()
    return top


_name = st.sampled_from(_NAMES)
_path = st.builds(
    lambda folders, name: "/".join([*folders, name]), st.lists(st.sampled_from(_FOLDERS), max_size=3), _name
)
_pattern = st.builds(
    lambda allows, parts, behind: allows + "".join(parts) + behind,
    st.sampled_from(["", "", "!"]),
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5),
    st.sampled_from(["", "", "/", "  ", "\r"]),
)
_rules = st.lists(
    st.one_of(_pattern, _path, st.sampled_from(["*", "!*", "!*/", "#a", "\\#a", "d/"])), max_size=5
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.lists(_path, min_size=1, max_size=12, unique=True),
    rules=st.dictionaries(st.sampled_from(["", "d", "d/deep", "a"]), _rules, min_size=1, max_size=3),
    excluded=_rules,
    everywhere=_rules,
    bom=st.booleans(),
    ignore_case=st.booleans(),
)
def test_any_rules_mean_the_same_as_to_git(
    users: Path,
    repository: Path,
    paths: list[str],
    rules: Mapping[str, list[str]],
    excluded: list[str],
    everywhere: list[str],
    bom: bool,
    ignore_case: bool,
) -> None:
    with tempfile.TemporaryDirectory(dir=repository.parent) as place:
        top = Path(place)
        shutil.copytree(repository / ".git", top / ".git")
        with (top / ".git/config").open("a") as config:
            config.write(f"[core]\n\tignorecase = {str(ignore_case).lower()}\n")
        for folder, lines in rules.items():
            (top / folder).mkdir(parents=True, exist_ok=True)
            (top / folder / ".gitignore").write_bytes((bom * "\ufeff" + "\n".join(lines)).encode())
        (top / ".git/info/exclude").write_bytes("\n".join(excluded).encode())
        (users / ".config/git").mkdir(parents=True, exist_ok=True)
        (users / ".config/git/ignore").write_bytes("\n".join(everywhere).encode())
        assert ignored_by_us(top, paths, top) == ignored_by_git(top, paths)


TREE = [
    "a.py",
    "mine.py",
    "d/mine.py",
    "d/deep/a.py",
    "every.py",
    "local.py",
    "linked.py",
    "x.log",
    "keep.log",
]


def written(top: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


@pytest.mark.parametrize("rooted", [True, False])
@pytest.mark.parametrize(
    "config",
    [
        "[core]\n\texcludesFile = ~/every\n",
        '[CORE]\n  ExcludesFile = "~/every" ; mine\n',
        "[core] excludesfile=~/ev\\\nery\n",
        "[include]\n\tpath = more\n",
        '[includeIf "gitdir:w/"]\n\tpath = more\n',
        '[includeIf "onbranch:main"]\n\tpath = more\n',
        '[includeIf "onbranch:ma*"]\n\tpath = more\n',
        '[includeIf "hasconfig:remote.*.url:https://git.example/**"]\n\tpath = more\n',
        "[include]\n\tpath = deep9\n",
    ],
)
def test_the_users_own_rules(users: Path, repository: Path, config: str, rooted: bool) -> None:
    git(repository, "symbolic-ref", "HEAD", "refs/heads/main")
    git(repository, "remote", "add", "origin", "https://git.example/acme/x.git")
    for depth in range(1, 10):
        written(
            users, {f"deep{depth}": f"[include]\n\tpath = {f'deep{depth - 1}' if depth > 1 else 'more'}\n"}
        )
    written(users, {".gitconfig": config, "more": "[core]\nexcludesFile = ~/every\n", "every": "every.py\n"})
    assert ignored_by_git(repository, TREE) == {"every.py"}
    assert ignored_by_us(repository, TREE, repository if rooted else None) == {"every.py"}


@pytest.mark.parametrize(
    "condition", ["onbranch:dev", "onbranch:main/", "hasconfig:remote.*.url:https://*/x"]
)
def test_an_include_whose_condition_is_false(users: Path, repository: Path, condition: str) -> None:
    git(repository, "symbolic-ref", "HEAD", "refs/heads/main")
    git(repository, "remote", "add", "origin", "https://git.example/acme/x.git")
    config = f'[includeIf "{condition}"]\n\tpath = more\n'
    written(users, {".gitconfig": config, "more": "[core]\nexcludesFile = ~/every\n", "every": "every.py\n"})
    assert ignored_by_git(repository, TREE) == ignored_by_us(repository, TREE, repository) == set()


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_CONFIG_PARAMETERS": "'core.excludesfile'='{}'"},
        {"GIT_CONFIG_PARAMETERS": "'user.name=it'\\''s' 'core.excludesFile={}'"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.excludesFile", "GIT_CONFIG_VALUE_0": "{}"},
    ],
)
def test_rules_named_by_the_environment(
    users: Path, repository: Path, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(users, {"every": "every.py\n"})
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(users / "every"))
    assert ignored_by_git(repository, TREE) == ignored_by_us(repository, TREE, repository) == {"every.py"}


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_CONFIG_GLOBAL": os.devnull},
        {"GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_GLOBAL": "~/no-such-file"},
        {"XDG_CONFIG_HOME": os.devnull},
        {"GIT_CONFIG_PARAMETERS": "'core.excludesfile'='/dev/null' 'core.ignorecase'='false'"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.excludesFile", "GIT_CONFIG_VALUE_0": os.devnull},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.ignoreCase", "GIT_CONFIG_VALUE_0": "false"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.excludesFile"},
    ],
)
@pytest.mark.parametrize("config", [".gitconfig", ".config/git/config"])
def test_the_environment_cannot_undo_the_users_own_rules(
    users: Path, repository: Path, variables: Mapping[str, str], config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[core]\nexcludesFile = ~/every\nignoreCase = true\n"
    written(users, {config: text, "every": "EVERY.py\n"})
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ignored_by_us(repository, TREE, repository) == {"every.py"}


def test_the_environment_cannot_undo_the_usual_ignore_file(
    users: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(users, {".config/git/ignore": "every.py\n"})
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    assert ignored_by_us(repository, TREE, repository) == {"every.py"}


def test_a_configuration_that_includes_itself_is_abandoned(repository: Path) -> None:
    with (repository / ".git/config").open("a") as config:
        config.write("[include]\n" + "path = config\n" * 1000)
    with pytest.raises(Unreadable, match="includes more than"):
        ignored_by_us(repository, TREE, repository)
    refused = inactive_reason((repository / "a.py").as_uri(), Settings(), [repository])
    assert refused is not None
    assert "includes more than" in refused


def test_a_repository_cannot_undo_the_users_own_rules(users: Path, repository: Path) -> None:
    written(users, {".gitconfig": "[core]\nexcludesFile = ~/every\n", "every": "every.py\n"})
    written(repository, {"none": "local.py\n"})
    git(repository, "config", "core.excludesFile", "none")
    assert ignored_by_git(repository, TREE) == {"local.py"}
    assert ignored_by_us(repository, TREE, repository) == {"local.py", "every.py"}


def test_a_linked_working_tree(repository: Path, tmp_path: Path) -> None:
    git(repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "a")
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", str(linked))
    written(repository, {".git/info/exclude": "mine.py\n"})
    assert ignored_by_git(linked, TREE) == {"mine.py", "d/mine.py"}
    assert ignored_by_us(linked, TREE, None) == {"mine.py", "d/mine.py"}


@pytest.mark.parametrize("submodule", [True, False])
def test_a_repository_inside_another(repository: Path, submodule: bool) -> None:
    inner = repository / "inner"
    inner.mkdir()
    place = repository / ".git/modules/inner" if submodule else inner / ".git"
    place.parent.mkdir(exist_ok=True)
    git(inner, "init", "-q", *(["--separate-git-dir", str(place)] if submodule else []))
    written(place, {"info/exclude": "mine.py\n"})
    written(repository, {".gitignore": "*.log\n"})
    written(inner, {".gitignore": "local.py\n"})
    own = {"mine.py", "d/mine.py", "local.py"}
    assert ignored_by_git(inner, TREE) == own
    assert ignored_by_us(inner, TREE, None) == own
    assert ignored_by_us(inner, TREE, inner) == own
    # In a workspace of the outer one, the rules of both apply.
    assert ignored_by_us(inner, TREE, repository) == own | {"x.log", "keep.log"}


def test_a_repository_inside_an_ignored_folder(repository: Path) -> None:
    inner = repository / "vendor/inner"
    inner.mkdir(parents=True)
    git(inner, "init", "-q")
    written(repository, {".gitignore": "vendor/\n"})
    assert ignored_by_us(inner, ["a.py"], repository) == {"a.py"}
    assert ignored_by_us(inner, ["a.py"], inner) == set()


def test_git_ignores_rules_behind_a_link(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("*\n")
    (repository / ".gitignore").symlink_to(tmp_path / "rules")
    assert ignored_by_git(repository, TREE) == ignored_by_us(repository, TREE, repository) == set()


def test_anything_but_a_regular_file_has_no_rules(repository: Path) -> None:
    os.mkfifo(repository / ".gitignore")
    (repository / ".aixignore").symlink_to("/dev/zero")
    assert ignored_by_us(repository, TREE, repository) == set()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", [".gitignore", ".aixignore"])
def test_rules_with_a_byte_order_mark_are_read(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes("private.py\n".encode(encoding))
    assert ignored_by_us(tmp_path, ["private.py", "open.py"], tmp_path) == {"private.py"}
