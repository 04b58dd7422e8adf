"""Sessions of the real server with planted secrets: no file that the program writes contains one, in any encoding.

The first session uses the local engine (its corpus, state, log and prepared weights), the second a server whose
model takes context from other files, so that the index is built.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from benchmarks.campaign.outcome import Outcome
from benchmarks.campaign.recorder import Planted, recorders
from tests.client.editor import Editor
from tests.client.engine_watch import end_engines
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready
from tests.privacy.adversary import adversary
from tests.privacy.planted import Plant, leaks, plants
from tests.privacy.test_leaks import CODE

HIDDEN = "hiddenBcdfgh7Zq"
FORBIDDEN = ("private/a.py", ".env", "id_rsa")
SETTINGS = {"deadlineMs": 60_000, "waitMs": 0, "logLevel": "debug"}
_FILES = 30


def as_texts(content: bytes) -> Iterator[str]:
    """Bytes decoded as Latin-1, UTF-8, and UTF-16 of either endianness, from even and odd offsets."""
    yield content.decode("latin-1")
    yield content.decode("utf-8", "replace")
    for start in (0, 1):
        yield content[start:].decode("utf-16-le", "replace")
        yield content[start:].decode("utf-16-be", "replace")


def written(home: Path) -> dict[str, list[str]]:
    """Every file but the model's weights, as text; databases also by row, since long values span several pages."""
    files: dict[str, list[str]] = {}
    for file in sorted(home.rglob("*")):
        if not file.is_file() or file.is_symlink() or file.suffix == ".safetensors":
            continue
        with suppress(FileNotFoundError):
            content = file.read_bytes()
            files[file.relative_to(home).as_posix()] = list(as_texts(content))
            if content.startswith(b"SQLite format 3"):
                with closing(sqlite3.connect(file)) as database:
                    files[f"{file.name}, its rows"] = ["\n".join(database.iterdump())]
    return files


def is_indexed(files: dict[str, list[str]]) -> bool:
    """Whether the workspace's index contains the last of its files."""
    return any(
        "its rows" in name and f"indexed_{_FILES - 1}.py" in text for name, [text, *_] in files.items()
    )


def make_workspace(root: Path, planted: list[Plant]) -> None:
    (root / ".git").mkdir(parents=True)
    (root / ".gitignore").write_text("private/\n")
    for name in FORBIDDEN:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"{HIDDEN} = '{HIDDEN}'\n")
    for number, plant in enumerate(planted):
        (root / f"indexed_{number}.py").write_text(f"{CODE}{plant.text}\n{CODE}")


async def work(editor: Editor, root: Path, planted: list[Plant]) -> None:
    """Request and accept suggestions in documents with secrets, and request some in files that must never be sent."""
    for number, plant in enumerate(planted):
        text = f"{CODE}{plant.text}\n{CODE}"
        buffer = editor.open(root / f"open_{number}.py", text, "python")
        buffer.cursor = len(text)
        editor.type(buffer, "for value in ")
        for item in inline_items(await editor.inline(buffer, "invoked").result(60))[:1]:
            editor.accept(buffer, item)
        editor.close(buffer)
    for name in FORBIDDEN:
        await editor.inline(editor.open(root / name, f"{HIDDEN} = 1\n"), "invoked").result(60)


@pytest.mark.timeout(400)
async def test_no_file_of_the_home_holds_a_secret(fresh_home: Path, tmp_path: Path) -> None:
    known = [*plants(31, 1), *(each for each in adversary(31) if each.language == "python")]
    planted = random.Random(7).sample([plant for plant in known if len(plant.secret) >= 12], _FILES)
    root = tmp_path / "w"
    make_workspace(root, planted)
    errors = ""
    async with recorders(Planted(), Outcome("on disk")) as (_, recorder):
        for options in (SETTINGS, {**SETTINGS, "url": recorder.url}):
            log = fresh_home / f"server-{len(options)}.log"
            started = Editor.start(fresh_home, "-v", "--log-file", str(log), configuration=options)
            async with await started as editor:
                await editor.initialize(root=root, options=options, within=120)
                await wait_until_ready(editor, within=120)
                await work(editor, root, planted[:6])
                async with asyncio.timeout(120):
                    while "url" in options and not is_indexed(written(fresh_home)):
                        await asyncio.sleep(0.2)
                errors += editor.log()
    end_engines(fresh_home)
    files = written(fresh_home) | {"standard error": [errors]}
    assert is_indexed(files)
    logs = {name: text for name, [text, *_] in files.items() if name.startswith("server-")}
    assert len(logs) == 2
    assert any("DEBUG" in text for text in logs.values())
    for name, texts in files.items():
        for text in texts:
            assert HIDDEN not in text, name
            found = [each.kind for each in planted if leaks(each.secret, text)]
            found += [each.kind for each in planted if leaks(json.dumps(each.secret)[1:-1], text)]
            assert found == [], name
