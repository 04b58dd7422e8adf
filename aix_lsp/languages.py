"""The one table of languages: files, comments, strings, blocks and grammars, by LSP language id. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import Literal, get_args

Block = Literal["brace", "colon", "end"]
"""What opens a block: a brace, a colon at a line's end, or a word that `end` closes."""
Trait = Literal[
    "no-apostrophe", "backtick", "triple", "slashes", "prose", "c-like", "script", "indexed", "sentences"
]
"""`no-apostrophe`: a single quote opens no string (it is a lifetime, a prime or a quoted symbol). `backtick`: one opens
a string. `triple`: three quotes open a string of several lines. `slashes`: slashes enclose regular expressions.
`c-like`, `script`: code of languages with the same trait can use each other's names. `indexed`: files of the language
are searched for context. `sentences`: prose occurs outside comments and strings."""

# id | comment | files | block and traits | tree-sitter grammar | name, unless it is the capitalised id
_TABLE = """
ada              | --       |                | end
agda             | --
asciidoc         |          |                | no-apostrophe prose
bibtex           | %
c                | //       | .c .h          | c-like indexed | c
clojure          | ;        |                | no-apostrophe
cmake            | #        | CMakeLists.txt
coffeescript     | #        |                | slashes
commonlisp       | ;        |                | no-apostrophe
cpp              | //       | .cc .cpp .cxx .hh .hpp .hxx .cu .cuh | c-like indexed | cpp | C++
crystal          |          |                | end
csharp           | //       | .cs            | indexed | c_sharp | C#
css              | /* */    | .css           |  |  | CSS
cuda-cpp         | //       |                | c-like |  | CUDA
cython           |          |                | colon triple
dart             | //       | .dart          | indexed
dockerfile       | #        | Dockerfile
elixir           | #        | .ex .exs       | end triple indexed
elm              | --
emacs-lisp       | ;        |                | no-apostrophe
erlang           | %        | .erl .hrl      | indexed
fish             |          |                | end
fortran          |          |                | end
fsharp           | //       | .fs            | no-apostrophe |  | F#
gdscript         | #        |                | colon triple
go               | //       | .go            | backtick indexed | go
graphql          | #
groovy           | //
haskell          | --       | .hs            | no-apostrophe indexed
html             | <!-- --> | .html          | no-apostrophe sentences |  | HTML
java             | //       | .java          | indexed | java
javascript       | //       | .js .mjs .cjs  | backtick slashes script indexed | javascript | JavaScript
javascriptreact  | //       | .jsx           | backtick slashes script indexed | javascript | JSX
json             |          | .json
julia            | #        | .jl            | end triple indexed
kotlin           | //       | .kt .kts       | triple indexed
latex            | %        | .tex           | no-apostrophe prose |  | TeX
lean             | --
less             | //
lisp             | ;        |                | no-apostrophe
lua              | --       | .lua           | end indexed
makefile         | #        | Makefile
markdown         | <!-- --> | .md            | no-apostrophe prose
matlab           | %        |                | end
mojo             |          |                | colon triple
nim              |          |                | colon triple
nix              | #
objective-c      | //       | .m             | c-like |  | Objective-C
objective-cpp    | //       |                | c-like |  | Objective-C++
ocaml            | (* *)    | .ml .mli       | no-apostrophe indexed
pascal           | //       |                | end
perl             | #        | .pl .pm        | indexed
perl6            | #
php              | //       | .php           | indexed | php.php | PHP
plaintext        |          |                | no-apostrophe prose
powershell       | #        | .ps1
prolog           | %
proto            | //       | .proto         | indexed |  | Protocol Buffer
python           | #        | .py .pyi       | colon triple indexed | python
r                | #        | .r             | indexed
racket           | ;        |                | no-apostrophe
restructuredtext |          |                | no-apostrophe prose
ruby             | #        | .rb            | end slashes indexed | ruby
rust             | //       | .rs            | no-apostrophe indexed | rust
sass             | //
scala            | //       | .scala         | triple indexed
scheme           | ;        |                | no-apostrophe
scss             | //
shellscript      | #        | .sh .bash .zsh | end backtick indexed |  | Shell
snakemake        |          |                | colon triple
solidity         | //
sql              | --       | .sql           | indexed |  | SQL
starlark         |          |                | colon triple
svelte           | <!-- --> | .svelte        | backtick slashes script indexed
swift            | //       | .swift         | indexed
systemverilog    | //
tcl              | #
terraform        | #
tex              | %        |                | no-apostrophe prose
text             |          |                | no-apostrophe prose
toml             | #        | .toml          | triple
typescript       | //       | .ts .mts .cts  | backtick slashes script indexed | typescript.typescript | TypeScript
typescriptreact  | //       | .tsx           | backtick slashes script indexed | typescript.tsx | TypeScript with JSX
vb               | '        |                | end no-apostrophe |  | Visual Basic
verilog          | //
vhdl             | --       |                | end |  | VHDL
vue              | <!-- --> | .vue           | backtick slashes script indexed
xml              | <!-- --> | .xml           | no-apostrophe sentences
xsl              | <!-- -->
yaml             | #        | .yaml .yml     | colon sentences |  | YAML
zig              | //       | .zig           | indexed
"""


