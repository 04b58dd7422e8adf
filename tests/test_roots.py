"""The innermost workspace folder that contains a path is found, however both are spelt, and without blocking."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as run
from hypothesis import strategies as st

from aix_lsp import roots
from aix_lsp.roots import RootFinder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """`work/inner/src`, and links to each of its folders, also within each other."""
    (tmp_path / "work/inner/src").mkdir(parents=True)
    (tmp_path / "a").symlink_to("work")
    (tmp_path / "b").symlink_to(tmp_path / "a/inner")
    (tmp_path / "work/up").symlink_to("..")
    return tmp_path


_WORK = ["work", "a", "work/up/work", "a/up/a"]
_INNER = [*(f"{work}/inner" for work in _WORK), "b", "a/up/b"]


@run(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outer=st.sampled_from(_WORK),
    inner=st.none() | st.sampled_from(_INNER),
    spelt=st.sampled_from(_INNER),
    first=st.booleans(),
)
def test_spelling_does_not_matter(tree: Path, outer: str, inner: str | None, spelt: str, first: bool) -> None:
    folders = [tree / outer, *([tree / inner] if inner else [])]
    found = RootFinder(60).find(tree / spelt / "src/new.py", folders if first else folders[::-1])
    expected = (tree / inner, Path("src/new.py")) if inner else (tree / outer, Path("inner/src/new.py"))
    assert found == expected
    assert RootFinder(60).find(tree / "elsewhere/new.py", folders) is None


def test_a_hanging_file_system_is_queried_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released, threads = threading.Event(), list[threading.Thread]()
    real = roots._identity

    def hanging(folder: Path) -> tuple[int, int] | None:
        threads.append(threading.current_thread())
        assert released.wait(60)
        return real(folder)

    monkeypatch.setattr(roots, "_identity", hanging)
    finder = RootFinder(0.01)
    for name in ("work", "a", "b"):
        assert finder.find(tree / name / "x.py", [tree / "a"]) == (
            (tree / "a", Path("x.py")) if name == "a" else None
        )
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
    released.set()
