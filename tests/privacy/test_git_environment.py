"""A file belongs to the repository of the folders around it, whatever the environment says."""

from __future__ import annotations

from pathlib import Path

import pytest

from aix_lsp.privacy.ignore import IgnoreFiles


def repository(top: Path, excluded: str) -> Path:
    (top / ".git/info").mkdir(parents=True)
    (top / ".git/info/exclude").write_text(excluded)
    return top


@pytest.mark.parametrize("names", [("GIT_DIR",), ("GIT_DIR", "GIT_WORK_TREE"), ("GIT_COMMON_DIR",)])
def test_a_hooks_repository_is_not_taken_for_the_files(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """An editor that a git hook started, as for a commit's message, inherits these variables."""
    opened, hooks = repository(tmp_path / "opened", "mine.py"), repository(tmp_path / "hooks", "theirs.py")
    for name in names:
        monkeypatch.setenv(name, str(hooks if name == "GIT_WORK_TREE" else hooks / ".git"))
    files = IgnoreFiles()
    assert files.ignored(opened / "mine.py", opened)
    assert not files.ignored(opened / "theirs.py", opened)
