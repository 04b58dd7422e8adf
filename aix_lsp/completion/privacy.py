"""Which files must never enter a prompt, neither as document nor as context: secrets and what is ignored."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cachetools import TTLCache

from aix_lsp.settings import Settings

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SECRET_FILES = (
    *(".env", ".env.*", "*.env", "!.env.example", "!.env.sample", "!.env.template", "!.env.dist"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "!*.pub"),
    *(".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".htpasswd", ".git-credentials", ".vault-token"),
    *(".ssh/", ".gnupg/", ".aws/credentials", ".docker/config.json", ".kube/config"),
    *("*.tfvars", "*.tfstate", "*.tfstate.backup", "secrets.y*ml", "secrets.json", "credentials.json"),
)
IGNORE_FILES = (".gitignore", ".aixignore")
_DRIVE = re.compile(r"^/([A-Za-z])[:|]")
_REMEMBERED_S = 5.0


class Privacy:
    """Answers by URI, remembered for some seconds: a file is asked about at each keystroke."""

    def __init__(self, roots: Callable[[], Sequence[Path]] = tuple) -> None:
        """`roots` gives the workspace folders."""
        self._roots = roots
        self._ignored = _IgnoreFiles()
        self._answers: TTLCache[tuple[object, ...], str | None] = TTLCache(
            1024, _REMEMBERED_S, time.monotonic
        )

    def inactive_reason(self, uri: str, settings: Settings) -> str | None:
        """Why nothing of a document may be sent, for its user to read; None where all is well."""
        roots = tuple(self._roots())
        key = (uri, tuple(settings.exclude), roots)
        if key not in self._answers:
            self._answers[key] = self._reason(uri, settings.exclude, roots)
        return self._answers[key]

    def ignores_folder(self, folder: Path) -> bool:
        """Whether ignore files leave out all that lies in a folder, so that nobody need look inside."""
        root = next((root for root in self._roots() if _within(folder, root)), None)
        return self._ignored.by(folder / "_", root, folders_only=True) is not None

    def _reason(self, uri: str, exclude: Sequence[str], roots: Sequence[Path]) -> str | None:
        where = _path_in(uri)
        if where is None:
            return None
        path, is_file = where
        root = next((root for root in roots if is_file and _within(path, root)), None)
        name = _relative(path, root)
        verdict = _spec(tuple(exclude)).check_file(name).include if exclude else None
        if verdict is not None:
            return f'{path.name} matches the setting "aix.exclude"' if verdict else None
        if _spec(SECRET_FILES).check_file(name.lower()).include:
            return f'{path.name} may hold secrets; "!{path.name}" in the setting "aix.exclude" allows it'
        ignored_by = self._ignored.by(path, root) if is_file else None
        if ignored_by is not None:
            return f'ignored by {ignored_by}; "!{name}" in the setting "aix.exclude" allows it'
        return None


def inactive_reason(uri: str, settings: Settings, roots: Sequence[Path] = ()) -> str | None:
    """See Privacy.inactive_reason; remembers nothing."""
    return Privacy(lambda: roots).inactive_reason(uri, settings)


class _IgnoreFiles:
    """The ignore files of directories, read again when they change."""

    def __init__(self) -> None:
        self._specs: TTLCache[Path, tuple[int, GitIgnoreSpec | None]] = TTLCache(4096, 3600, time.monotonic)

    def by(self, path: Path, root: Path | None, folders_only: bool = False) -> Path | None:
        """The ignore file that says that `path`, or a folder around it, is ignored; None where it is not.

        As with git, a deeper file's word counts more, but nothing inside an ignored folder comes back.
        """
        folders = _folders(path, root)
        if not folders:  # the root of a file system, which a broken URI may name
            return None
        for inner in (*folders[1:], *(() if folders_only else (path,))):
            for folder in reversed(folders[: len(inner.relative_to(folders[0]).parts)]):
                name = inner.relative_to(folder).as_posix() + ("" if inner is path else "/")
                by, ignored = self._check(folder, name, top=folder == folders[0])
                if ignored:
                    return by
                if ignored is False:
                    break
        return None

    def _check(self, folder: Path, name: str, top: bool) -> tuple[Path | None, bool | None]:
        """What a folder's own ignore files say of a path in it: ignored, kept, or nothing."""
        files = [*(folder / name for name in IGNORE_FILES), *([folder / ".git/info/exclude"] if top else [])]
        decided: tuple[Path | None, bool | None] = (None, None)
        for file in files:
            spec = self._spec(file)
            include = spec.check_file(name).include if spec is not None else None
            if include:
                return file, True
            if include is False:
                decided = file, False
        return decided

    def _spec(self, file: Path) -> GitIgnoreSpec | None:
        try:
            changed = file.stat().st_mtime_ns
            known = self._specs.get(file)
            if known is None or known[0] != changed:
                lines = tuple(file.read_text("utf-8", "replace").splitlines())
                known = self._specs[file] = (changed, _spec(lines))
        except (OSError, ValueError):
            return None
        return known[1]


def _folders(path: Path, root: Path | None) -> list[Path]:
    """The folders above `path`, from the top of its repository or workspace down."""
    parents = list(path.parents)
    top = next((at for at, folder in enumerate(parents) if (folder / ".git").exists()), 0)
    if root is not None and root in parents:
        top = max(top, parents.index(root))
    return parents[top::-1]


def file_of(uri: str) -> Path | None:
    """The path of a document that is a file; None for any other."""
    where = _path_in(uri)
    return where[0] if where is not None and where[1] else None


def _path_in(uri: str) -> tuple[Path, bool] | None:
    """The path that a URI names, and whether it is a file's; None for what has no name yet."""
    try:
        parts = urlsplit(uri)
        if parts.scheme == "file":
            return Path(os.path.normpath(_file_path(parts.netloc, unquote(parts.path)))), True
        if parts.scheme == "untitled" or not parts.path:
            return None
        return Path(PurePosixPath(unquote(parts.path))), False
    except ValueError:
        return None


def _file_path(host: str, path: str) -> str:
    """As urllib's url2pathname, whose import brings http with it: 10 ms of the server's start."""
    if os.name == "nt":
        return f"//{host}{path}" if host else _DRIVE.sub(r"\1:", path)
    return path


def _within(path: Path, root: Path) -> bool:
    return path.is_relative_to(root)


def _relative(path: Path, root: Path | None) -> str:
    """The path as patterns see it: from its workspace folder, or without the file system's root."""
    return (path.relative_to(root) if root is not None else path.relative_to(path.anchor)).as_posix()


@lru_cache(maxsize=64)
def _spec(lines: tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    usable = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
            usable.append(line)
        except ValueError:
            continue
    return GitIgnoreSpec.from_lines(usable)
