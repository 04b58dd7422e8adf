"""Builds workspaces made to block, crash or fill the program, with texts in them that must never be sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.privacy.planted import Plant, plants
from tests.test_files import HOSTILE
from tests.trust.test_hostile_files import HOSTILE_TOML

IGNORE_NAMES = (".gitignore", ".aixignore", ".cursorignore")
PROJECT_FILE = ".aix-lsp.toml"
USER_EXCLUDE = ("*.vault.py", "private/")
"""The user's own setting `exclude`, in every workspace."""

_SENSITIVE = (
    ".env",
    "id_rsa",
    ".netrc",
    ".npmrc",
    "server.pem",
    "credentials.json",
    "config/secrets.yaml",
    "prod.tfvars",
)
_ENDINGS = {"python": "py", "javascript": "js", "shellscript": "sh", "markdown": "md", "plaintext": "txt"}
_LOOSENING = (
    'exclude = ["!*"]',
    'exclude = ["!**", "!private/**", "!.env"]',
    "contextClipboard = true",
    'url = "http://127.0.0.1:9"',
    'model = "evil/model"\ntrustRemoteCode = true',
    'logLevel = "debug"',
    "[languages.python]\nenabled = true\nexclude = ['!*']",
    "contextTokens = 100000\nprefixLines = 100000",
)
_RESTRICTING = ('exclude = ["*"]', "enabled = false", "maxTokens = 1\ncontextTokens = 0")
_HOSTILE_RULES = (
    "\n".join(f"rule{i}/**/*.x{i}" for i in range(20_000)),
    "*a" * 200 + "b\n" + "**/" * 200 + "x\n",
    "[" * 10_000 + "\n!" * 10_000,
    "\0\xff\n\r\r\n" * 500,
)
_HOSTILE_SOURCES = (
    "(" * 200_000,
    "x = " + "[" * 50_000 + "]" * 50_000 + "\n",
    "a" * 400_000,
    "\0" * 10_000,
    "eyJ" + "A" * 200_000 + ".-.",
    "-----BEGIN PRIVATE KEY-----\n" * 5_000,
    "def f():\n" + "".join(" " * n + "if x:\n" for n in range(1, 400)),
    '"""' * 30_001,
    "password = " + "'" + "k9" * 100_000,
    "\U0001f600\u202e\u0000\r" * 20_000,
)


@dataclass(frozen=True)
class Document:
    """A document to be opened. `forbidden`: nothing of it may be sent."""

    uri: str
    text: str
    forbidden: bool
    language: str = "python"


@dataclass
class Workspace:
    """The content of a folder, and what of it must not be sent."""

    root: Path
    planted: dict[str, str] = field(default_factory=dict)
    """Text that must never be in a prompt or on disk, and what it is."""
    documents: list[Document] = field(default_factory=list)
    calm: bool = True
    """Nothing here prevents the ordinary document from being sent, so `visible` must be in a prompt."""
    visible: str = ""
    """A word in the ordinary document."""


