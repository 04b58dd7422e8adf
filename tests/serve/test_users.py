"""Users are identified by their tokens, of which only hashes are stored; a changed file is reloaded."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from pathlib import Path

import pytest

from aix_lsp.serve import users
from aix_lsp.serve.users import UserDirectory, UsersError, add, read, revoke


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serve" / "users.json"


def test_a_token_identifies_its_user_and_is_stored_nowhere(path: Path) -> None:
    ann, bob = add(path, "ann"), add(path, "bob", "nightly")
    directory = UserDirectory(path)
    found = directory.identify(ann), directory.identify(bob)
    assert [who and (who.name, who.class_name) for who in found] == [("ann", "default"), ("bob", "nightly")]
    text = path.read_text()
    assert ann not in text and ann.split("_", 2)[2] not in text
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_other_tokens_identify_nobody(path: Path) -> None:
    ann, bob = add(path, "ann"), add(path, "bob")
    directory = UserDirectory(path)
    crossed = ann[:20] + bob[20:]
    for token in (
        "",
        "aix",
        ann[:-1],
        ann + "x",
        ann.upper(),
        crossed,
        "aix_" + "0" * 16 + ann[20:],
        "\0",
        "é" * 64,
    ):
        assert directory.identify(token) is None


def test_a_new_token_invalidates_the_old_one(path: Path) -> None:
    old = add(path, "ann", "nightly")
    with pytest.raises(UsersError, match="--renew"):
        add(path, "ann")
    new = add(path, "ann", renew=True)
    directory = UserDirectory(path)
    assert directory.identify(old) is None
    who = directory.identify(new)
    assert who is not None and who.class_name == "nightly"


def test_revoked_users_are_gone(path: Path) -> None:
    ann = add(path, "ann")
    revoke(path, "ann")
    assert UserDirectory(path).identify(ann) is None
    with pytest.raises(UsersError, match="no user ann"):
        revoke(path, "ann")


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "=cmd()", "-x", "é", "a" * 65, "a\n"])
def test_invalid_names(path: Path, name: str) -> None:
    with pytest.raises(UsersError, match="not a valid user name"):
        add(path, name)


def test_a_users_quota_takes_precedence_over_the_class(path: Path) -> None:
    token = add(path, "ann", "nightly")
    content = json.loads(path.read_text())
    content["classes"]["nightly"] = {"userInFlight": 2, "userTokensAMinute": 100, "share": 0.5}
    content["users"]["ann"]["tokensAMinute"] = 7
    path.write_text(json.dumps(content))
    who = UserDirectory(path).identify(token)
    assert who is not None
    assert (who.in_flight, who.tokens_a_minute, who.user_class.share) == (2, 7, 0.5)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"users": {"ann": {}}}', "tokenId"),
        ('{"classes": {"a": {"share": 0}}}', "share"),
        ('{"classes": {"a": {"shared": 1}}}', "shared"),
        ('{"other": 1}', "other"),
    ],
)
def test_the_error_says_how_a_file_is_damaged(path: Path, content: str, says: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(UsersError, match=says):
        read(path)


async def test_a_changed_file_is_reloaded_unless_it_is_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "_CHECK_EVERY_S", 0.01)
    ann = add(path, "ann")
    directory = UserDirectory(path)
    following = asyncio.create_task(directory.follow())
    bob = add(path, "bob")
    async with asyncio.timeout(60):
        while directory.identify(bob) is None:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(path.write_text, "{")
        while directory._stamp != users._stamp(path):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert directory.identify(ann) is not None
        await asyncio.to_thread(path.unlink)
        while directory.identify(ann) is not None:
            await asyncio.sleep(0.01)
    following.cancel()
