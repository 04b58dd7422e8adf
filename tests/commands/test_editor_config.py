"""Our configuration in the user's files: it is merged, the old file is kept, and writing it twice changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aix_lsp.commands import editor_config
from aix_lsp.commands.editor_config import (
    CannotConfigure,
    ConfigFile,
    merge_json,
    merge_lisp_block,
    replace_file,
    replace_own_toml,
    write,
)
from tests.test_files import HOSTILE

PASTED = (
    '// Where it goes.\n"clients": {"aix-lsp": {"command": ["aix-lsp"]}}\n// To check that it works: look.\n'
)


@pytest.mark.parametrize(
    ("merge", "before", "text"),
    [
        (replace_file, "", "-- ours\n"),
        (replace_file, "-- an older one\n", "-- ours\n"),
        (merge_lisp_block, "", "(require 'a)\n"),
        (merge_lisp_block, "(setq b 1)", "(require 'a)\n"),
        (merge_lisp_block, "(setq b 1)\n\n", "(require 'a)\n"),
        (replace_own_toml, "", "[language-server.aix-lsp]\n"),
        (merge_json, "", PASTED),
        (merge_json, '{"clients": {"other": {}}, "c": [1]}', PASTED),
    ],
)
def test_writing_twice_changes_nothing_and_the_old_file_is_kept(
    tmp_path: Path, merge: editor_config.Merge, before: str, text: str
) -> None:
    file = tmp_path / "folder" / "file"
    if before:
        file.parent.mkdir()
        file.write_text(before)
    first = write(ConfigFile(file, merge), text)
    assert first.changed
    assert (first.backup.read_text() if first.backup else "") == before
    written = file.read_text()
    again = write(ConfigFile(file, merge), text)
    assert not again.changed and again.backup is None and file.read_text() == written
    assert len(list(file.parent.iterdir())) == (2 if before else 1)


def test_an_older_block_is_replaced_where_it_stands() -> None:
    older = merge_lisp_block("(first)\n", "(old)\n") + "(last)\n"
    newer = merge_lisp_block(older, "(new)\n")
    assert "(old)" not in newer
    assert newer.index("(first)") < newer.index("(new)") < newer.index("(last)")


def test_json_keeps_its_other_keys() -> None:
    merged = json.loads(merge_json('{"clients": {"other": {"a": 1}}, "c": [1]}', PASTED))
    assert merged == {"clients": {"other": {"a": 1}, "aix-lsp": {"command": ["aix-lsp"]}}, "c": [1]}


@pytest.mark.parametrize(
    ("merge", "before"),
    [
        (merge_json, '{\n  // mine\n  "a": 1\n}'),
        (merge_json, "[]"),
        (replace_own_toml, '[[language]]\nname = "python"\n'),
        (merge_lisp_block, ";; begin aix-lsp (written by `aix-lsp init`)\n(cut off)\n"),
    ],
)
def test_files_that_cannot_be_merged_are_left_alone(
    tmp_path: Path, merge: editor_config.Merge, before: str
) -> None:
    file = tmp_path / "file"
    file.write_text(before)
    with pytest.raises(CannotConfigure):
        write(ConfigFile(file, merge), PASTED)
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    write(ConfigFile(tmp_path / "link", merge_json), PASTED)
    assert (tmp_path / "link").is_symlink()
    assert "aix-lsp" in (tmp_path / "kept").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("make", [each for each in HOSTILE if each.__name__ != "a_byte_too_large"])
def test_anything_but_a_regular_file_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "settings.json")
    if make.__name__ == "dangling":
        assert write(ConfigFile(tmp_path / "settings.json", merge_json), PASTED).changed
        return
    with pytest.raises((CannotConfigure, OSError)):
        write(ConfigFile(tmp_path / "settings.json", merge_json), PASTED)


@pytest.mark.parametrize(
    "content", [b'{"a": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b"\0", b"[]", b'"a"']
)
def test_invalid_json_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    with pytest.raises(CannotConfigure):
        write(ConfigFile(tmp_path / "settings.json", merge_json), PASTED)
    assert (tmp_path / "settings.json").read_bytes() == content
