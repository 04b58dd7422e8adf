"""Writes languages.toml from languages.txt: each language's own servers, as Helix ships them, then aix-lsp.

Helix has no "every language", and naming a language's servers replaces its list. Run with Helix's own
languages.toml: python generate.py path/to/helix/languages.toml
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

HEAD = """\
# aix-lsp in Helix: copy to ~/.config/helix/languages.toml, or add to the one there. Written by generate.py.
# Helix shows suggestions in its completion popup; it has no ghost text over LSP.

[language-server.aix-lsp]
command = "aix-lsp"
args = ["--stdio"]
timeout = 30

# The server's settings, such as maxTokens = 128; `aix-lsp settings` prints them all.
[language-server.aix-lsp.config]
"""


def name_of(server: str | dict[str, Any]) -> str:
    return server if isinstance(server, str) else str(server["name"])


def main() -> None:
    shipped = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    languages = {language["name"]: language for language in shipped["language"]}
    parts = [HEAD]
    for name in HERE.joinpath("languages.txt").read_text(encoding="utf-8").split():
        if name not in languages:
            sys.exit(f"this Helix has no language {name!r}: take it off the list")
        servers = languages[name].get("language-servers", [])
        names = ", ".join(f'"{server}"' for server in [*map(name_of, servers), "aix-lsp"])
        parts.append(f'\n[[language]]\nname = "{name}"\nlanguage-servers = [{names}]\n')
    HERE.joinpath("languages.toml").write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
