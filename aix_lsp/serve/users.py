"""The team's users file: names, classes, hashes of tokens, quotas. Knows no HTTP.

A token is shown once, when it is created; the file contains only its SHA-256. Tokens are 256 random bits, so a slow
hash as for passwords would not add protection.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout
from msgspec import Meta, MsgspecError, Struct, field
from msgspec.json import Decoder, encode, format

from aix_lsp import files

log = logging.getLogger(__name__)

_LARGEST = 16 << 20
_LOCK_S = 5.0
_CHECK_EVERY_S = 1.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TOKEN = re.compile(r"aix_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0.0, le=1000.0)]


class UsersError(Exception):
    """The users file cannot be used, or the operation is not possible. The message is for the administrator."""


class UserClass(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What users of a class may use; 0 means no limit."""

    user_in_flight: Count = 8
    """Simultaneous requests of one user."""
    user_tokens_a_minute: Count = 0
    """Tokens computed for one user, prompt and completion, without cached ones."""
    in_flight: Count = 0
    """Simultaneous requests of all users of the class together."""
    tokens_a_minute: Count = 0
    share: Share = 1.0
    """Each user's share of the engine under load, relative to 1 for the default class."""


class User(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """One user. Quotas left out are those of the class."""

    token_id: str
    token_sha256: str
    created: str
    user_class: str = field(name="class", default="default")
    in_flight: Count | None = None
    tokens_a_minute: Count | None = None


class Users(Struct, forbid_unknown_fields=True):
    """The content of the users file."""

    classes: dict[str, UserClass] = {}
    users: dict[str, User] = {}

    def class_of(self, user: User) -> UserClass:
        """A user's class; default quotas if the file does not describe it."""
        return self.classes.get(user.user_class, _USUAL)


_USUAL = UserClass()
_DECODER = Decoder(Users)


class Identity(Struct, frozen=True):
    """Who sent a request, with the quotas in force."""

    name: str
    class_name: str
    user_class: UserClass
    in_flight: int
    tokens_a_minute: int


def read(path: Path) -> Users:
    """The users in a file; none if it does not exist. Raises UsersError."""
    try:
        return _DECODER.decode(files.read_bytes(path, _LARGEST))
    except FileNotFoundError:
        return Users()
    except OSError as error:
        raise UsersError(
            f"the users file {path} cannot be read: {error}; use --users for another one"
        ) from error
    except (MsgspecError, RecursionError) as error:
        raise UsersError(f"the users file {path} is damaged: {error}") from error


def add(path: Path, name: str, user_class: str = "default", renew: bool = False) -> str:
    """Add a user, or give one a new token; returns the token, which is not stored. Raises UsersError."""
    if not _NAME.fullmatch(name):
        raise UsersError(f"{name!r} is not a valid user name: use up to 64 letters, digits and ._@-")
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    with _changing(path):
        users = read(path)
        if name in users.users and not renew:
            raise UsersError(f"user {name} already exists; use --renew for a new token")
        before = users.users.get(name)
        users.users[name] = User(
            token_id,
            _digest(secret),
            time.strftime("%Y-%m-%d"),
            before.user_class if before and user_class == "default" else user_class,
            before.in_flight if before else None,
            before.tokens_a_minute if before else None,
        )
        if not users.classes:
            users.classes["default"] = _USUAL
        _write(path, users)
    return f"aix_{token_id}_{secret}"


def revoke(path: Path, name: str) -> None:
    """Remove a user; a running server refuses them within two seconds. Raises UsersError."""
    with _changing(path):
        users = read(path)
        if users.users.pop(name, None) is None:
            raise UsersError(f"there is no user {name}; `aix-lsp serve list` shows all users")
        _write(path, users)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_S):
            yield
    except Timeout:
        raise UsersError(f"another process is changing {path}; try again") from None
    except OSError as error:
        raise UsersError(f"{path} cannot be changed: {error}") from error


def _write(path: Path, users: Users) -> None:
    try:
        files.write_whole(path, format(encode(users), indent=2).decode() + "\n")
    except OSError as error:
        raise UsersError(f"{path} cannot be written: {error}") from error


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class UserDirectory:
    """The users of a running server, kept in step with their file."""

    def __init__(self, path: Path) -> None:
        """Raises UsersError."""
        self._path = path
        self._stamp = _stamp(path)
        self._take(read(path))

    def _take(self, users: Users) -> None:
        self.users = users
        self._by_token = {user.token_id: name for name, user in users.users.items()}

    def identify(self, token: str) -> Identity | None:
        """The user that a token belongs to, or None."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        name = self._by_token.get(found[1], "")
        user = self.users.users.get(name)
        digest = _digest(found[2])
        # Compared in constant time; an unknown id takes as long as a wrong secret.
        if not hmac.compare_digest(user.token_sha256 if user else "0" * 64, digest) or user is None:
            return None
        return self.identity(name, user)

    def identity(self, name: str, user: User) -> Identity:
        """A user with the quotas in force."""
        kind = self.users.class_of(user)
        in_flight = kind.user_in_flight if user.in_flight is None else user.in_flight
        tokens = kind.user_tokens_a_minute if user.tokens_a_minute is None else user.tokens_a_minute
        return Identity(name, user.user_class, kind, in_flight, tokens)

    async def follow(self) -> None:
        """Reread the file whenever it changes; runs forever. A damaged file is logged, and changes nothing."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            stamp = await asyncio.to_thread(_stamp, self._path)
            if stamp == self._stamp:
                continue
            self._stamp = stamp
            try:
                self._take(await asyncio.to_thread(read, self._path))
            except UsersError as error:
                log.error("%s; the previous users stay in effect", error)
            else:
                log.info("%s has changed: %d users", self._path, len(self.users.users))


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
