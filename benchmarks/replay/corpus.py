"""The held-out files: pinned packages from the registries' ordinary clients, unpacked once. Knows no typing."""

from __future__ import annotations

import hashlib
import io
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from platformdirs import user_cache_path

HELD_OUT = Path(__file__).with_name("held_out.toml")
LANGUAGES = ("python", "javascript", "typescript")
"""Languages whose packages can be fetched everywhere."""
DEBIAN = ("go", "rust")
"""Languages whose packages only Debian and its derivatives have, where apt-get fetches them."""
SMALLEST, LARGEST = 1200, 24_000
"""Characters of a file to be replayed."""

_LONGEST_LINE = 200
_DEBIAN_SOURCES = re.compile(r"^\./usr/share/(?:gocode/src|cargo/registry)/")


@dataclass(frozen=True)
class Package:
    """A pinned package; `include` are the patterns of the files to unpack."""

    kind: str
    name: str
    version: str
    sha256: str
    language: str
    include: tuple[str, ...]

    @property
    def folder(self) -> str:
        return f"{self.name.replace('/', '+')}-{self.version}"


@dataclass(frozen=True)
class SourceFile:
    """A file that may be replayed; `path` is relative to its package's folder, with slashes."""

    folder: Path
    path: str
    language: str

    @property
    def name(self) -> str:
        """For reports: the package and the path."""
        return f"{self.folder.name}/{self.path}"

    @property
    def text(self) -> str:
        return (self.folder / self.path).read_text(encoding="utf-8").replace("\r\n", "\n")


class Unreachable(Exception):
    """A package could not be fetched, or is not the pinned one."""


def default_cache() -> Path:
    """The folder for fetched packages."""
    return user_cache_path("aix-lsp", appauthor=False) / "replay"


def packages(listing: Path = HELD_OUT) -> list[Package]:
    """The pinned packages."""
    table = tomllib.loads(listing.read_text(encoding="utf-8"))
    return [Package(**(entry | {"include": tuple(entry["include"])})) for entry in table["package"]]


def unpacked(package: Package, cache: Path) -> Path:
    """The folder of a package, fetched if missing. Raises Unreachable."""
    place = cache / package.folder
    if place.exists():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        archive = _download(package, Path(scratch))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != package.sha256:
            raise Unreachable(f"{archive.name} has sha256 {digest}, {HELD_OUT.name} says {package.sha256}")
        staged = Path(scratch) / "unpacked"
        for path, data in _members(archive):
            if any(_matches(path, pattern) for pattern in package.include):
                target = staged / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        _put(staged, place)
    return place


def _put(staged: Path, place: Path) -> None:
    """Rename a folder. Unlike a move, this never lands inside a folder that another run has put there meanwhile."""
    try:
        staged.rename(place)
    except OSError:
        if not place.exists():
            raise


def chosen(count: int, languages: Sequence[str], seed: int, cache: Path) -> list[SourceFile]:
    """`count` files in a seeded order, spread as evenly as possible over the languages and their packages."""
    queues = [_interleaved(language, random.Random(f"{seed}:{language}"), cache) for language in languages]
    found: list[SourceFile] = []
    while len(found) < count and any(queues):
        found += [queue.pop(0) for queue in queues if queue]
    return found[:count]


def _interleaved(language: str, draw: random.Random, cache: Path) -> list[SourceFile]:
    """The files of one language, one from each package in turn."""
    piles = []
    for package in packages():
        if package.language == language:
            pile = list(candidates(unpacked(package, cache), language))
            draw.shuffle(pile)
            piles.append(pile)
    draw.shuffle(piles)
    mixed = []
    while any(piles):
        mixed += [pile.pop() for pile in piles if pile]
    return mixed


def candidates(folder: Path, language: str) -> Iterator[SourceFile]:
    """The files in a folder that have the right size and were written by people."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        source = SourceFile(folder, path.relative_to(folder).as_posix(), language)
        try:
            text = source.text
        except UnicodeDecodeError:
            continue
        by_hand = all(len(line) <= _LONGEST_LINE for line in text.splitlines())
        if by_hand and SMALLEST <= len(text) <= LARGEST and text.endswith("\n"):
            yield source


def _download(package: Package, scratch: Path) -> Path:
    if package.kind in DEBIAN:
        command = ["apt-get", "download", "--quiet", f"{package.name}={package.version}"]
    elif package.kind == "pypi":
        client = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command = [*client, "--dest", str(scratch), f"{package.name}=={package.version}"]
    else:
        client = ["npm", "pack", "--silent", "--ignore-scripts"]
        command = [*client, "--pack-destination", str(scratch), f"{package.name}@{package.version}"]
    try:
        subprocess.run(command, check=True, timeout=300, capture_output=True, cwd=scratch)
        return next(path for path in scratch.iterdir() if path.suffix in (".whl", ".tgz", ".deb"))
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        raise Unreachable(f"{' '.join(command[:4])} … {package.name} {package.version}: {error}") from error


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of an archive's files, below npm's `package/` and Debian's folders for sources."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                yield name, wheel.read(name)
        return
    deb = archive.suffix == ".deb"
    plain = _unpacked_deb(archive) if deb else None
    with tarfile.open(archive, fileobj=plain) as tar:
        for member in tar:
            data = tar.extractfile(member) if member.isfile() else None
            if data is not None:
                path = member.name
                yield _DEBIAN_SOURCES.sub("", path) if deb else path.partition("/")[2], data.read()


def _unpacked_deb(archive: Path) -> io.BytesIO:
    """The files of a Debian package as a tar archive."""
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    try:
        return io.BytesIO(subprocess.run(command, check=True, timeout=60, capture_output=True).stdout)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreachable(f"{' '.join(command)}: {error}") from error


def _matches(path: str, pattern: str) -> bool:
    """Match a pattern as a shell does: a star does not cross folders."""
    parts, wanted = path.split("/"), pattern.split("/")
    return (
        len(parts) == len(wanted)
        and all(fnmatch(part, want) for part, want in zip(parts, wanted, strict=True))
        and ".." not in parts
    )
