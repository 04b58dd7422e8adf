"""How a comment looks in a language, and what the language is called, by LSP language id."""

from __future__ import annotations

_LINE = {
    "//": (
        "c cpp csharp cuda-cpp dart fsharp go groovy java javascript javascriptreact kotlin less objective-c "
        "objective-cpp pascal php proto rust sass scala scss solidity swift systemverilog typescript "
        "typescriptreact verilog zig"
    ),
    "#": (
        "cmake coffeescript dockerfile elixir gdscript graphql julia makefile nix perl perl6 powershell "
        "python r ruby shellscript tcl terraform toml yaml"
    ),
    "--": "ada agda elm haskell lean lua sql vhdl",
    "%": "erlang latex matlab prolog tex bibtex",
    ";": "clojure commonlisp emacs-lisp lisp racket scheme",
    "'": "vb",
}
_BLOCK = {
    ("/* ", " */"): "css",
    ("<!-- ", " -->"): "html markdown svelte vue xml xsl",
    ("(* ", " *)"): "ocaml",
}
_STYLES: dict[str, tuple[str, str]] = {
    **{language: (f"{mark} ", "") for mark, ids in _LINE.items() for language in ids.split()},
    **{language: style for style, ids in _BLOCK.items() for language in ids.split()},
}
_NAMES = {
    "cpp": "C++",
    "csharp": "C#",
    "css": "CSS",
    "cuda-cpp": "CUDA",
    "fsharp": "F#",
    "html": "HTML",
    "javascript": "JavaScript",
    "javascriptreact": "JSX",
    "latex": "TeX",
    "objective-c": "Objective-C",
    "objective-cpp": "Objective-C++",
    "php": "PHP",
    "proto": "Protocol Buffer",
    "shellscript": "Shell",
    "sql": "SQL",
    "typescript": "TypeScript",
    "typescriptreact": "TypeScript with JSX",
    "vb": "Visual Basic",
    "vhdl": "VHDL",
    "yaml": "YAML",
}


def comment(language: str, text: str) -> str:
    """`text` as a comment line with its line ending; empty where the language's comments are not known."""
    if language not in _STYLES:
        return ""
    before, after = _STYLES[language]
    return f"{before}{text}{after}\n"


def language_name(language: str) -> str:
    """What the language is called in prose."""
    return _NAMES.get(language, language.capitalize())
