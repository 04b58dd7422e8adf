"""Extensions touch only the files listed in docs/architecture.md: each is made in a copy of the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aix_lsp

PACKAGE = Path(aix_lsp.__file__).parent
LEFT_OUT = shutil.ignore_patterns("*.safetensors", "__pycache__")
"""Not copied: weights, and bytecode that Python may be writing for another test."""

ENGINE_OPTIONS = """
    probe_count: int = engine_option(0, "How often to probe.", minimum=0, maximum=9)
    probe_gently: bool = engine_option(True, "Probe gently.")
"""
PROBE = '''
"""`aix/probe`: answers what it is asked."""

from typing import Any

import attrs

from aix_lsp.lsp.session import Session


@attrs.define
class Params:
    word: str


def probe(session: Session, params: Params) -> Any:
    return {"word": params.word, "started": session.started.is_set()}
'''
FAMILY = """    Template(
        name="probe",
        layout=("<|probe_pre|>", "{prefix}", "<|probe_suf|>", "{suffix}", "<|probe_mid|>"),
        stop=("<|probe_end|>",),
    ),
"""
USE_FAMILY = """
from aix_lsp.backends.base import GenerateRequest
from aix_lsp.backends.dialects import TemplateDialect
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import detect

family = detect(["<|probe_pre|>", "<|probe_suf|>", "<|probe_mid|>", "<|probe_end|>", "<|endoftext|>"])
assert family is not None and family.name == "probe", family
assert detect((), "some-model", "probe") is family
body = TemplateDialect(family).body(GenerateRequest(FimPrompt(prefix="one", suffix="two"), 8))
assert body["prompt"] == "<|probe_pre|>one<|probe_suf|>two<|probe_mid|>", body
assert "<|probe_end|>" in body["stop"], body
print("rendered")
"""
USE_LANGUAGE = """
from aix_lsp.completion.text import DocumentSnapshot, Text
from aix_lsp.languages import indexed_language, language_of, language_of_file
from aix_lsp.lsp.capabilities import Client, registrations
from aix_lsp.lsp.open_documents import assemble

def cell(uri, language, text):
    return DocumentSnapshot(uri, 1, language, "", Text.of(text))

assert language_of_file("a.probe") == indexed_language("a.probe") == "probelang"
assert (language_of("probelang").block, language_of("probelang").name) == ("colon", "Probe Language")
[watched] = registrations(Client(registers_watched_files=True), True)
assert any("probe" in watcher.glob_pattern for watcher in watched.register_options.watchers)
cells = [cell("one", "python", "x = 1"), cell("two", "probelang", "y")]
view = assemble(cell("book#probelang", "probelang", ""), cells)
assert str(view.document.text) == ";; x = 1\\ny\\n", str(view.document.text)
print("known")
"""
USE_FIELD = """
import json
from dataclasses import replace
from aix_lsp.backends.base import GenerateRequest
from aix_lsp.backends.dialects import EngineDialect
from aix_lsp.engine.parameters import BadField, parse
from aix_lsp.fim.prompt import FimPrompt

asked = GenerateRequest(FimPrompt(prefix="x"), probe=3)
body = EngineDialect().body(asked)
assert parse(json.dumps(body).encode()).probe == 3, body
assert "probe" not in EngineDialect().body(replace(asked, probe=0))["aix"]
try:
    parse(b'{"aix": {"probe": 12}}')
except BadField as error:
    print(error)
"""
FILTER = '''
"""Ends a suggestion before a word that nobody wants."""

from aix_lsp.completion.postprocess import Cut


def probe(text: str, cursor: object, done: bool) -> Cut:
    head, found, _ = text.partition("frobnicate")
    return Cut(head, bool(found))
'''
USE_FILTER = """
import asyncio
from tests.client.peer import DirectPeer
from tests.client.places import STREAM, URI, at
from tests.lsp.scripted import ScriptedBackend, dependencies

async def main():
    peer = DirectPeer(dependencies(ScriptedBackend(lambda request: ["value + ", "other; ", "frobnicate()"])))
    await peer.initialize()
    text, params = at("total = |")
    peer.open(params["textDocument"]["uri"], text)
    answer = await peer.ask(STREAM, params)
    print(answer["items"][0]["insertText"])
    await peer.session.close()

asyncio.run(main())
"""
ASK = """
import asyncio
from tests.client.peer import DirectPeer
from tests.lsp.scripted import ScriptedBackend, dependencies, echo

async def main():
    peer = DirectPeer(dependencies(ScriptedBackend(echo)))
    await peer.initialize()
    assert (await peer.ask("aix/probe", {"word": "hello"}))["word"] == "hello"
    assert await peer.error("aix/probe", {"word": 5}) == -32602
    await peer.session.close()
    print("answered")

