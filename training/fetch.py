"""Brings the packages of `sources.toml` into the work folder, unpacked. Does not look into their files.

Packages installed in the running environment are taken from there; the others come from the registries' ordinary
clients: pip, npm, apt-get. Nothing in a package is run.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from training import licences

log = logging.getLogger(__name__)

SOURCES = Path(__file__).with_name("sources.toml")
_SEVERAL = 5  # simultaneous clients: they mostly wait for the network


@dataclass(frozen=True, slots=True)
class Package:
    """A package in the work folder: its text is under `<work>/packages/<kind>/<folder>`."""

    kind: str
    name: str
    held_out: bool
    version: str = ""
    licence: str = ""

    @property
    def folder(self) -> str:
        return self.name.replace("/", "+")


def read_sources(path: Path = SOURCES) -> tuple[list[Package], dict[str, int], tuple[str, ...]]:
    """The wanted packages, the maximum bytes of each kind, and the permitted licences."""
    table = tomllib.loads(path.read_text())
    found = [Package("stdlib", "python", held_out=False)]
    for kind in ("pypi", "npm", "go", "rust", "debian"):
        found += [Package(kind, name, held_out=False) for name in table[kind]["packages"]]
        found += [Package(kind, name, held_out=True) for name in table[kind]["held_out"]]
    return found, table["caps"], tuple(table["licences"])


def fetch(work: Path) -> list[Package]:
    """Fetch what is missing; returns all packages that are present and have a permitted licence."""
    wanted, _, allowed = read_sources()
    with ThreadPoolExecutor(_SEVERAL) as pool:
        results = pool.map(lambda package: _fetch_one(work, package), wanted)
        found = [package for package in results if package is not None]
    kept = [package for package in found if licences.is_allowed(package.licence, allowed)]
    for package in found:
        if package not in kept:
            log.warning("%s %s left out: licence %r", package.kind, package.name, package.licence)
    log.info("%d of %d packages at hand", len(kept), len(wanted))
    return kept


def _fetch_one(work: Path, package: Package) -> Package | None:
    place = work / "packages" / package.kind / package.folder
    note = place.with_name(place.name + ".json")
    if note.exists():
        return Package(**(json.loads(note.read_text()) | {"held_out": package.held_out}))
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory(dir=work) as scratch:
            version, licence = _CLIENTS[package.kind](package.name, place, Path(scratch))
    except (subprocess.SubprocessError, OSError, KeyError, ValueError, IndexError, tarfile.TarError) as error:
        log.warning("%s %s could not be fetched: %s", package.kind, package.name, error)
        shutil.rmtree(place, ignore_errors=True)
        return None
    done = Package(package.kind, package.name, package.held_out, version, licence)
    note.write_text(json.dumps(asdict(done)))
    return done


def _stdlib(name: str, place: Path, scratch: Path) -> tuple[str, str]:
    ignore = shutil.ignore_patterns("site-packages", "__pycache__", "test", "tests", "idlelib", "*.so", "*.a")
    shutil.copytree(sysconfig.get_path("stdlib"), place, ignore=ignore, dirs_exist_ok=True)
    return sys.version.split()[0], "PSF-2.0"


def _pypi(name: str, place: Path, scratch: Path) -> tuple[str, str]:
    try:
        return _installed(name, place)
    except importlib.metadata.PackageNotFoundError:
        pass
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--dest", str(scratch)]
    _run([sys.executable, "-m", "pip", "download", *options, name])
    wheel = next(scratch.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place, [n for n in archive.namelist() if not n.endswith((".so", ".pyd", ".dll"))])
    info = next(place.glob("*.dist-info"))
    return wheel.name.split("-")[1], licences.of_python(importlib.metadata.PathDistribution(info).metadata)


def _installed(name: str, place: Path) -> tuple[str, str]:
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or []:
        source = Path(str(file.locate()))
        if ".." in file.parts or file.suffix in {".so", ".pyc", ".pyd", ".dll"} or not source.is_file():
            continue
        target = place / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return distribution.version, licences.of_python(distribution.metadata)


def _npm(name: str, place: Path, scratch: Path) -> tuple[str, str]:
    _run(["npm", "pack", name, "--silent", "--ignore-scripts", "--pack-destination", str(scratch)])
    _untar(next(scratch.glob("*.tgz")), place)
    about = json.loads(next(place.glob("*/package.json")).read_text())
    licence = about.get("license") or about.get("licenses") or ""
    return str(about["version"]), licence if isinstance(licence, str) else json.dumps(licence)


def _debian_binary(name: str, place: Path, scratch: Path) -> tuple[str, str]:
    _run(["apt-get", "download", "-q", name], cwd=scratch)
    archive = next(scratch.glob("*.deb"))
    _run(["dpkg-deb", "-x", str(archive), str(place)])
    note = place / "usr/share/doc" / name / "copyright"
    return archive.name.split("_")[1], licences.of_debian(note.read_text(errors="replace"))


def _debian_source(name: str, place: Path, scratch: Path) -> tuple[str, str]:
    options = _source_lists(place.parents[2])
    _run(["apt-get", *options, "source", "--download-only", "-q", name], cwd=scratch)
    described = next(scratch.glob("*.dsc"))
    for archive in sorted(scratch.glob("*.tar.*")):
        if archive.suffix != ".asc":
            _untar(archive, place)
    note = next(place.rglob("debian/copyright"))
    return described.stem.split("_")[1], licences.of_debian(note.read_text(errors="replace"))


def _source_lists(work: Path) -> list[str]:
    """apt-get options for our own index of source packages; the machine's own index stays untouched."""
    folder = work / "apt"
    lists = folder / "lists"
    options = ["-o", f"Dir::Etc::SourceParts={folder}/parts", "-o", f"Dir::State::Lists={lists}"]
    return [*options, "-o", "Dir::Etc::SourceList=/dev/null"]


def prepare_apt(work: Path) -> None:
    """Create an index of Debian's source packages for apt-get in the work folder."""
    parts = work / "apt" / "parts"
    if parts.exists():
        return
    staged = parts.with_name("parts.new")
    staged.mkdir(parents=True, exist_ok=True)
    (work / "apt" / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    text = Path("/etc/apt/sources.list.d/debian.sources").read_text()
    (staged / "debian.sources").write_text(text.replace("Types: deb\n", "Types: deb deb-src\n"))
    staged.rename(parts)
    _run(["apt-get", *_source_lists(work), "update", "-q"])


def _untar(archive: Path, place: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")


def _run(command: list[str], cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=400, capture_output=True)


def texts(work: Path, package: Package) -> Iterator[Path]:
    """The files of a package, in a fixed order."""
    place = work / "packages" / package.kind / package.folder
    yield from sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


_CLIENTS: dict[str, Callable[[str, Path, Path], tuple[str, str]]] = {
    "stdlib": _stdlib,
    "pypi": _pypi,
    "npm": _npm,
    "go": _debian_binary,
    "rust": _debian_binary,
    "debian": _debian_source,
}
