"""Rules for all tests: a test can fail, and it waits for an event instead of a fixed time."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.client.editor import environment
from tests.models import SMALL

ROOT = Path(__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(call: ast.Call) -> tuple[str, bool]:
    """The name that is called, and whether it is an attribute."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr, True
    return (call.func.id if isinstance(call.func, ast.Name) else ""), False


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


@cache
def functions_of(file: Path) -> dict[str, Function]:
    """A module's own functions, and those that it imports from other test modules."""
    found = {node.name: node for node in tree_of(file).body if isinstance(node, Function)}
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            source = ROOT.parent.joinpath(*str(node.module).split("."))
            module = (
                source.with_suffix(".py") if source.with_suffix(".py").exists() else source / "__init__.py"
            )
            for name in node.names:
                if (function := functions_of(module).get(name.name)) is not None:
                    found.setdefault(name.asname or name.name, function)
    return found


@cache
def methods() -> dict[str, list[tuple[Path, Function]]]:
    """The methods of all test classes whose names say that they check or wait."""
    found: dict[str, list[tuple[Path, Function]]] = {}
    for file in FILES:
        for owner in (node for node in ast.walk(tree_of(file)) if isinstance(node, ast.ClassDef)):
            for node in owner.body:
                checks = isinstance(node, Function) and node.name.startswith(
                    ("wait", "until", "settled", "not_")
                )
                if checks and isinstance(node, Function):
                    found.setdefault(node.name, []).append((file, node))
    return found


def can_fail(function: Function, file: Path, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a function asserts, or calls a test function that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) or (isinstance(node, ast.Raise) and seen):
            return True  # a test raises only on behalf of a server
        if not isinstance(node, ast.Call):
            continue
        name, attribute = named(node)
        if name in ("raises", "warns", "fail") or name.startswith("assert_"):
            return True
        called = methods().get(name, []) if attribute else [(file, functions_of(file).get(name))]
        for where, helper in called:
            if helper is not None and name not in seen and can_fail(helper, where, seen | {name}):
                return True
    return False


def all_tests() -> Iterator[tuple[Path, Function]]:
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, Function) and node.name.startswith("test_"):
                yield file, node


def test_every_test_can_fail() -> None:
    assert not [f"{file}:{test.lineno} {test.name}" for file, test in all_tests() if not can_fail(test, file)]


def fixed_sleeps(tree: ast.AST) -> Iterator[ast.Call]:
    """Sleeps that are not inside a loop with a deadline. A stream may pause between two pieces."""
    inside = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or named(node)[0] != "sleep":
            continue
        if [ast.unparse(argument) for argument in node.args] == ["0"]:
            continue  # only yields to the event loop
        around: list[ast.AST] = [node]
        while not isinstance(around[-1], Function | ast.Module):
            around.append(inside[around[-1]])
        polls = any(isinstance(one, ast.While) for one in around)
        bounded = any(word in ast.unparse(around[-1]) for word in ("timeout(", "monotonic()", ".time()"))
        streams = any(isinstance(one, ast.Yield) for one in ast.walk(around[-1]))
        if not (polls and bounded) and not streams:
            yield node


def test_nothing_sleeps_except_when_polling() -> None:
    found = [f"{file}:{call.lineno}" for file in FILES for call in fixed_sleeps(tree_of(file))]
    assert not found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("async def f():\n    await asyncio.sleep(1)", 1),
        ("def f():\n    for _ in range(3):\n        time.sleep(0.1)", 1),
        ("async def f():\n    while g():\n        await asyncio.sleep(0.1)", 1),
        ("async def f():\n    async with timeout(3):\n        while g():\n            await sleep(0.1)", 0),
        ("async def f():\n    await asyncio.sleep(0)", 0),
        ("async def f():\n    yield 1\n    await asyncio.sleep(0.1)", 0),
    ],
)
def test_detecting_fixed_sleeps(source: str, count: int) -> None:
    assert len([*fixed_sleeps(ast.parse(source))]) == count


@pytest.mark.parametrize(
    ("source", "fails"),
    [
        ("def f():\n    g()", False),
        ("def f():\n    x.open()", False),
        ("def f():\n    def reply():\n        raise OSError\n    g(reply)", False),
        ("def f():\n    assert g()", True),
        ("def f():\n    with pytest.raises(ValueError):\n        g()", True),
        ("def f():\n    torch.testing.assert_close(1, 2)", True),
    ],
)
def test_detecting_tests_that_can_fail(source: str, fails: bool) -> None:
    [function] = ast.parse(source).body
    assert isinstance(function, Function)
    assert can_fail(function, Path(__file__)) is fails


def test_a_program_started_in_the_checkout_takes_the_tests_model(tmp_path: Path) -> None:
    """A variable that named a model inside the checkout would be ignored there."""
    code = "from aix_lsp.models.catalogue import EMBEDDED; print(EMBEDDED)"
    main = "from aix_lsp import cli, __main__; cli.main = lambda: exec(CODE); __main__.main()"
    done = subprocess.run(
        [sys.executable, "-c", main.replace("CODE", repr(code))],
        cwd=ROOT.parent,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        "AIX_LSP_EMBEDDED" not in done.stderr
        and ROOT.parent not in (taken := Path(done.stdout.strip())).parents
    )
    assert (taken / "config.json").read_text() == (SMALL / "config.json").read_text()