@dataclass(frozen=True, slots=True)
class Language:
    """Roughly how a language is written; correct for common languages and harmless for others."""

    id: str
    """The LSP language id."""
    comment: tuple[str, str] = ("", "")
    """The markers before and after a comment; each is empty if unknown, the second also if none is needed."""
    files: tuple[str, ...] = ()
    """Suffixes (with their dot) and whole names of files."""
    block: Block = "brace"
    traits: frozenset[Trait] = frozenset()
    grammar: str = ""
    """The package without its prefix `tree_sitter_`, and after a dot, the grammar in it; empty if there is none."""
    name: str = ""
    """The name used in prose."""

    @property
    def line_comment(self) -> str:
        """The marker of a comment that ends with its line; empty if there is none."""
        return "" if self.comment[1] else self.comment[0]

    @property
    def block_comments(self) -> bool:
        """Whether `/*` and `*/` enclose comments."""
        return self.comment[0] in ("//", "/*", "") and not self.prose

    @property
    def quotes(self) -> str:
        """The characters that open and close a string."""
        apostrophe = "" if self.prose or "no-apostrophe" in self.traits else "'"
        return '"' + apostrophe + ("`" if "backtick" in self.traits else "")

    @property
    def triple(self) -> bool:
        return "triple" in self.traits

    @property
    def slashes(self) -> bool:
        return "slashes" in self.traits

    @property
    def prose(self) -> bool:
        return "prose" in self.traits

    def comment_line(self, text: str) -> str:
        """`text` as a comment with a line ending; empty if the language's comments are not known."""
        start, end = self.comment
        return f"{start} {text}{f' {end}' if end else ''}\n" if start else ""


def _parse(row: str) -> Language:
    cells = [cell.strip() for cell in row.split("|")]
    id, comment, files, traits, grammar, name = cells + [""] * (6 - len(cells))
    start, _, end = comment.partition(" ")
    words = set(traits.split())
    block: Block = "colon" if "colon" in words else "end" if "end" in words else "brace"
    known = frozenset(trait for trait in get_args(Trait) if trait in words)
    return Language(id, (start, end), tuple(files.split()), block, known, grammar, name or id.capitalize())


LANGUAGES = {language.id: language for language in map(_parse, _TABLE.strip().splitlines())}
_BY_FILE = {file: language for language in LANGUAGES.values() for file in language.files}
INDEXED_SUFFIXES = tuple(
    file for file, language in _BY_FILE.items() if "indexed" in language.traits and file.startswith(".")
)
"""Suffixes of the files that are searched for context, with their dots."""


@cache
def language_of(language_id: str) -> Language:
    """The language of an LSP id; for an unknown id, a brace language with both quotes."""
    return LANGUAGES.get(language_id) or Language(language_id, name=language_id.capitalize())


def language_of_file(path: str | PurePath) -> str:
    """The LSP language id that editors give to a file with this name; empty if unknown."""
    pure = PurePath(path)
    found = _BY_FILE.get(pure.name) or _BY_FILE.get(pure.suffix.lower())
    return found.id if found is not None else ""


def indexed_language(path: str) -> str:
    """The LSP language id of a file that is searched for context; empty for any other."""
    id = language_of_file(path)
    return id if id and "indexed" in LANGUAGES[id].traits else ""


def related(language: str, other: str) -> bool:
    """Whether code of one language (LSP ids) can use the other's names."""
    shared = language_of(language).traits & language_of(other).traits & {"c-like", "script"}
    return language == other or bool(shared)
