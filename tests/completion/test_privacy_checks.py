"""The privacy policy is queried on threads, so a hanging file system blocks nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aix_lsp.completion import privacy_checks
from aix_lsp.completion.privacy_checks import SILENT, PrivacyChecks
from aix_lsp.completion.service import CompletionService
from aix_lsp.privacy.policy import Privacy
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor, ScriptedBackend, texts


class Hanging:
    """A file system that hangs for every file in the folder `far` until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.released = threading.Event()
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        real = Privacy.inactive_reason

        def inactive_reason(privacy: Privacy, uri: str, settings: Settings) -> str | None:
            self.asked.append(uri)
            self.threads.add(threading.current_thread())
            if "/far/" in uri:
                assert self.released.wait(60)
            return real(privacy, uri, settings)

        monkeypatch.setattr(Privacy, "inactive_reason", inactive_reason)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setattr(privacy_checks, "_PATIENCE_S", 0.05)
    made = Hanging(monkeypatch)
    yield made
    made.released.set()


async def test_the_event_loop_never_queries_the_policy_itself(hanging: Hanging) -> None:
    checks = PrivacyChecks()
    assert await checks.reason("file:///near/a.py", Settings()) in ("", SILENT)
    assert hanging.threads and threading.current_thread() not in hanging.threads
    await checks.close()


async def test_a_hanging_file_system_forbids_its_files_and_delays_no_others(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = PrivacyChecks()
    assert await checks.reason("file:///far/a.py", Settings()) == SILENT
    assert checks.known("file:///far/a.py", Settings()) is None
    for _ in range(20):
        assert await checks.reason("file:///far/a.py", Settings()) == SILENT
    async with asyncio.timeout(60):
        while not hanging.asked:
            await asyncio.sleep(0.001)
    assert hanging.asked == ["file:///far/a.py"], "asked once, however often it is waited for"
    monkeypatch.setattr(privacy_checks, "_PATIENCE_S", 60.0)
    assert await checks.reason("file:///near/a.py", Settings()) == ""
    hanging.released.set()
    assert await checks.reason("file:///far/a.py", Settings()) == ""
    await checks.close()


async def test_the_number_of_threads_is_bounded(hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = PrivacyChecks()
    for number in range(3 * privacy_checks._MOST_AT_ONCE):
        assert await checks.reason(f"file:///far/{number}.py", Settings()) == SILENT
    async with asyncio.timeout(60):
        while len(hanging.threads) < privacy_checks._MOST_AT_ONCE:
            await asyncio.sleep(0.001)
    assert len(hanging.threads) == privacy_checks._MOST_AT_ONCE
    hanging.released.set()
    await checks.close()


async def test_many_documents_at_once_wait_for_their_turn() -> None:
    checks = PrivacyChecks()
    uris = [f"file:///near/{number}.py" for number in range(10 * privacy_checks._MOST_AT_ONCE)]
    assert await asyncio.gather(*(checks.reason(uri, Settings()) for uri in uris)) == [""] * len(uris)
    await checks.close()


async def test_a_rule_that_is_written_later_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy_checks, "_PATIENCE_S", 60.0)
    monkeypatch.setattr(privacy_checks, "_FRESH_S", 0.0)
    uri = (tmp_path / "a.py").as_uri()
    checks = PrivacyChecks(lambda: [tmp_path])
    await checks.fetch([uri], Settings())
    assert checks.known(uri, Settings()) == ""
    (tmp_path / ".gitignore").write_text("a.py\n")
    checks._idle.clear()  # what the policy itself caches for some seconds
    async with asyncio.timeout(60):
        while not checks.known(uri, Settings()):
            await checks.fetch([uri], Settings())
    assert "ignored by" in (checks.known(uri, Settings()) or "")
    await checks.close()


async def test_only_documents_on_a_hanging_file_system_get_nothing(
    service: CompletionService, backend: ScriptedBackend, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons: list[str] = []
    service.inactive = reasons.append
    far = Editor.at(service, "x = |\n", uri="file:///far/a.py")
    assert texts(await far.watch()) == [""]
    assert reasons == [SILENT]
    assert not backend.calls
    monkeypatch.setattr(privacy_checks, "_PATIENCE_S", 60.0)
    near = Editor.at(service, "x = |\n", uri="file:///near/a.py")
    answer = near.watch()
    call = await backend.called_later()
    call.write("1")
    call.end()
    assert texts(await answer)[-1] == "1"
    assert reasons[-1] == ""
    hanging.released.set()
