"""The held-out files: what is unpacked from an archive, what is refused, and which files are chosen."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.replay import corpus
from benchmarks.replay.corpus import LARGEST, Package, Unreachable, candidates, chosen, unpacked

FILES = {"src/a.ts": "a", "src/deep/b.ts": "b", "src/deep/er/c.ts": "c", "dist/a.js": "a", "src/../d.ts": "d"}
PACKAGE = Package("npm", "@scope/name", "1.0", "", "typescript", ("src/*.ts", "src/*/*.ts"))


def tgz(folder: Path) -> Path:
    archive = folder / "name.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for path, text in FILES.items():
            info = tarfile.TarInfo(f"package/{path}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return archive


def wheel(folder: Path) -> Path:
    archive = folder / "name.whl"
    with zipfile.ZipFile(archive, "w") as file:
        for path, text in FILES.items():
            file.writestr(path, text)
    return archive


def deb(folder: Path) -> Path:
    archive, root = folder / "name.deb", folder / "root"
    for path, text in FILES.items():
        file = root / "usr/share/cargo/registry" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "DEBIAN").mkdir()
    about = {"Package": "name", "Version": "1", "Architecture": "all", "Maintainer": "a", "Description": "b"}
    control = "".join(f"{name}: {value}\n" for name, value in about.items())
    (root / "DEBIAN/control").write_text(control)
    subprocess.run(["dpkg-deb", "--build", str(root), str(archive)], check=True, capture_output=True)
    return archive


NO_DEBIAN = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


@pytest.mark.parametrize("pack", [tgz, wheel, pytest.param(deb, marks=NO_DEBIAN)])
def test_only_listed_files_are_unpacked_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[Path], Path]
) -> None:
    archive = pack(tmp_path)
    fetched: list[Package] = []

    def download(package: Package, scratch: Path) -> Path:
        fetched.append(package)
        return archive

    monkeypatch.setattr(corpus, "_download", download)
    package = replace(PACKAGE, sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
    for _ in range(2):
        folder = unpacked(package, tmp_path / "cache")
    assert folder.name == "@scope+name-1.0"
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.*")}
    assert found == {"src/a.ts": "a", "src/deep/b.ts": "b"}
    assert len(fetched) == 1


def test_two_runs_may_unpack_the_same_package_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, cache = tgz(tmp_path), tmp_path / "cache"
    package = replace(PACKAGE, sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
    others = iter([cache])

    def download(package: Package, scratch: Path) -> Path:
        for other in others:
            unpacked(package, other)
        return archive

    monkeypatch.setattr(corpus, "_download", download)
    folder = unpacked(package, cache)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert found == {"src/a.ts", "src/deep/b.ts"}, "no second copy lies inside the first"


def test_an_archive_other_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tgz(tmp_path)
    monkeypatch.setattr(corpus, "_download", lambda package, scratch: archive)
    with pytest.raises(Unreachable, match="sha256"):
        unpacked(replace(PACKAGE, sha256="0" * 64), tmp_path / "cache")
    assert not (tmp_path / "cache" / PACKAGE.folder).exists()


def test_files_are_of_the_right_size_and_written_by_hand(tmp_path: Path) -> None:
    line = "value = compute(1)\n"
    (tmp_path / "good.py").write_text(line * 100)
    (tmp_path / "short.py").write_text(line * 10)
    (tmp_path / "long.py").write_text(line * (LARGEST // len(line) + 1))
    (tmp_path / "wide.py").write_text(line * 100 + "x" * 500 + "\n")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe" * 2000)
    assert [source.path for source in candidates(tmp_path, "python")] == ["good.py"]


def test_languages_and_packages_take_turns(tmp_path: Path) -> None:
    for package in corpus.packages():
        folder = tmp_path / package.folder
        folder.mkdir()
        for number in range(3):
            (folder / f"{number}.txt").write_text("value = compute(1)\n" * 100)
    found = chosen(12, ["python", "typescript"], 1, tmp_path)
    assert [source.language for source in found] == ["python", "typescript"] * 6
    assert len({source.folder for source in found if source.language == "python"}) == 6
    assert found == chosen(12, ["python", "typescript"], 1, tmp_path)
    assert found != chosen(12, ["python", "typescript"], 2, tmp_path)
    assert len(chosen(1000, ["python"], 1, tmp_path)) == 18
