"""Reads git's configuration of ignore files without running git, because a repository can make git run programs.

Source: git-config(1), gitignore(5), gitrepository-layout(5). Knows nothing of patterns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aix_lsp.files import Unreadable, decoded, is_regular, read_bytes

LARGEST = 8 << 20
"""Bytes of an ignore file or a configuration file."""
_DEEPEST_INCLUDE = 10
"""The same limit as git's."""
_MOST_CONFIG_FILES = 100
"""Per repository; ends the reading of a file that includes itself."""
_SECTION = re.compile(r'\[\s*([\w.-]+)\s*(?:"((?:[^"\\]|\\.)*)")?\s*\]')
_PARAMETER = re.compile(r"'((?:[^']|'\\'')*)'(?:(=)'((?:[^']|'\\'')*)')?")
_REMOTE = re.compile(r"remote\..+\.url", re.DOTALL)
_TRUE = {"", "true", "yes", "on", "1"}


@dataclass(frozen=True, slots=True)
class Repository:
    """A working tree's top folder and where git keeps what belongs to it."""

    top: Path
    git_dir: Path
    common_dir: Path
    """Differs from `git_dir` only in linked working trees, which share one."""

    @property
    def exclude_file(self) -> Path:
        """The repository's own ignore file outside the tree."""
        return self.common_dir / "info/exclude"


@dataclass(frozen=True, slots=True)
class IgnoreConfig:
    """The ignore files that apply everywhere, and whether case is ignored."""

    excludes: tuple[Path, ...]
    """The one that git would read, then those that it would read without the environment or the repository."""
    ignore_case: bool


def text_of(path: Path) -> str | None:
    """A file's text; None unless it is a regular file. Raises Unreadable if it is too large."""
    try:
        return decoded(read_bytes(path, LARGEST), "surrogateescape")
    except Unreadable:
        if is_regular(path):
            raise
    except OSError:
        pass
    return None


def repository_at(top: Path) -> Repository | None:
    """The repository whose working tree has its top at a folder, or None."""
    git = top / ".git"
    try:
        if git.is_dir():
            return Repository(top, git, _common(git))
        if not git.exists():
            return None
    except (OSError, ValueError):
        return None
    text = (text_of(git) or "").strip()
    if not text.startswith("gitdir:"):
        return Repository(top, git, git)
    git_dir = Path(os.path.normpath(top / text.removeprefix("gitdir:").strip()))
    return Repository(top, git_dir, _common(git_dir))


def _common(git_dir: Path) -> Path:
    named = (text_of(git_dir / "commondir") or "").strip()
    return Path(os.path.normpath(git_dir / named)) if named else git_dir


def ignore_config(repository: Repository | None) -> IgnoreConfig:
    """The configuration in force in a repository; without one, the user's. Raises Unreadable.

    A project may have set the environment (`.envrc`), so if that names other files or values, the rules of the user's
    usual files apply, too.
    """
    own, given = _Values(), _Values()
    if repository is not None:
        own.read(repository.common_dir / "config", repository)
        if repository.git_dir != repository.common_dir or own.flag("extensions.worktreeconfig"):
            own.read(repository.git_dir / "config.worktree", repository)
    given.take(_from_environment())
    base = repository.top if repository is not None else Path.home()
    found = _excludes(given, os.environ, base) + _excludes(own, os.environ, base)
    ignore_case = own.flag("core.ignorecase") or given.flag("core.ignorecase")
    environments: tuple[Mapping[str, str], ...] = os.environ, {}
    for environment in environments:
        users = _Values()
        for file in _user_files(environment):
            users.read(file, repository)
        found += _excludes(users, environment, base) or [_usual(environment)]
        ignore_case = ignore_case or ("core.ignorecase" not in own and users.flag("core.ignorecase"))
    return IgnoreConfig(tuple(dict.fromkeys(found)), ignore_case)


def _excludes(values: _Values, environment: Mapping[str, str], base: Path) -> list[Path]:
    if "core.excludesfile" not in values:
        return []
    value = values.last("core.excludesfile")
    return [_expanded(value, base) if value else _usual(environment)]


def _usual(environment: Mapping[str, str]) -> Path:
    return _config_home(environment) / "git/ignore"


def _config_home(environment: Mapping[str, str]) -> Path:
    named = environment.get("XDG_CONFIG_HOME")
    return Path(named) if named else Path.home() / ".config"


