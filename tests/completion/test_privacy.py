"""Files that must never be sent: by name, by ignore files, by settings; untitled buffers may."""

from __future__ import annotations

from pathlib import Path

import pytest

from aix_lsp.completion.privacy import Privacy, inactive_reason
from aix_lsp.settings import Settings


@pytest.mark.parametrize(
    ("name", "inactive"),
    [
        (".env", True),
        (".env.production", True),
        (".ENV", True),
        ("prod.env", True),
        (".env.example", False),
        ("environment.py", False),
        ("id_rsa", True),
        ("id_ed25519.pub", False),
        ("server.pem", True),
        ("key.py", False),
        (".aws/credentials", True),
        ("src/credentials.py", False),
        (".ssh/config", True),
        ("infra/prod.tfvars", True),
        ("a.py", False),
        ("with space/ü.py", False),
    ],
)
def test_by_name(tmp_path: Path, name: str, inactive: bool) -> None:
    reason = inactive_reason((tmp_path / name).as_uri(), Settings(), [tmp_path])
    assert (reason is not None) == inactive
    if reason:
        assert "aix.exclude" in reason


@pytest.mark.parametrize(
    ("uri", "inactive"),
    [
        ("untitled:Untitled-1", False),
        ("vscode-notebook-cell:/home/a/b.ipynb#X1", False),
        ("vscode-remote://host/home/a/.env", True),
        ("git:/home/a/.env?ref", True),
        ("", False),
        ("file://[bad", False),
        ("not a uri at all", False),
    ],
)
def test_other_schemes(uri: str, inactive: bool) -> None:
    assert (inactive_reason(uri, Settings()) is not None) == inactive


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / ".git/info").mkdir(parents=True)
    (tmp_path / ".git/info/exclude").write_text("mine.py\n")
    (tmp_path / ".gitignore").write_text("build/\n*.log\n!keep.log\n/top.py\n# comment\n\n[bad\n")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/.gitignore").write_text("!b/debug.log\nlocal.py\n")
    (tmp_path / "a/.aixignore").write_text("b/private.py\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build/.gitignore").write_text("!*\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "inactive"),
    [
        ("a/b/c.py", False),
        ("x.log", True),
        ("keep.log", False),
        ("a/x.log", True),
        ("a/b/debug.log", False),
        ("a/local.py", True),
        ("local.py", False),
        ("a/b/private.py", True),
        ("top.py", True),
        ("a/top.py", False),
        ("build/x.py", True),
        ("a/build/deep/x.py", True),
        ("mine.py", True),
    ],
)
@pytest.mark.parametrize("root", ["", "a", None])
def test_ignore_files_up_to_the_repositorys_top(
    tree: Path, name: str, inactive: bool, root: str | None
) -> None:
    roots = [] if root is None else [tree / root]
    assert (inactive_reason((tree / name).as_uri(), Settings(), roots) is not None) == inactive


def test_an_ignore_file_of_a_workspace_without_git(tmp_path: Path) -> None:
    (tmp_path / ".aixignore").write_text("notes/\n")
    uri = (tmp_path / "notes/deep/a.md").as_uri()
    assert inactive_reason(uri, Settings(), [tmp_path]) is not None
    assert inactive_reason(uri, Settings(), []) is None


def test_the_setting_goes_first(tree: Path) -> None:
    settings = Settings(exclude=["drafts/", "!x.log", "!.env"])
    assert inactive_reason((tree / "drafts/a.md").as_uri(), settings, [tree]) is not None
    assert inactive_reason((tree / "x.log").as_uri(), settings, [tree]) is None
    assert inactive_reason((tree / ".env").as_uri(), settings, [tree]) is None


def test_answers_are_remembered_by_settings(tree: Path) -> None:
    privacy = Privacy(lambda: [tree])
    uri = (tree / "a/b/c.py").as_uri()
    assert privacy.inactive_reason(uri, Settings()) is None
    assert privacy.inactive_reason(uri, Settings(exclude=["c.py"])) is not None
