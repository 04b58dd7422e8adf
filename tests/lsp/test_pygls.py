"""The private names of pygls that we use, and that they are unchanged in the installed pygls."""

from __future__ import annotations

import ast
import hashlib
import inspect
from pathlib import Path

import pytest
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

import aix_lsp.lsp
from aix_lsp.lsp.protocol import Protocol
from tests.client.peer import DirectPeer

TOUCHED = {
    "_register_builtin_features": "23165f2d61984aa3",
    "_check_handler_result": "424c15d110d5a21d",
    "_handle_notification": "d116395477c57456",
}
"""Each with the start of its source's SHA-256. If one differs, read what has changed in pygls, check whether the
reason in aix_lsp/lsp/protocol.py still holds, and put the new digest here."""


def plain() -> LanguageServerProtocol:
    """A protocol as pygls creates it."""
    server = LanguageServer("test", "1")
    assert isinstance(server.protocol, LanguageServerProtocol)
    return server.protocol


def private(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def accessed(file: Path) -> set[str]:
    """Private attributes that a module reads, sets or defines."""
    tree = ast.walk(ast.parse(file.read_text("utf-8")))
    return {
        node.attr if isinstance(node, ast.Attribute) else node.name
        for node in tree
        if isinstance(node, ast.Attribute | ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_only_these_private_names_are_touched() -> None:
    """In every module that imports pygls. A name of ours that a later pygls uses would show up here too."""
    protocol, server = plain(), LanguageServer("test", "1")
    known = private({*dir(protocol), *vars(protocol), *dir(server), *vars(server)})
    modules = [
        file for file in Path(aix_lsp.lsp.__path__[0]).rglob("*.py") if "pygls" in file.read_text("utf-8")
    ]
    assert len(modules) >= 5
    touched = {name: file.name for file in modules for name in accessed(file) & known}
    assert touched == dict.fromkeys(TOUCHED, "protocol.py")


@pytest.mark.parametrize(("name", "digest"), TOUCHED.items())
def test_private_names_of_pygls_are_unchanged(name: str, digest: str) -> None:
    source = inspect.getsource(getattr(LanguageServerProtocol, name))
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == digest


async def test_none_of_pygls_own_features_runs(peer: DirectPeer) -> None:
    await peer.initialize()
    assert isinstance(peer.session.server.protocol, Protocol)
    assert peer.session.protocol.fm.builtin_features == {}
    assert plain().fm.builtin_features