asyncio.run(main())
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, to be extended."""
    shutil.copytree(PACKAGE, tmp_path / "aix_lsp", ignore=LEFT_OUT)
    return tmp_path / "aix_lsp"


def insert(file: Path, before: str, text: str) -> None:
    source = file.read_text("utf-8")
    assert source.count(before) == 1
    file.write_text(source.replace(before, text + before), "utf-8")


def run(package: Path, *arguments: str, home: Path | None = None) -> str:
    """Run Python with the copy instead of the package; returns its standard output. Tests are still importable."""
    path = os.pathsep.join([str(package.parent), str(PACKAGE.parent)])
    environment = os.environ | {"PYTHONPATH": path} | ({"AIX_LSP_HOME": str(home)} if home else {})
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=package,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_engine_option_is_one_entry_of_the_table(package: Path, fresh_home: Path) -> None:
    """The engine starts with it; its flag, documentation and validation are generated from the entry."""
    table = package / "settings" / "table.py"
    insert(table, "\n\n@dataclass(frozen=True, slots=True)\nclass Settings(", ENGINE_OPTIONS)
    told = " ".join(run(package, "-m", "aix_lsp", "engine", "--help").split())
    assert "--probe-count INTEGER RANGE How often to probe." in told
    assert "--no-probe-gently" in told
    assert "| `probeCount` | integer, 0 to 9 | `0` | user | How often to probe. |" in run(
        package, "-m", "aix_lsp", "settings", "--markdown"
    )
    source = fresh_home / "sum.py"
    source.write_text("def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return \n", "utf-8")
    flags = [f"--set={flag}" for flag in ("probeCount=3", "probeGently=false", "threads=1")]
    text = run(package, "-m", "aix_lsp", "complete", str(source), "--at", "6", *flags, home=fresh_home)
    assert text.strip(), "an engine that does not know the flags would not start"


def test_a_setting_is_one_entry_of_the_table(package: Path) -> None:
    """Its documentation, schema for editors and validation are generated from the entry."""
    entry = '    probe: bool = option(True, "Probe now and then.", per_language=True)\n'
    insert(package / "settings" / "table.py", "    popup_first: bool", entry)
    row = "| `probe` | boolean | `true` | language | Probe now and then. |"
    assert row in run(package, "-m", "aix_lsp", "settings", "--markdown")
    schema = json.loads(run(package, "-m", "aix_lsp", "settings", "--json-schema"))
    assert schema["properties"]["probe"]["type"] == "boolean"
    assert "probe" in schema["properties"]["languages"]["additionalProperties"]["properties"]
    code = "from aix_lsp.settings import Layer, resolve; print(resolve([Layer('x', {'probe': 3})])[1][0])"
    assert "probe in x: must be true or false, not 3; using True." in run(package, "-c", code)


def test_an_lsp_request_is_a_file_and_its_line_in_the_server(package: Path) -> None:
    (package / "lsp" / "requests" / "probe.py").write_text(PROBE, "utf-8")
    server = package / "lsp" / "server.py"
    insert(server, "    workspace,\n)", "    probe,\n")
    insert(server, '    "workspace/executeCommand":', '    "aix/probe": probe.probe,\n')
    assert run(package, "-c", ASK) == "answered\n"


def test_a_model_family_is_one_template(package: Path) -> None:
    """It is detected by its special tokens or set by `fimFamily`, rendered, and stopped at its own stop strings."""
    templates = package / "fim" / "templates.py"
    head = "FAMILIES: tuple[Template, ...] = (\n"
    source = templates.read_text("utf-8")
    assert source.count(head) == 1
    templates.write_text(source.replace(head, head + FAMILY), "utf-8")
    assert run(package, "-c", USE_FAMILY) == "rendered\n"


def test_a_language_is_one_row(package: Path) -> None:
    """Everything else takes its files, comments, blocks and grammar from there."""
    row = "probelang        | ;;       | .probe         | colon indexed |  | Probe Language\n"
    insert(package / "languages.py", "\nxml  ", "\n" + row.strip())
    assert run(package, "-c", USE_LANGUAGE) == "known\n"


def test_a_filter_is_a_function_and_an_entry_in_the_pipeline(package: Path) -> None:
    assert "frobnicate" in run(package, "-c", USE_FILTER)
    (package / "completion" / "postprocess" / "probe.py").write_text(FILTER, "utf-8")
    pipeline = package / "completion" / "postprocess" / "pipeline.py"
    insert(pipeline, "\n__all__", "from aix_lsp.completion.postprocess.probe import probe\n")
    source = pipeline.read_text("utf-8")
    pipeline.write_text(source.replace("indentation, markers,", "indentation, probe, markers,"), "utf-8")
    assert run(package, "-c", USE_FILTER).strip() == "value + other;"


def test_a_request_field_is_one_line_on_each_side_and_its_bounds(package: Path) -> None:
    """The dialect sends it and the engine's parameters contain it, bounded, without changes to either."""
    insert(package / "backends" / "base.py", "    @property\n    def document(", "    probe: int = 0\n\n")
    parameters = package / "engine" / "parameters.py"
    insert(parameters, "\n\nclass _ContextFile(", "    probe: int = 0\n")
    insert(parameters, "\n\nclass _Body(", "    probe: Annotated[int, Meta(ge=0, le=9)] | None = None\n")
    assert run(package, "-c", USE_FIELD).startswith("aix.probe: ")