class Builder:
    """Builds one workspace from its seed, in an empty folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._draw = random.Random(f"workspace {seed}")
        self._seed = seed
        self._outside = folder / "outside"
        self._outside.mkdir()
        root = folder / "w"
        root.mkdir()
        self.workspace = Workspace(root, visible=f"visible{seed}word")
        self._folders = [root]

    def build(self) -> Workspace:
        """Build all of it: ordinary sources, planted texts, and some hostile files."""
        for name in self._draw.sample(["src", "src/inner", "lib", "tests"], self._draw.randrange(1, 4)):
            folder = self.workspace.root / name
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.append(folder)
        self._plant_ignored()
        for plant in (self._plant_sensitive, self._plant_excluded, self._plant_outside):
            if self._draw.random() < 0.6:
                plant()
        for _ in range(self._draw.choice((0, 1, 1, 2, 4))):
            self._draw.choice((self._hostile_file, self._hostile_source, self._hostile_rules, self._deep))()
        self._settings()
        self._ordinary()
        self._draw.shuffle(self.workspace.documents)
        return self.workspace

    def _marker(self, what: str) -> str:
        marker = f"planted{self._seed}n{len(self.workspace.planted)}z"
        self.workspace.planted[marker] = what
        return marker

    def _forbidden(self, path: Path, what: str) -> None:
        """Write a file of which nothing may be sent; it is also opened, by one of several URIs for it."""
        text = (
            f"# {self._marker(what)}\n"
            + f"{self._marker(what)} = compute_total(prices, taxes)\n" * 5
            + "value = "
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._open_forbidden(path, text)

    def _open_forbidden(self, path: Path, text: str) -> None:
        plain = path.as_uri()
        odd = "file://" + "".join(
            f"%{ord(c):02x}" if c.isalpha() and i % 3 else quote(c) for i, c in enumerate(str(path))
        )
        dotted = (path.parent / "." / ".." / path.parent.name / path.name).as_posix()
        uri = self._draw.choice(
            (plain, plain, odd, f"file://localhost{quote(str(path))}", f"file://{quote(dotted)}")
        )
        if self._draw.random() < 0.2:
            uri = self._draw.choice(
                (f"git:{quote(str(path))}?%7B%7D", f"vscode-notebook-cell:{quote(str(path))}#a1")
            )
        self.workspace.documents.append(Document(uri, text, forbidden=True))

    def _plant_ignored(self) -> None:
        """Plant files that an ignore file names, in the various forms of patterns."""
        folder = self._draw.choice(self._folders)
        name = f"ignored_{self._draw.randrange(100)}.py"
        path, pattern = self._draw.choice(
            (
                (folder / name, name),
                (folder / name, "ignored_*.py"),
                (folder / name, f"*\n!{PROJECT_FILE}\n!*.py\n{name}"),
                (folder / "hidden" / name, "hidden/"),
                (folder / "a" / "hidden" / name, "**/hidden/**"),
                (folder / name, f"!{name}\n/{name}"),
                (folder / name, f"{name}   "),
                (folder / name, f"# comment\n\n\\{name}"),
            )
        )
        if pattern.startswith("*\n"):
            self.workspace.calm = False  # folders are ignored, too
        start, end = self._draw.choice(
            (("", "\n"), ("\ufeff", "\n"), ("", ""), ("", "\r\n" if not pattern.endswith(" ") else "\n"))
        )
        ignore = folder / self._draw.choice(IGNORE_NAMES)
        ignore.write_bytes((start + pattern + end).encode())
        self._forbidden(path, f"a file ignored by {pattern!r} in {ignore.name}")
        if self._draw.random() < 0.5:
            self._linked(path)

    def _plant_sensitive(self) -> None:
        name = self._draw.choice(_SENSITIVE)
        path = self._draw.choice(self._folders) / name
        self._forbidden(path, f"a file named {name}")
        if self._draw.random() < 0.5:
            self._linked(path)

    def _plant_excluded(self) -> None:
        name = self._draw.choice(("keys.vault.py", "private/notes.py"))
        self._forbidden(self.workspace.root / name, f"{name}, which the user excludes")

    def _plant_outside(self) -> None:
        path = self._outside / "elsewhere.py"
        if path.exists():
            return
        text = f"{self._marker('a file outside the workspace behind a link')} = 1\n" * 5 + "value = "
        path.write_text(text)
        self._linked(path)

    def _linked(self, path: Path) -> None:
        """Plant a link with a harmless name to a file of which nothing may be sent, or to its folder."""
        link = self._draw.choice(self._folders) / f"plain_{len(self.workspace.documents)}"
        text = path.read_text()
        if self._draw.random() < 0.3 and path.parent not in self._folders:
            link.symlink_to(path.parent)
            self._open_forbidden(link / path.name, text)
        else:
            link = link.with_suffix(".py")
            link.symlink_to(path)
            self._open_forbidden(link, text)

    def _hostile_file(self) -> None:
        """Put a pipe, a device, a huge sparse file or the like in place of a file that the program reads by itself."""
        name = self._draw.choice((*IGNORE_NAMES, PROJECT_FILE, "beside.py", "shop.py", ".git"))
        path = self._draw.choice(self._folders) / name
        make: Callable[[Path], None] = self._draw.choice(HOSTILE)
        if not (path.exists() or path.is_symlink()) and len(str(path)) < 100:
            make(path)
            self.workspace.calm = False

    def _hostile_source(self) -> None:
        path = (
            self._draw.choice(self._folders)
            / f"hostile_{self._draw.randrange(10**6)}.{self._draw.choice(('py', 'js', 'ts', 'rb'))}"
        )
        text = self._draw.choice(_HOSTILE_SOURCES)
        path.write_text(text)
        if self._draw.random() < 0.5:
            self.workspace.documents.append(Document(path.as_uri(), text, forbidden=False))

    def _hostile_rules(self) -> None:
        path = self._draw.choice(self._folders) / ".codeiumignore"
        if not path.exists():
            path.write_text(self._draw.choice(_HOSTILE_RULES), encoding="utf-8")
            self.workspace.calm = False

    def _deep(self) -> None:
        folder = self.workspace.root
        try:
            for _ in range(self._draw.choice((50, 200))):
                folder /= "d" * self._draw.randrange(1, 4)
                folder.mkdir(exist_ok=True)
            (folder / "bottom.py").write_text("x = 1\n")
            (folder / "back").symlink_to(self.workspace.root)
        except OSError:
            return

    def _settings(self) -> None:
        """Write the project's settings: they may restrict, and try to allow."""
        path = self.workspace.root / PROJECT_FILE
        if path.exists() or path.is_symlink() or self._draw.random() < 0.3:
            return
        kind = self._draw.random()
        if kind < 0.2:
            self.workspace.calm = False
            path.write_text(self._draw.choice(tuple(HOSTILE_TOML.values())))
        elif kind < 0.35:
            self.workspace.calm = False
            path.write_text(self._draw.choice(_RESTRICTING))
        else:
            path.write_text(self._draw.choice(_LOOSENING))

    def _ordinary(self) -> None:
        """Write the documents that are edited: their text may be sent, the secrets in it may not."""
        every = list(plants(self._draw.randrange(10**9), 1))
        python = [plant for plant in every if plant.language == "python"]
        other = self._draw.choice(every)
        self._document("main.py", self._draw.choice(python), is_open=True)
        self._document("shop.py", self._draw.choice(python), is_open=self._draw.random() < 0.5)
        self._document(
            f"notes.{_ENDINGS.get(other.language, other.language)}", other, self._draw.random() < 0.7
        )

    def _document(self, name: str, plant: Plant, is_open: bool) -> None:
        """Write a file with a secret above or below code, beside the others; it may be opened."""
        path = self.workspace.root / name
        self.workspace.planted[plant.secret] = f"a secret ({plant.kind}) in {name}"
        word = self.workspace.visible
        code = f"def {word}(prices, taxes):\n    return sum(prices) + sum(taxes)\n\n\n"
        code *= self._draw.choice((1, 1, 40))
        secret = plant.text + "\n"
        text = f"import shop\nfrom src import beside\n\n{word} = 1\n"
        text += self._draw.choice((secret + code, code + secret, code + secret + code))
        text = text.replace("\n", self._draw.choice(("\n", "\n", "\r\n"))) + "value = "
        if not (path.exists() or path.is_symlink()):
            path.write_text(text, newline="")
        if is_open:
            self.workspace.documents.append(
                Document(path.as_uri(), text, forbidden=False, language=plant.language)
            )
