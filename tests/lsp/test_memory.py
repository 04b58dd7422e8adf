"""The server releases memory used by its threads and its former clients."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import ctypes, sys, threading
from aix_lsp.lsp.main import give_memory_back
give_memory_back()
together = threading.Barrier(16)
kept = []
def work():
    together.wait()
    for _ in range(50):
        kept.append(bytes(100_000))
    together.wait()
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's memory"
)
def test_all_threads_share_one_arena(tmp_path: Path) -> None:
    file = tmp_path / "malloc"
    subprocess.run([sys.executable, "-P", "-c", _PROGRAM, str(file)], check=True, timeout=120)
    assert len(re.findall("<heap nr=", file.read_text())) == 1


_FREEZING = """
import gc
from aix_lsp.lsp.main import default_dependencies
from aix_lsp.lsp.options import LspOptions
class Former:
    pass
gone = []
import weakref
for number in range(3):
    default_dependencies(LspOptions()).warm_up()
    former = Former()
    former.itself = former
    gone.append(weakref.ref(former))
    if number:
        default_dependencies(LspOptions()).warm_up()
    del former
gc.collect()
assert [each() for each in gone] == [None] * 3
"""


def test_objects_of_former_clients_are_collected() -> None:
    """Modules are frozen for the garbage collector when the first client connects; sessions never are."""
    ended = subprocess.run([sys.executable, "-P", "-c", _FREEZING], timeout=120, check=False)
    assert ended.returncode == 0
