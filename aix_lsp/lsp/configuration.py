"""The sources of one session's settings, kept apart so that each can change on its own. Asks no client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aix_lsp.lsp.workspace import Folder
from aix_lsp.settings import Layer, Problem, Settings, project_layer, resolve, unwrap, user_layer

SECTION = "aix"
CONNECTION_KEYS = ("token",)
"""What initializationOptions may hold besides settings."""


class Configuration:
    """Settings of each workspace folder, from all sources; the later in `_layers` wins."""

    def __init__(self, flags: Mapping[str, Any]) -> None:
        self._flags = Layer("the command line", flags)
        self._options: Mapping[str, Any] = {}
        self._pulled: Mapping[str, Mapping[str, Any]] = {}
        self._chosen: dict[str, dict[str, Any]] = {"": {}}
        self._told: set[str] = set()

    def set_options(self, options: Any) -> None:
        """Take `initializationOptions`."""
        values = unwrap(options)
        self._options = {name: value for name, value in values.items() if name not in CONNECTION_KEYS}

    def set_pulled(self, by_folder: Mapping[str, Any]) -> None:
        """Take the client's answer to `workspace/configuration`, by folder URI ("" is the session's own)."""
        self._pulled = {folder: unwrap(values) for folder, values in by_folder.items()}

    def set_pushed(self, settings: Any) -> None:
        """Take the settings of a didChangeConfiguration from a client that cannot be asked."""
        if isinstance(settings, Mapping) and isinstance(settings.get(SECTION), Mapping):
            self._pulled = {"": settings[SECTION]}

    def choose(self, name: str, value: Any, *, language: str = "", folder: str = "") -> None:
        """Take a setting that a command has changed: for this session, a folder, or a language."""
        values = self._chosen.setdefault(folder, {})
        if not language:
            values[name] = value
            return
        languages = values.setdefault("languages", {})
        values["languages"] = languages | {language: languages.get(language, {}) | {name: value}}

    def resolve(self, folders: Iterable[Folder]) -> tuple[dict[str, Settings], list[Problem]]:
        """Settings by folder URI ("" is everything outside of folders), and problems not yet told of."""
        user = user_layer()
        settings, problems = {}, list[Problem]()
        for uri, path in [("", ""), *((folder.uri, folder.path) for folder in folders)]:
            settings[uri], found = resolve(self._layers(user, uri, path))
            problems += found
        fresh = {str(problem): problem for problem in problems if str(problem) not in self._told}
        self._told |= fresh.keys()
        return settings, list(fresh.values())

    def early(self) -> Settings:
        """The settings as far as they are known before the client or any file has been asked."""
        return resolve([Layer("initializationOptions", self._options), self._flags])[0]

    def _layers(self, user: Layer, uri: str, path: str) -> Iterable[Layer]:
        yield user
        if path:
            yield project_layer(Path(path))
        yield Layer("the editor's settings", self._pulled.get(uri) or self._pulled.get("", {}))
        yield Layer("initializationOptions", self._options)
        yield self._flags
        yield Layer("commands", self._chosen[""])
        if uri in self._chosen and uri:
            yield Layer("commands", self._chosen[uri])
