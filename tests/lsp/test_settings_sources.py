"""The sources of a session's settings: they take effect, and mistakes are reported once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aix_lsp import logs
from aix_lsp.lsp.session import Dependencies
from aix_lsp.settings import Settings
from tests.client.peer import DirectPeer
from tests.client.places import STREAM, at
from tests.lsp.scripted import PATIENT, ScriptedBackend, dependencies, echo

Connect = Callable[[Dependencies], DirectPeer]
ASKS = {"workspace": {"configuration": True}}


def warnings(peer: DirectPeer) -> list[str]:
    return [note["message"] for note in peer.notifications("window/showMessage")]


async def started(peer: DirectPeer, capabilities: Any = None, **more: Any) -> None:
    await peer.initialize(capabilities, **more)
    await peer.wait(lambda: peer.session.started.is_set())


def settings(peer: DirectPeer, folder: str = "") -> Settings:
    configured = peer.session.services.get(folder)
    assert configured is not None
    return configured.settings


async def test_defaults(peer: DirectPeer) -> None:
    await started(peer)
    assert settings(peer) == PATIENT


@pytest.mark.parametrize("options", [{"maxTokens": 5}, {"aix": {"maxTokens": 5}}])
async def test_initialization_options(peer: DirectPeer, options: Any) -> None:
    await started(peer, initializationOptions=options)
    assert settings(peer).max_tokens == 5
    assert not warnings(peer)


@pytest.mark.parametrize("options", [None, 5, "x", [], {"token": "t"}])
async def test_invalid_options(peer: DirectPeer, options: Any) -> None:
    await started(peer, initializationOptions=options)
    assert settings(peer) == PATIENT
    assert not warnings(peer)


async def test_the_client_is_asked(peer: DirectPeer) -> None:
    peer.calls["workspace/configuration"] = lambda params: [{"maxTokens": 7}]
    await started(peer, ASKS)
    assert settings(peer).max_tokens == 7


@pytest.mark.parametrize("answer", [None, [], [None], [5], ["x"], {}, [[]]])
async def test_strange_answers(peer: DirectPeer, answer: Any) -> None:
    peer.calls["workspace/configuration"] = lambda params: answer
    await started(peer, ASKS)
    assert settings(peer) == PATIENT


async def test_a_client_that_does_not_answer(peer: DirectPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.lsp.session.CONFIGURATION_WAIT_S", 0.01)
    peer.silent = True
    await started(peer, ASKS, initializationOptions={"maxTokens": 5})
    assert settings(peer).max_tokens == 5


async def test_the_order_of_sources(home: Path, connect: Connect, tmp_path: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(
        "maxTokens = 1\ncandidates = 1\nwaitMs = 1\ndeadlineMs = 11\n"
    )
    project = tmp_path / "project"
    project.mkdir()
    (project / ".aix-lsp.toml").write_text("maxTokens = 2\ncandidates = 2\nwaitMs = 2\ntemperature = 0.5\n")
    peer = connect(dependencies(settings={"maxTokens": 4}))
    peer.calls["workspace/configuration"] = lambda params: (
        [{"maxTokens": 3, "candidates": 3}] * len(params["items"])
    )
    folders = [{"uri": project.as_uri(), "name": "project"}]
    await started(peer, ASKS, workspaceFolders=folders)
    made = settings(peer, project.as_uri())
    assert (made.max_tokens, made.candidates, made.wait_ms, made.deadline_ms, made.temperature) == (
        4,
        3,
        2,
        11,
        0.5,
    )
    assert settings(peer).temperature == 0.0


async def test_the_log_level_takes_effect_wherever_it_is_set(home: Path, connect: Connect) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text('logLevel = "error"\n')
    logs.set_level("info")
    peer = connect(dependencies())
    await started(peer)
    assert logging.getLogger().level == logging.ERROR
    peer.notify("workspace/didChangeConfiguration", {"settings": {"aix": {"logLevel": "debug"}}})
    await peer.wait(lambda: settings(peer).log_level == "debug")
    assert logging.getLogger().level == logging.DEBUG
    flagged = connect(dependencies(settings={"logLevel": "warning"}))
    logs.set_level("warning")
    await started(flagged)
    assert logging.getLogger().level == logging.WARNING


@pytest.mark.parametrize("root", ["rootUri", "rootPath"])
async def test_the_root_of_an_older_client(peer: DirectPeer, tmp_path: Path, root: str) -> None:
    (tmp_path / ".aix-lsp.toml").write_text("maxTokens = 2\n")
    await started(peer, **{root: str(tmp_path) if root == "rootPath" else tmp_path.as_uri()})
    assert settings(peer, tmp_path.as_uri()).max_tokens == 2


async def test_a_relative_root_is_ignored(peer: DirectPeer) -> None:
    await started(peer, rootPath="project")
    assert peer.session.workspace.folders == ()


async def test_a_mistake_is_reported_once_and_the_default_used(peer: DirectPeer) -> None:
    peer.calls["workspace/configuration"] = lambda params: [{"maxTokns": 3, "waitMs": "soon"}]
    await started(peer, ASKS)
    assert settings(peer) == PATIENT
    [told] = await peer.wait(lambda: warnings(peer))
    one, two = told.splitlines()
    assert "maxTokns" in one and "maxTokens" in one
    assert "waitMs" in two
    peer.notify("workspace/didChangeConfiguration", {"settings": None})
    await peer.ask("aix/inlineCompletion", at("|")[1])
    assert warnings(peer) == [told]


async def test_a_change_is_pulled(peer: DirectPeer) -> None:
    peer.calls["workspace/configuration"] = lambda params: [{"maxTokens": 7}]
    await started(peer, ASKS)
    peer.calls["workspace/configuration"] = lambda params: [{"maxTokens": 8}]
    peer.notify("workspace/didChangeConfiguration", {"settings": None})
    await peer.wait(lambda: settings(peer).max_tokens != 7)
    assert settings(peer).max_tokens == 8


@pytest.mark.parametrize("pushed", [{"aix": {"maxTokens": 9}, "python": {"maxTokens": 1}}])
async def test_a_change_is_pushed(peer: DirectPeer, pushed: Any) -> None:
    await started(peer)
    peer.notify("workspace/didChangeConfiguration", {"settings": {"other": {"maxTokens": 1}}})
    peer.notify("workspace/didChangeConfiguration", {"settings": pushed})
    peer.notify("workspace/didChangeConfiguration", {})
    peer.notify("workspace/didChangeConfiguration", 5)
    await peer.error("still/there")
    await peer.wait(lambda: settings(peer).max_tokens != PATIENT.max_tokens)
    assert settings(peer).max_tokens == 9


async def test_changes_are_registered_for(peer: DirectPeer) -> None:
    dynamic = {"dynamicRegistration": True}
    asked: list[Any] = []
    peer.calls["client/registerCapability"] = asked.append
    await started(peer, {"workspace": {"didChangeConfiguration": dynamic, "didChangeWatchedFiles": dynamic}})
    await peer.wait(lambda: asked)
    methods = {each["method"] for each in asked[0]["registrations"]}
    assert methods == {"workspace/didChangeConfiguration", "workspace/didChangeWatchedFiles"}


@pytest.mark.parametrize("how", ["saved", "watched"])
async def test_a_projects_file_is_read_again(peer: DirectPeer, tmp_path: Path, how: str) -> None:
    file = tmp_path / ".aix-lsp.toml"
    await started(peer, workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "p"}])
    file.write_text("maxTokens = 6\n")
    if how == "saved":
        peer.notify("textDocument/didSave", {"textDocument": {"uri": file.as_uri()}})
    else:
        change = {"uri": file.as_uri(), "type": 1}
        peer.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
    await peer.wait(lambda: settings(peer, tmp_path.as_uri()) != settings(peer))
    assert settings(peer, tmp_path.as_uri()).max_tokens == 6


async def test_a_language_has_its_own_settings(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await started(peer, initializationOptions={"languages": {"python": {"enabled": False}}})
    text, params = at("x = |")
    peer.open(params["textDocument"]["uri"], text, "python")
    assert (await peer.ask(STREAM, params))["items"] == []
    text, params = at("x = |", uri="file:///w/b.go")
    peer.open("file:///w/b.go", text, "go")
    assert (await peer.ask(STREAM, params))["items"]


async def test_folders_with_different_settings(connect: Connect, tmp_path: Path) -> None:
    """Two projects, one of them disabled, share a backend because their engine settings are the same."""
    made: list[ScriptedBackend] = []

    def connecting(settings: Settings) -> ScriptedBackend:
        made.append(ScriptedBackend(echo))
        return made[-1]

    peer = connect(dependencies(connect=connecting))
    folders = []
    for name, enabled in (("on", "true"), ("off", "false")):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".aix-lsp.toml").write_text(f"enabled = {enabled}\n")
        folders.append({"uri": (tmp_path / name).as_uri(), "name": name})
    await started(peer, workspaceFolders=folders)
    answers = {}
    for name in ("on", "off"):
        uri = (tmp_path / name / "a.py").as_uri()
        text, params = at("x = |", uri=uri)
        peer.open(uri, text)
        answers[name] = bool((await peer.ask(STREAM, params))["items"])
    assert answers == {"on": True, "off": False}
    assert len(made) == 1


async def test_folders_come_and_go(peer: DirectPeer, tmp_path: Path) -> None:
    await started(peer)
    uri = (tmp_path / "src" / "a.py").as_uri()
    text, params = at("x = |", uri=uri)
    peer.open(uri, text)
    (tmp_path / ".aix-lsp.toml").write_text("enabled = false\n")
    folder = {"uri": tmp_path.as_uri(), "name": "p"}
    method = "workspace/didChangeWorkspaceFolders"
    peer.notify(method, {"event": {"added": [folder], "removed": []}})
    await peer.wait(lambda: not settings(peer, folder["uri"]).enabled)
    document = peer.session.documents.store.get(uri)
    assert document is not None and document.path == "src/a.py"
    assert (await peer.ask(STREAM, params))["items"] == []
    peer.notify(method, {"event": {"added": [], "removed": [folder]}})
    await peer.wait(lambda: settings(peer, folder["uri"]).enabled)
    assert (await peer.ask(STREAM, params))["items"]


async def test_another_model_is_another_backend(connect: Connect) -> None:
    made: dict[str, ScriptedBackend] = {}

    def connecting(settings: Settings) -> ScriptedBackend:
        made[settings.model] = ScriptedBackend(lambda request: [settings.model])
        return made[settings.model]

    peer = connect(dependencies(connect=connecting))
    await started(peer)
    text, params = at("x = |")
    peer.open(params["textDocument"]["uri"], text)
    assert (await peer.ask(STREAM, params))["items"][0]["insertText"] == "embedded"
    await peer.ask("workspace/executeCommand", {"command": "aix.switchModel", "arguments": ["other"]})
    assert (await peer.ask(STREAM, params))["items"][0]["insertText"] == "other"
    await peer.wait(lambda: made["embedded"].closed)
    assert made["embedded"].listeners == 0 and not made["other"].closed
    assert len(peer.session.dependencies.pool) == 1


@pytest.mark.parametrize(
    "document", ["file://{real}/a.py", "file://{link}/a.py", "fugitive://{real}/.git//0/a.py"]
)
@pytest.mark.parametrize("root", ["real", "link"])
async def test_a_project_s_settings_hold_however_its_folder_is_spelt(
    connect: Connect, tmp_path: Path, root: str, document: str
) -> None:
    places = {"real": tmp_path / "real", "link": tmp_path / "link"}
    places["real"].mkdir()
    places["link"].symlink_to("real")
    (places["real"] / ".aix-lsp.toml").write_text('exclude = ["a.py"]\n')
    peer = connect(dependencies())
    await peer.initialize(workspaceFolders=[{"uri": places[root].as_uri(), "name": "p"}])
    await peer.wait(lambda: peer.session.started.is_set())
    configured = peer.session.service_for(document.format(**places))
    assert configured is not None
    assert configured.settings.exclude == ["a.py"]
    if document.startswith("file:"):
        assert peer.session.workspace.shown_path(document.format(**places)) == "a.py"
