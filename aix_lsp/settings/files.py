"""Reads settings files, the user's `config.toml` and a project's `.aix-lsp.toml`, into layers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from aix_lsp import files
from aix_lsp.paths import config_dir, is_anyones
from aix_lsp.settings.layers import Layer, Problem, unwrap
from aix_lsp.trust import SettingsSource, Trust, trust_in

PROJECT_FILE = ".aix-lsp.toml"
LARGEST = 256 << 10
_MOST_PARTS = 50
_TOKEN = re.compile(r"""(?P<key>[\w-]+|"[^"\n]*"|'[^'\n]*'|[ \t]+)|.""", re.DOTALL)


def user_file() -> Path:
    """The path of the user's own settings file, which need not exist."""
    return config_dir() / "config.toml"


def user_layer() -> Layer:
    """The user's own settings; empty if there is no file, or if others can write it, since it chooses what is run."""
    file, trust = user_file(), trust_in(SettingsSource.USER)
    reason = is_anyones(file)
    return _unusable(str(file), trust, reason) if reason else read(file, trust)


def project_layer(folder: Path, *, workspace_trusted: bool = True) -> Layer:
    """The settings in a project's folder; empty if there is no file."""
    return read(folder / PROJECT_FILE, trust_in(SettingsSource.PROJECT, workspace=workspace_trusted))


def read(path: Path, trust: Trust) -> Layer:
    """Read a settings file as a layer. If that is impossible, the layer is empty, with the reason as its one problem.

    May block, as files.read_bytes does.
    """
    source = str(path)
    try:
        values = parse_toml(files.read_text(path, LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return Layer(source, trust=trust)
    except OSError as error:
        return _unusable(source, trust, f"cannot be read ({error.strerror or error})")
    except UnicodeDecodeError:
        return _unusable(source, trust, "is not UTF-8")
    except ValueError as error:
        return _unusable(source, trust, f"is not TOML: {_first_line(error)}")
    return Layer(source, unwrap(values), trust, base=path.absolute().parent)


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document of at most some hundred KiB in bounded time. Raises ValueError if it is invalid.

    Python's parser takes time quadratic in the parts of a dotted key, and a stack frame per bracket.
    """
    dots = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ".":
            dots += 1
            if dots > _MOST_PARTS:
                raise ValueError(f"a key has more than {_MOST_PARTS} parts")
        elif not token["key"]:
            dots = 0
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nests too deeply") from None


def _unusable(source: str, trust: Trust, reason: str) -> Layer:
    return Layer(source, {}, trust, (Problem(source, "", f"{reason}; the file is ignored."),))


def _first_line(error: ValueError) -> str:
    return (str(error).splitlines() or ["it is broken"])[0][:200]
