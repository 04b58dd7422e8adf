"""URIs to paths: a table of what clients send, on both kinds of systems, and properties that hold for any string."""

from __future__ import annotations

import json
import ntpath
import os
import posixpath
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aix_lsp.uris import file_path, local_path, matching_name, parse_uri, revised_paths, true_case

posix_only = pytest.mark.skipif(os.name == "nt", reason="paths of POSIX systems")


@posix_only
@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///home/me/a.py", "/home/me/a.py"),
        ("FILE:///home/me/a.py", "/home/me/a.py"),
        ("file:/home/me/a.py", "/home/me/a.py"),
        ("file://localhost/home/me/a.py", "/home/me/a.py"),
        ("file:////home//me/a.py", "/home/me/a.py"),
        ("file:///home/me/", "/home/me"),
        ("file:///", "/"),
        ("file:///home/me/../you/./a.py", "/home/you/a.py"),
        ("file:///home/%2e%2e/%2E/a.py", "/a.py"),
        ("file:///../../a.py", "/a.py"),
        ("file:///a%20b/c%2Bd/%C3%A9%E2%82%AC.py", "/a b/c+d/é€.py"),
        ("file:///a+b.py", "/a+b.py"),
        ("file:///a%2Fb.py", "/a/b.py"),
        ("file:///a%252Fb.py", "/a%2Fb.py"),
        ("file:///a%23b%3Fc.py", "/a#b?c.py"),
        ("file:///a%zz%.py", "/a%zz%.py"),
        ("file:///a\nb.py", "/a\nb.py"),
        ("file:///a.py?query#fragment", "/a.py"),
        ("file:///c%3A/me/a.py", "/c:/me/a.py"),
        ("/home/me/a.py", "/home/me/a.py"),
        ("vscode-notebook-cell:/home/me/n.ipynb#W0sZmlsZQ%3D%3D", "/home/me/n.ipynb"),
        ("vscode-notebook-cell:/home/me/n.ipynb#ch0000001", "/home/me/n.ipynb"),
        ("jupyter-notebook-cell:/home/me/n%20b.ipynb", "/home/me/n b.ipynb"),
        ("git:/home/me/.env?ref", "/home/me/.env"),
        (
            "git:/home/me/.env.git?" + quote(json.dumps({"path": "/home/me/.env", "ref": "~"})),
            "/home/me/.env",
        ),
        ("git:/home/me/x?" + quote(json.dumps({"path": "/home/me/a%20b"})), "/home/me/a%20b"),
        ("untitled:/home/me/new.py", "/home/me/new.py"),
    ],
)
def test_files(uri: str, path: str) -> None:
    found = parse_uri(uri)
    assert (found.file, found.reason) == (Path(path), "")
    assert file_path(uri) == Path(path)


@pytest.mark.parametrize(
    ("uri", "path", "reason"),
    [
        ("untitled:Untitled-1", None, "not been saved"),
        ("vscode-notebook-cell:Untitled-1.ipynb#W0sdW50aXRsZWQ%3D", None, "not been saved"),
        ("vscode-vfs://github/me/project/.env", "/me/project/.env", "vscode-vfs://github"),
        ("vscode-remote://ssh-remote%2Bhost/home/me/a.py", "/home/me/a.py", "vscode-remote://ssh-remote"),
        (
            "vscode-notebook-cell://ssh-remote%2Bhost/n.ipynb#W0sdnNjb2RlLXJlbW90ZQ%3D%3D",
            "/n.ipynb",
            "vscode-remote",
        ),
        ("vscode-notebook-cell://wsl%2BUbuntu/n.ipynb#x", "/n.ipynb", "vscode-remote"),
        ("fugitive:///me/.git//0/.env", "/me/.git/0/.env", "fugitive:"),
        ("zip:///me/a.zip", "/me/a.zip", "zip:"),
        ("file:a.py", None, ""),
        ("file:", None, ""),
        ("", None, ""),
        ("a.py", None, ""),
        ("file:///a%00b", "/a\ufffdb", "NUL"),
    ],
)
def test_uris_that_are_not_files(uri: str, path: str | None, reason: str) -> None:
    found = parse_uri(uri)
    assert found.file is None
    assert found.path == (None if path is None else PurePosixPath(path))
    assert found.reason
    assert reason in found.reason


