"""Words, chunks and definitions of code in several languages."""

from __future__ import annotations

import pytest

from aix_lsp.completion.context.index.chunks import LINES, chunks, definitions, words
from aix_lsp.grammars import parse


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("x = 10 + y", []),
        ("openAccount(name)", ["openaccount", "open", "account", "name"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("MAX_RETRIES max_retries", ["max_retries", "retries"]),
        ("größe = über_maß", ["größe", "über_maß"]),
        ("a1 b22 c333", ["b22", "c333"]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert list(words(text)) == found


FUNCTION = "def f{}(a):\n" + "    x = a\n" * 10 + "    return x\n\n\n"


def test_chunks_end_at_definitions_and_leave_nothing_out() -> None:
    lines = "".join(FUNCTION.format(number) for number in range(20)).split("\n")
    found = chunks(lines, parse("\n".join(lines).encode(), "python"))
    assert [start for start, _ in found] == [0, *(end for _, end in found[:-1])]
    assert all(lines[start].startswith("def ") and end - start <= LINES for start, end in found)


@pytest.mark.parametrize("language", ["python", "unknown", ""])
@pytest.mark.parametrize("text", ["", "\n\n\n", "x", "a\n" * 500, "\n" * 100 + "b\n\nc", "def f(:\n" * 100])
def test_any_text_can_be_chunked(language: str, text: str) -> None:
    lines = text.split("\n")
    found = chunks(lines, parse(text.encode(), language))
    assert all(0 < end - start <= LINES for start, end in found)
    told = {at for start, end in found for at in range(start, end)}
    assert told >= {at for at, line in enumerate(lines) if line.strip()}


def test_a_comment_stays_with_the_code_it_describes() -> None:
    text = "x = 1\n" * 20 + "# about f\ndef f():\n" + "    y = 2\n" * 20
    lines = text.split("\n")
    found = chunks(lines, parse(text.encode(), "python"))
    assert [lines[start] for start, _ in found] == ["x = 1", "# about f"]


PYTHON = """
LIMIT = 5

class Ledger(Base):
    name: str

    def open(
        self, name: str
    ) -> Account:
        def inner(): ...
        return 1

async def main() -> None: ...
"""
TYPESCRIPT = """
export interface Point { x: number; y: number }
export class Line {
  length(): number { return 1 }
}
export const origin: Point = make();
function make(): Point {
  return null;
}
type Pair = [Point, Point];
"""
GO = """package a
type Ledger struct {
	Name string
}
func (l *Ledger) Open(name string) error {
	return nil
}
func New() *Ledger { return nil }
"""
RUST = """
pub struct Ledger { name: String }
impl Ledger {
    pub fn open(&self) -> Result<()> {
        Ok(())
    }
}
trait Bank { fn rate(&self) -> f32; }
"""
C = """
#define SIZE 10
struct point {
  int x;
};
static int *make(int a)
{
  return 0;
}
int other(void);
"""
CPP = """
class Ledger {
 public:
  int open(const std::string& name);
};
int Ledger::open(const std::string& name) { return 1; }
"""
JAVA = """
public class Ledger {
    private int size;
    public Ledger(String name) { }
    public Account open(String name) { return null; }
}
"""
CSHARP = "class Ledger {\n    public int Size { get; }\n    public void Open(string name) { }\n}\n"
RUBY = "module Bank\n  class Ledger\n    def open(name)\n      1\n    end\n  end\nend\n"
PHP = "<?php\nclass Ledger {\n    public function open(string $name): void { }\n}\nfunction make() { }\n"


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        (
            "python",
            PYTHON,
            [
                "1-1 LIMIT",
                "3-3 Ledger",
                "4-4 Ledger.name",
                "6-8 Ledger.open",
                "9-9 Ledger.inner",
                "12-12 main",
            ],
        ),
        (
            "typescript",
            TYPESCRIPT,
            ["1-1 Point", "2-2 Line", "3-3 Line.length", "5-5 origin", "6-6 make", "9-9 Pair"],
        ),
        ("go", GO, ["1-3 Ledger", "4-4 Open", "7-7 New"]),
        ("rust", RUST, ["1-1 Ledger", "2-2 Ledger", "3-3 Ledger.open", "7-7 Bank", "7-7 Bank.rate"]),
        ("c", C, ["1-1 SIZE", "2-4 point", "5-5 make", "9-9 other"]),
        ("cpp", CPP, ["1-1 Ledger", "3-3 Ledger.open", "5-5 open"]),
        ("java", JAVA, ["1-1 Ledger", "3-3 Ledger.Ledger", "4-4 Ledger.open"]),
        ("csharp", CSHARP, ["0-0 Ledger", "1-1 Ledger.Size", "2-2 Ledger.Open"]),
        ("ruby", RUBY, ["0-0 Bank", "1-1 Bank.Ledger", "2-2 Ledger.open"]),
        ("php", PHP, ["1-1 Ledger", "2-2 Ledger.open", "4-4 make"]),
    ],
)
def test_definitions(language: str, text: str, found: list[str]) -> None:
    tree = parse(text.encode(), language)
    assert tree is not None
    assert [
        f"{d.first}-{d.last} {f'{d.owner}.' if d.owner else ''}{d.name}" for d in definitions(tree, language)
    ] == found


def test_text_that_cannot_be_parsed() -> None:
    assert parse(b"x", "cobol") is None
    tree = parse(b"\xff\xfe def def class (((", "python")
    assert tree is not None and definitions(tree, "python") == []
