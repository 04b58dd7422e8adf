"""Settings files: the user's `config.toml` and a project's `.aix-lsp.toml`, read into layers."""

from __future__ import annotations

import tomllib
from pathlib import Path

from aix_lsp.paths import config_dir
from aix_lsp.settings.layers import Layer, Problem, unwrap

PROJECT_FILE = ".aix-lsp.toml"
_LARGEST = 1 << 20


def user_file() -> Path:
    """Where the user's own settings file is looked for."""
    return config_dir() / "config.toml"


def user_layer() -> Layer:
    """The user's own settings; empty where there is no file."""
    return read(user_file(), trusted=True)


def project_layer(folder: Path) -> Layer:
    """The settings that lie in a project's folder; empty where there is no file."""
    return read(folder / PROJECT_FILE, trusted=False)


def read(path: Path, *, trusted: bool) -> Layer:
    """A settings file as a layer; what keeps it from being read is one of the layer's problems."""
    source = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            return _unusable(source, trusted, "larger than 1 MiB; not read.")
        values = tomllib.loads(content.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return Layer(source, trusted=trusted)
    except OSError as error:
        return _unusable(source, trusted, f"cannot be read ({error.strerror or error}); defaults are used.")
    except UnicodeDecodeError:
        return _unusable(source, trusted, "is not UTF-8; defaults are used.")
    except tomllib.TOMLDecodeError as error:
        return _unusable(source, trusted, f"is not TOML: {error}; defaults are used.")
    return Layer(source, unwrap(values), trusted, base=path.absolute().parent)


def _unusable(source: str, trusted: bool, message: str) -> Layer:
    return Layer(source, {}, trusted, (Problem(source, "", message),))