@pytest.mark.parametrize(
    ("uri", "paths"),
    [
        ("fugitive:///me/.git//0/src/a.py", ["/me/src/a.py"]),
        ("fugitive:///me/.git/worktrees/w//0a1b/src/a.py", ["/me/src/a.py"]),
        ("fugitive:///me/.git/modules/lib//0/a.py", ["/me/lib/a.py"]),
        ("diffview:///me/.git/:0:/src/a.py", ["/me/src/a.py"]),
        ("gitsigns:///me/.git//HEAD~1:src/a.py", ["/me/src/a.py"]),
        ("gitsigns:///me/.git//:0:a.py", ["/me/a.py"]),
        ("fugitive:///me/.git", []),
        ("fugitive:///me/.git//0", []),
        ("zip:///me/a.py", []),
    ],
)
def test_revisions(uri: str, paths: list[str]) -> None:
    path = parse_uri(uri).path
    assert path is not None
    assert set(paths) <= {str(each) for each in revised_paths(path)}
    assert bool(paths) or not [*revised_paths(path)]


@posix_only
def test_names_that_are_not_utf_8_keep_their_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.py")
    (tmp_path / name).write_text("x = 1\n")
    found = file_path(tmp_path.as_uri() + "/%FF%FE.py")
    assert found is not None
    assert found.read_text() == "x = 1\n"


@posix_only
def test_another_machine_s_files_are_not_ours() -> None:
    found = parse_uri("file://server/share/a.py")
    assert (found.file, found.reason) == (None, "the file is on the machine server")


@pytest.mark.parametrize(
    ("authority", "path", "expected"),
    [
        ("", "/c%3A/Users/me/a.py", r"C:\Users\me\a.py"),
        ("", "/C:/Users/me/a.py", r"C:\Users\me\a.py"),
        ("", "/c|/Users/me/a.py", r"C:\Users\me\a.py"),
        ("", "c:/Users/me/a.py", r"C:\Users\me\a.py"),
        ("", "/c:/a/../b%5C..%5Cc.py", r"C:\c.py"),
        ("", "/c:/../../a.py", r"C:\a.py"),
        ("", "/c:", "C:\\"),
        ("", "/c:/", "C:\\"),
        ("", "/c:/key.pem.", r"C:\key.pem"),
        ("", "/c:/dir%20./key.pem%20", r"C:\dir\key.pem"),
        ("wsl.localhost", "/Debian/a.py", r"\\wsl.localhost\Debian\a.py"),
        ("", "//wsl$/Debian/dir/a.py", r"\\wsl$\Debian\dir\a.py"),
        ("wsl$", "/Debian/../../a.py", r"\\wsl$\Debian\a.py"),
        ("localhost", "/c:/a.py", r"C:\a.py"),
    ],
)
def test_windows_paths(authority: str, path: str, expected: str) -> None:
    found, reason = local_path(authority, path, windows=True)
    assert (found, reason) == (expected, "")