def _user_files(environment: Mapping[str, str]) -> Iterator[Path]:
    if environment.get("GIT_CONFIG_NOSYSTEM", "").lower() not in _TRUE - {""}:
        yield Path(environment.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig")
    if named := environment.get("GIT_CONFIG_GLOBAL"):
        yield Path(named)
        return
    yield _config_home(environment) / "git/config"
    yield Path.home() / ".gitconfig"


def _from_environment() -> Iterator[tuple[str, str | None]]:
    """The entries of GIT_CONFIG_PARAMETERS (`git -c`) and GIT_CONFIG_COUNT."""
    for match in _PARAMETER.finditer(os.environ.get("GIT_CONFIG_PARAMETERS", "")[:LARGEST]):
        name, equals, value = f"{match[1]}{match[2] or ''}{match[3] or ''}".replace("'\\''", "'").partition(
            "="
        )
        yield _lower(name), value if equals else None
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    for at in range(min(int(count), _MOST_CONFIG_FILES) if count.isdecimal() and len(count) < 9 else 0):
        name = os.environ.get(f"GIT_CONFIG_KEY_{at}", "")
        yield _lower(name), os.environ.get(f"GIT_CONFIG_VALUE_{at}")


def _lower(name: str) -> str:
    """A name with its first and last part in lower case; the middle part is case-sensitive."""
    section, _, rest = name.partition(".")
    middle, point, last = rest.rpartition(".")
    return f"{section.lower()}.{middle}{point}{last.lower()}"


def _expanded(value: str, base: Path) -> Path:
    try:
        return Path(os.path.normpath(base / Path(value).expanduser()))
    except RuntimeError:  # an unknown user
        return base / value


class _Values:
    """The values of some configuration files, by lower-case name; later ones win."""

    def __init__(self) -> None:
        self._values: dict[str, str | None] = {}
        self._files = 0

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def last(self, name: str) -> str | None:
        return self._values.get(name)

    def flag(self, name: str) -> bool:
        value = self._values.get(name, "false")
        return value is None or value.lower() in _TRUE

    def take(self, entries: Iterable[tuple[str, str | None]]) -> None:
        self._values.update(entries)

    def read(self, file: Path, repository: Repository | None, depth: int = 0) -> None:
        self._files += 1
        if self._files > _MOST_CONFIG_FILES:
            raise Unreadable(f"{file} includes more than {_MOST_CONFIG_FILES} files")
        for name, value in _entries(text_of(file) or ""):
            self._values[name] = value
            if value and depth < _DEEPEST_INCLUDE and name.endswith(".path"):
                condition = name.removesuffix(".path")
                if condition == "include" or _holds(condition, file, repository):
                    self.read(_expanded(value, file.parent), repository, depth + 1)


def _entries(text: str) -> Iterator[tuple[str, str | None]]:
    """(name with its section, value) in order; None for a name alone."""
    section = ""
    for line in text.removeprefix("\ufeff").replace("\\\n", "").split("\n"):
        line = line.strip()
        header = _SECTION.match(line)
        if header:
            inner = header[2]
            section = header[1].lower() + (f".{_unescaped(inner)}" if inner is not None else "")
            line = line[header.end() :].strip()
        if not line or line[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        yield f"{section}.{name.strip().lower()}", _value(value.strip()) if equals else None


def _value(text: str) -> str:
    """A value without quotes and trailing comment."""
    parts, quoted, at = [], False, 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            parts.append({"n": "\n", "t": "\t"}.get(text[at + 1], text[at + 1]))
            at += 1
        elif char == '"':
            quoted = not quoted
        elif char in "#;" and not quoted:
            return "".join(parts).rstrip()
        else:
            parts.append(char)
        at += 1
    return "".join(parts)


_unescaped = partial(re.sub, r"\\(.)", r"\1")


def _holds(condition: str, file: Path, repository: Repository | None) -> bool:
    """Whether the condition of an `includeIf` is met."""
    kind, _, pattern = condition.removeprefix("includeif.").partition(":")
    if repository is None:
        return False
    if kind == "onbranch":
        head = (text_of(repository.git_dir / "HEAD") or "").strip()
        branch = head.removeprefix("ref: refs/heads/")
        return branch != head and _fits(pattern, [branch])
    if kind == "hasconfig" and pattern.startswith("remote.*.url:"):
        config = _entries(text_of(repository.common_dir / "config") or "")
        urls = [value for name, value in config if _REMOTE.fullmatch(name) and value]
        return _fits(pattern.removeprefix("remote.*.url:"), urls)
    if kind not in ("gitdir", "gitdir/i"):
        return False
    if pattern.startswith("./"):
        pattern = f"{file.parent.as_posix()}/{pattern[2:]}"
    pattern = f"{Path.home().as_posix()}/{pattern[2:]}" if pattern.startswith("~/") else pattern
    if not pattern.startswith("/"):
        pattern = "**/" + pattern
    places = {repository.git_dir, Path(os.path.realpath(repository.git_dir))}
    names = [place.as_posix().lstrip("/") for place in places]
    return _fits(pattern.removeprefix("/"), names, ignore_case=kind.endswith("/i"))


def _fits(pattern: str, names: Iterable[str], ignore_case: bool = False) -> bool:
    """Whether a pattern matches one of several paths; one that ends in a slash matches everything below."""
    from aix_lsp.privacy.globs import Rule, Rules, as_bytes

    pattern += "**" if pattern.endswith("/") else ""
    rules = Rules([Rule(as_bytes(pattern), False, False, True, 1)], ignore_case)
    return any(rules.match(as_bytes(name), False) is not None for name in names)
