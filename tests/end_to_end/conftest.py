"""Editors with a real server, for the end-to-end tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.client.editor import Editor
from tests.client.listening import Listening, listening
from tests.client.readiness import wait_until_ready

SOURCE = """\
class LedgerError(Exception):
    pass


class Ledger:
    def __init__(self, name):
        self.name = name
        self.accounts = {}

    def open_account(self, name):
        if name in self.accounts:
            raise LedgerError(f"{name} is open already")
        self.accounts[name] = Account(name)
        return self.accounts[name]

    def account(self, name):
        if name not in self.accounts:
            raise LedgerError(f"there is no account {name}")
        return self.accounts[name]

    def close_account(self, name):
        if name not in self."""
"""A document that almost certainly gets a suggestion: the last line repeats an earlier one."""


PATIENT = {"deadlineMs": 15_000}
"""The tests check the answers, not how soon they come, however busy the machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listener(engine_home: Path) -> AsyncIterator[Listening]:
    """A server for the tests of a module, connected to the shared engine."""
    async with listening("tcp", engine_home) as server:
        yield server


@pytest_asyncio.fixture
async def editor(listener: Listening) -> AsyncIterator[Editor]:
    """An editor with its own session, whose engine is ready."""
    async with await listener.join() as editor:
        await editor.initialize(options=PATIENT | {"token": listener.token})
        await wait_until_ready(editor)
        yield editor
