"""The index follows its folder, contains nothing private, and is rebuilt if damaged."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aix_lsp.completion.context.index.build import build
from aix_lsp.completion.context.index.scan import Gate, update
from aix_lsp.completion.context.index.store import Damaged, Store, delete_index
from tests.completion.context.index.places import scanned, write

FUNCTION = "def {}(value):\n    return value\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "w").mkdir()
    return tmp_path / "w"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "index.db")
    yield opened
    opened.close()


def names(store: Store, *wanted: str) -> list[str]:
    """Which of the names are defined somewhere."""
    return [name for name in wanted if store.defining(name, 50)]


def touch(file: Path, text: str) -> None:
    """Write a file so that its modification time changes, however coarse the file system's clock is."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 10**9, before + 10**9))


def test_new_changed_and_deleted_files(root: Path, store: Store) -> None:
    write(root, {"a.py": FUNCTION.format("one"), "b/c.py": FUNCTION.format("two")})
    assert scanned(root, store) == ["a.py", "b/c.py"]
    assert names(store, "one", "two") == ["one", "two"]
    touch(root / "a.py", FUNCTION.format("three"))
    (root / "b/c.py").unlink()
    write(root, {"b/d.py": FUNCTION.format("four")})
    assert scanned(root, store) == ["a.py", "b/d.py"]
    assert names(store, "one", "two", "three", "four") == ["three", "four"]
    assert [found.path for found in store.matching(["three", "one"], "python", 9)] == ["a.py"]


def test_one_file_at_a_time(root: Path, store: Store) -> None:
    gate = Gate(root, ())
    write(root, {"a.py": FUNCTION.format("one")})
    update(store, gate, "a.py")
    assert names(store, "one") == ["one"]
    touch(root / "a.py", FUNCTION.format("two"))
    update(store, gate, "a.py")
    assert names(store, "one", "two") == ["two"]
    (root / "a.py").unlink()
    update(store, gate, "a.py")
    update(store, gate, "../escaped.py")
    update(store, gate, "never.was")
    assert not list(store.stamps())


PRIVATE = {
    ".gitignore": "build/\n*.gen.py\n",
    ".aixignore": "private/\n",
    ".git/HEAD": "",
    "build/out.py": FUNCTION.format("built"),
    "a.gen.py": FUNCTION.format("generated"),
    "private/deep/x.py": FUNCTION.format("private"),
    "mine/x.py": FUNCTION.format("excluded"),
    ".hidden/x.py": FUNCTION.format("hidden"),
    "node_modules/x/y.js": "function vendored() {}\n",
    "env/pyvenv.cfg": "",
    "env/lib/x.py": FUNCTION.format("installed"),
    "big.py": "x = 1\n" * 100_000,
    "min.js": "function minified() {};" * 3000,
    "data.bin": "\0",
    "a.py": FUNCTION.format("plain"),
}


def test_files_that_must_not_be_read(root: Path, store: Store) -> None:
    write(root, PRIVATE)
    (root / "link.py").symlink_to(root / "private/deep/x.py")
    (root / "loop").symlink_to(root)
    (root / "zero.py").write_bytes(b"def zero(): ...\0")
    found = scanned(root, store, ("mine/",))
    assert [path for path in found if path not in ("min.js", "zero.py")] == ["a.py"]
    assert names(store, "minified", "zero", "plain") == [
        "plain"
    ]  # known by name, so that it is not read again


def test_secrets_leave_no_words(root: Path, store: Store) -> None:
    write(root, {"a.py": 'API_KEY = "sk-proj-' + "Zq9" * 14 + '"\n'})
    scanned(root, store)
    assert [found.path for found in store.matching(["api_key"], "python", 9)] == ["a.py"]
    store.close()
    for file in root.parent.glob("index.db*"):
        assert b"zq9" not in file.read_bytes().lower()


@pytest.mark.parametrize("damage", ["not a database", "cut", "other form", "scribbled", "empty"])
def test_a_damaged_index_is_rebuilt(root: Path, tmp_path: Path, damage: str) -> None:
    write(root, {f"{n}.py": FUNCTION.format(f"name_{n}") * 20 for n in range(50)})
    database, gate = tmp_path / "index.db", Gate(root, ())
    build(database, gate)
    data = bytearray(database.read_bytes())
    if damage == "not a database":
        database.write_text("what is this?" * 100)
    elif damage == "cut":
        database.write_bytes(data[: len(data) // 2])
    elif damage == "other form":
        with sqlite3.connect(database) as db:
            db.execute("PRAGMA user_version = 999")
    elif damage == "scribbled":
        data[4096 : len(data) // 2] = b"\x5a" * (len(data) // 2 - 4096)
        database.write_bytes(data)
    else:
        database.write_bytes(b"")
    build(database, gate)
    store = Store(database)
    try:
        store.check()
        assert len(list(store.stamps())) == 50
        assert names(store, "name_7") == ["name_7"]
    finally:
        store.close()


STRANGE = ["link", "link to nothing", "folder", "pipe", "wal is a link", "wal is a folder", "wal is a pipe"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of Unix")
@pytest.mark.parametrize("what", STRANGE)
def test_whatever_lies_at_the_index_path_is_replaced(root: Path, tmp_path: Path, what: str) -> None:
    write(root, {"a.py": FUNCTION.format("name_a")})
    database, target = tmp_path / "index.db", tmp_path / "precious"
    target.write_text("")
    place = database.with_name("index.db-wal") if what.startswith("wal") else database
    if what.endswith("folder"):
        (place / "in").mkdir(parents=True)
        (place / "in" / "link").symlink_to(tmp_path)
    elif what.endswith("pipe"):
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / "nothing" if what.endswith("nothing") else target)
    build(database, Gate(root, ()))
    store = Store(database)
    assert names(store, "name_a") == ["name_a"]
    store.close()
    assert target.read_text() == "" and not (tmp_path / "nothing").exists()


def test_a_damaged_index_raises_damaged(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_text("no" * 5000)
    with pytest.raises(Damaged):
        Store(tmp_path / "index.db")
    delete_index(tmp_path / "index.db")
    store = Store(tmp_path / "index.db")
    before = store.replaced
    delete_index(tmp_path / "index.db")
    assert (before, store.replaced) == (False, True)
    store.close()


def test_words_found_everywhere_are_not_searched_for(root: Path, store: Store) -> None:
    write(root, {f"{n}.py": f"def work(common):\n    return rare_{n}\n" for n in range(100)})
    scanned(root, store)
    assert store.informative(["common", "rare_7", "nowhere"]) == ["rare_7"]
