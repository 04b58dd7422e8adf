"""The builder's process: its priority, which cannot be taken back, and its lock."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from pathlib import Path

import pytest

from aix_lsp.completion.context.index.store import Store
from aix_lsp.completion.context.index.worker import Builder

ASKED = """
import os
from aix_lsp.completion.context.index.build import run_idle
run_idle()
print(os.nice(0))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has classes instead of niceness")
@pytest.mark.parametrize(("leads_session", "niceness"), [(True, 19), (False, os.nice(0))])
def test_the_builder_has_the_lowest_priority(leads_session: bool, niceness: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ASKED],
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=leads_session,
    )
    assert ran.stdout.strip() == str(niceness), ran.stderr


def test_building_inside_another_program_leaves_its_priority_alone() -> None:
    busy = (
        "import os, time\nfrom aix_lsp.completion.context.index.build import _Reporter\n"
        "while time.process_time() < 1.1: pass\n"
        "_Reporter(own_process=False)(1, 2)\nprint('niceness', os.nice(0))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", busy], capture_output=True, text=True, timeout=60, start_new_session=True
    )
    assert ran.stdout.splitlines()[-1] == f"niceness {os.nice(0)}", ran.stderr


@pytest.mark.parametrize("what", ["folder", "link"])
def test_anything_may_lie_at_the_lock_path(tmp_path: Path, what: str) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "a.py").write_text("def area(width):\n    return width\n")
    lock = tmp_path / "index.db.lock"
    if what == "folder":
        (lock / "in").mkdir(parents=True)
    else:
        lock.symlink_to(tmp_path / "nowhere" / "there")
    ended: queue.Queue[str] = queue.Queue()
    Builder(tmp_path / "w", tmp_path / "index.db", [], [], lambda *_: None, ended.put)
    assert ended.get(timeout=60) == ""
    store = Store(tmp_path / "index.db")
    assert [path for path, _ in store.stamps()] == ["a.py"]
    store.close()