@pytest.mark.parametrize(
    ("authority", "path", "reason"),
    [
        ("", "/Users/me", "no drive"),
        ("", "", "no drive"),
        ("server", "/", "no drive and no share"),
        ("server", "/share/a.py", "on the machine server"),
        ("", "//server/share/dir/a.py", "on the machine server"),
        ("", "%5C%5Cserver%5Cshare%5Ca.py", "on the machine server"),
        ("", "//%3F/UNC/server/share/a.py", "a device"),
        ("", "/%5C%5C.%5CGLOBALROOT%5CDevice%5Cx", "a device"),
        ("", "/c:/key.pem::$DATA", "a stream"),
        ("", "//./pipe/x", "a device"),
        ("", "//%3F/c:/key.pem", "a device"),
        ("", "/c:/a%00", "NUL"),
    ],
)
def test_invalid_windows_paths(authority: str, path: str, reason: str) -> None:
    found, why = local_path(authority, path, windows=True)
    assert found == ""
    assert reason in why


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
PATHS = st.lists(NAMES | st.sampled_from(["..", ".", ".env", "%2e%2e", "a b"]), max_size=6).map(
    lambda names: "/" + "/".join(names)
)
WINDOWS_NAMES = st.text(
    st.characters(exclude_characters='/\\:*?"<>|\0', exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
).filter(lambda name: name == name.rstrip(" ."))


@given(PATHS, st.data())
def test_however_a_path_is_written_it_is_the_same(path: str, data: st.DataObject) -> None:
    """Any character may be percent-encoded or not."""
    written = "".join(
        quote(c, safe="")
        if c != "/" and (c in "%?#" or data.draw(st.booleans()) or not c.isprintable())
        else (c if c.isascii() or data.draw(st.booleans()) else quote(c, safe=""))
        for c in path
    )
    written = written.replace("/.", "/%2E") if data.draw(st.booleans()) else written
    found, reason = local_path("", written, windows=False)
    assert (found, reason) == ("/" + posixpath.normpath(path).lstrip("/"), "")


@given(st.lists(WINDOWS_NAMES, max_size=6), st.sampled_from("cCzZ"))
def test_windows_paths_come_back_from_their_uris(names: list[str], drive: str) -> None:
    path = PureWindowsPath(f"{drive}:\\", *names)
    found, reason = local_path("", path.as_uri().removeprefix("file://"), windows=True)
    assert reason == ""
    assert PureWindowsPath(found) == path


SCHEMES = st.sampled_from(
    [
        "file",
        "git",
        "untitled",
        "vscode-notebook-cell",
        "vscode-vfs",
        "vscode-remote",
        "FILE",
        "c",
        "",
        "x-y.z+1",
    ]
)


@given(
    st.text()
    | st.tuples(SCHEMES, st.sampled_from([":", "://", ":///", ":////", ""]), st.text()).map("".join)
    | st.tuples(SCHEMES, st.just("://h/"), PATHS, st.sampled_from(["?", "#", "?{", "#W0s"]), st.text()).map(
        "".join
    )
)
@example("file:///" + "%" * 3)
@example("git:/a?" + "[" * 100_000)
@example("git:/a?[1]")
@example("vscode-notebook-cell:/a#s====")
def test_any_string_is_handled(uri: str) -> None:
    """Either a file, absolute and without dots, or a reason; never neither or both."""
    found = parse_uri(uri)
    assert (found.file is None) == bool(found.reason)
    if found.file is not None:
        assert found.file.is_absolute()
        assert not {".", ".."} & set(found.file.parts)
        assert "\0" not in str(found.file)
    if found.path is not None:
        assert not {".", ".."} & set(found.path.parts)
    assert found.scheme == found.scheme.lower()


@given(st.text(), st.text())
def test_no_windows_path_leaves_its_drive_or_share(authority: str, path: str) -> None:
    found, reason = local_path(authority, path, windows=True)
    assert (found == "") == bool(reason)
    if found:
        drive, rest = ntpath.splitdrive(found)
        assert drive
        assert ".." not in rest.split("\\")


def test_case_is_kept_where_it_matters(tmp_path: Path) -> None:
    (tmp_path / "Key.pem").touch()
    ignores_case = (tmp_path / "KEY.PEM").exists()
    assert true_case(tmp_path / "Key.pem") == tmp_path / "Key.pem"
    assert true_case(tmp_path / "kEY.pem").name == ("Key.pem" if ignores_case else "kEY.pem")
    assert true_case(tmp_path / "new" / "File") == tmp_path / "new" / "File"


@pytest.mark.parametrize(
    ("name", "entries", "expected"),
    [
        (".ENV", [".env", "env"], ".env"),
        (".ENV", [".env", ".ENV"], ".ENV"),
        ("e\u0301.PY", ["\u00e9.py"], "\u00e9.py"),
        ("STRASSE", ["stra\u00dfe"], "stra\u00dfe"),
        ("new", ["old"], "new"),
    ],
)
def test_names_where_case_does_not_matter(name: str, entries: list[str], expected: str) -> None:
    assert matching_name(name, entries) == expected
