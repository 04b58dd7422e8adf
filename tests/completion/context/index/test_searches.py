"""Each source finds what it should in small workspaces of several languages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from aix_lsp.completion.context.index.scan import Gate
from aix_lsp.completion.context.index.searches import SEARCHES
from tests.completion.context.index.places import index, query

LEDGER = (
    "class Ledger:\n    def open(self, name):\n        return Account(name)\n\n    def _hidden(self): ...\n"
)
USE = "from bank.ledger import Ledger\n\nledger = Ledger()\nledger.|"


@pytest.mark.parametrize(
    ("files", "path", "text", "found"),
    [
        ({"bank/ledger.py": LEDGER}, "main.py", USE, ["bank/ledger.py"]),
        ({"src/bank/ledger.py": LEDGER}, "main.py", USE, ["src/bank/ledger.py"]),
        ({"other/ledger.py": LEDGER}, "main.py", USE, []),
        ({"bank/__init__.py": LEDGER}, "a.py", "from bank import Ledger\n|", ["bank/__init__.py"]),
        ({"bank/ledger.py": LEDGER}, "a.py", "from bank import ledger\n|", ["bank/ledger.py"]),
        ({"a/b.py": LEDGER, "b.py": LEDGER}, "a/c.py", "from .b import Ledger\n|", ["a/b.py"]),
        ({"b.py": LEDGER}, "a/c.py", "from ..b import Ledger\n|", ["b.py"]),
        ({"b.py": LEDGER}, "a/c.py", "from .b import Ledger\n|", []),
        ({"deep/down/json.py": LEDGER}, "a/c.py", "import json\n|", []),
        ({"one/json.py": LEDGER}, "one/c.py", "import json\n|", ["one/json.py"]),
        ({"a.ts": "export function f(): void {}\n"}, "b.ts", "import { f } from './a'\n|", ["a.ts"]),
        ({"x/a.tsx": "export function F() {}\n"}, "y/b.ts", "import { F } from '../x/a'\n|", ["x/a.tsx"]),
        (
            {"x/index.js": "export function f() {}\n"},
            "b.js",
            "const { f } = require('./x')\n|",
            ["x/index.js"],
        ),
        ({"pkg/a.go": "package pkg\nfunc Open() {}\n"}, "main.go", 'import "me.org/x/pkg"\n|', ["pkg/a.go"]),
        ({"src/a.rs": "pub fn open() {}\n"}, "src/main.rs", "use crate::a::open;\n|", ["src/a.rs"]),
        ({"src/a/B.java": "class B { void f() {} }\n"}, "src/a/C.java", "import a.B;\n|", ["src/a/B.java"]),
        ({"inc/a.h": "int f(int);\n"}, "src/b.c", '#include "a.h"\n|', []),
        ({"include/a.h": "int f(int);\n"}, "src/b.cpp", '#include "a.h"\n|', ["include/a.h"]),
        ({"lib/a.rb": "def f(x)\nend\n"}, "lib/b.rb", "require_relative 'a'\n|", ["lib/a.rb"]),
    ],
)
def test_imports(tmp_path: Path, files: Mapping[str, str], path: str, text: str, found: list[str]) -> None:
    where = index(tmp_path / "w", files)
    assert [excerpt.path for excerpt in SEARCHES["imports"](query(path, text), where)] == found


def test_an_import_is_described_by_its_signatures(tmp_path: Path) -> None:
    where = index(tmp_path / "w", {"bank/ledger.py": LEDGER + "\n\ndef unrelated(): ...\n"})
    [excerpt] = SEARCHES["imports"](query("main.py", USE), where)
    assert excerpt.text == "class Ledger:\n    def open(self, name):\n    def _hidden(self): ..."


def test_names_used_next_to_the_cursor_come_first(tmp_path: Path) -> None:
    files = {f"{name}.py": f"def use_{name}(): ...\n" for name in "abc"}
    where = index(tmp_path / "w", files)
    head = "from a import use_a\nfrom b import use_b\nfrom c import use_c\nuse_a()\nuse_c()\nuse_b(|)"
    assert [e.path for e in SEARCHES["imports"](query("m.py", head), where)] == ["b.py", "c.py", "a.py"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("open_account(|)", ["bank.py"]),
        ("ledger.transfer(|)", ["moves.py"]),
        ("transfer(|)", []),  # not a member there
        ("open_account|", []),  # a variable's name, as likely as not
        ("x: Account = |", ["bank.py"]),
        ("get(|)", []),  # defined everywhere
        ("strange(|)", []),
    ],
)
def test_definitions(tmp_path: Path, text: str, found: list[str]) -> None:
    files = {f"many/{n}.py": "def get(): ...\n" for n in range(9)} | {
        "bank.py": "def open_account(name): ...\n\nclass Account:\n    balance: int\n",
        "moves.py": "class Move:\n    def transfer(self, to): ...\n",
        "script.js": "function open_account() {}\n",
        "main.py": "def strange(): ...\n",
    }
    where = index(tmp_path / "w", files)
    assert [e.path for e in SEARCHES["definitions"](query("main.py", text), where)] == found


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("src/ledger.py", "tests/test_ledger.py"),
        ("tests/test_ledger.py", "src/ledger.py"),
        ("a/ledger.go", "a/ledger_test.go"),
        ("a/ledger.ts", "a/ledger.test.ts"),
        ("a/ledger.spec.ts", "a/ledger.ts"),
        ("a/LedgerTest.java", "b/Ledger.java"),
        ("src/ledger.c", "include/ledger.h"),
        ("src/ledger.cpp", "include/ledger.h"),
        ("spec/ledger_spec.rb", "lib/ledger.rb"),
    ],
)
def test_siblings(tmp_path: Path, path: str, other: str) -> None:
    texts = {
        "py": "def f(): ...\n",
        "go": "package a\nfunc f() {}\n",
        "ts": "function f() {}\n",
        "java": "class A {}\n",
        "h": "int f(int);\n",
        "rb": "def f\nend\n",
    }
    text = texts[other.rsplit(".", 1)[-1]]
    where = index(tmp_path / "w", {other: text, path: "x", "else/where.py": "def f(): ...\n"})
    assert [e.path for e in SEARCHES["siblings"](query(path, "|"), where)] == [other]


def test_similar_code_by_its_words(tmp_path: Path) -> None:
    files = {f"noise{n}.py": f"def work_{n}(value):\n    return value + {n}\n" for n in range(30)} | {
        "transfer.py": "def transfer(source, target, amount):\n"
        "    source.withdraw(amount)\n    target.deposit(amount)\n",
        "transfer.js": "source.withdraw(amount); target.deposit(amount)\n",
        "here.py": "source.withdraw(amount)\n",
    }
    where = index(tmp_path / "w", files)
    text = "def move(source, target, amount):\n    source.withdraw(amount)\n    target.|"
    [first, *_] = SEARCHES["similar"](query("here.py", text), where)
    assert first.path == "transfer.py" and "target.deposit(amount)" in first.text
    assert not list(SEARCHES["similar"](query("here.py", "|"), where))
    assert not list(SEARCHES["similar"](query("here.py", '"\'; DROP -- AND OR NEAR("|'), where))


def test_stale_results_are_left_out(tmp_path: Path) -> None:
    where = index(tmp_path / "w", {"bank.py": "def open_account(name): ...\n"})
    (tmp_path / "w/bank.py").write_text("def other(): ...\n")
    asked = query("main.py", "open_account(|)")
    assert not list(SEARCHES["definitions"](asked, where))
    assert where.stale == {"bank.py"}


def test_files_ignored_since_are_left_out(tmp_path: Path) -> None:
    where = index(tmp_path / "w", {"bank.py": "def open_account(name): ...\n"})
    (tmp_path / "w/.aixignore").write_text("bank.py\n")
    where.gate = Gate(tmp_path / "w", ())  # the old one caches what it has read for some seconds
    assert not list(SEARCHES["definitions"](query("main.py", "open_account(|)"), where))


def test_placeholders_for_secrets_are_listed(tmp_path: Path) -> None:
    secret = "abcdefghijklmnopqrstuvwxyz0123456789"
    files = {
        "b.py": f'def connect(host):\n    token = "ghp_{secret}"\n    return open_connection(host, token)\n'
    }
    found = index(tmp_path / "w", files)
    text = "connection = open_connection(host, |)\n"
    (snippet,) = SEARCHES["similar"](query("a.py", text), found)
    assert secret not in snippet.text
    assert snippet.placeholders == (snippet.text.partition("ghp_")[2][: len(secret)],)
