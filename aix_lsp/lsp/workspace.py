"""The workspace folders of a session, and the settings of each from all sources. Sends no messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aix_lsp import files, processes
from aix_lsp.lsp.positions import without_surrogates
from aix_lsp.roots import ON_THE_LOOP_S, RootFinder
from aix_lsp.settings import Layer, Problem, Settings, project_layer, resolve, unwrap, user_file, user_layer
from aix_lsp.settings.names import SECTION
from aix_lsp.trust import UNTRUSTED_LIMITS, SettingsSource, Trust, trust_in
from aix_lsp.uris import file_path, parse_uri

_FILE_S = 10.0
WORKSPACE_TRUSTED = "workspaceTrusted"
CONNECTION_KEYS = ("token", WORKSPACE_TRUSTED)
"""The keys that initializationOptions may have besides settings."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One root of the workspace. `path` is None if the root is not on this machine's file system."""

    uri: str
    path: Path | None


class Workspace:
    """The folders that the editor has open; a document belongs to the innermost that contains it."""

    def __init__(self) -> None:
        self._folders: dict[str, Folder] = {}
        self._finder = RootFinder(ON_THE_LOOP_S)

    @property
    def folders(self) -> tuple[Folder, ...]:
        return tuple(self._folders.values())

    def roots(self) -> list[Path]:
        """The folders that are on this machine's file system."""
        return [folder.path for folder in self._folders.values() if folder.path is not None]

    def add(self, uri: str) -> None:
        self._folders[uri] = Folder(uri, file_path(uri))

    def remove(self, uri: str) -> None:
        self._folders.pop(uri, None)

    def folder_of(self, uri: str) -> Folder | None:
        """The innermost folder that contains the document: by its path, or by its URI if that is not a file's."""
        return self._found(uri)[0]

    def shown_path(self, uri: str) -> str:
        """The path shown to the model: relative to its folder, or without one, the file's name.

        Never an absolute path, which would reveal the user's name to a remote model. Empty for untitled buffers.
        """
        path = file_path(uri)
        if path is None:
            return ""
        below = self._found(uri)[1]
        return without_surrogates(path.name if below is None else below.as_posix())

    def _found(self, uri: str) -> tuple[Folder | None, Path | None]:
        """The innermost folder of a document, and the document's path relative to it, if it has one."""
        document = parse_uri(uri)
        by_path = {folder.path: folder for folder in self._folders.values() if folder.path is not None}
        # The URI of a view of a file (`fugitive:`, `gitlens:`) contains the file's path.
        path = document.file or (Path(document.path) if document.path is not None else None)
        found = self._finder.find(path, tuple(by_path)) if path is not None else None
        if found is not None:
            return by_path[found[0]], found[1]
        holding = [
            folder for folder in self._folders.values() if uri.startswith(folder.uri.rstrip("/") + "/")
        ]
        return max(holding, key=lambda folder: len(folder.uri), default=None), None


class Configuration:
    """The settings of each workspace folder, from all sources; later ones in `_layers` win."""

    def __init__(self, flags: Mapping[str, Any], *, trusts_client: bool = True) -> None:
        """`trusts_client` says whether the client's settings may be taken as the user's own."""
        self._flags = flags
        self._trusts_client = trusts_client
        self._options: Mapping[str, Any] = {}
        self._trust_at_start: Any = True
        self._pulled: Mapping[str, Mapping[str, Any]] = {}
        self._overrides: dict[str, dict[str, Any]] = {"": {}}
        self._reported: set[str] = set()

    def set_options(self, options: Any) -> None:
        """Store `initializationOptions`."""
        self._options = unwrap(options)
        self._trust_at_start = self._options.get(WORKSPACE_TRUSTED, True)

    def set_pulled(self, by_folder: Mapping[str, Any]) -> None:
        """Store the client's answer to `workspace/configuration`, by folder URI ("" is the session's own)."""
        self._pulled = {folder: unwrap(values) for folder, values in by_folder.items()}

    def set_pushed(self, settings: Any) -> None:
        """Store the settings of a didChangeConfiguration, from a client without `workspace/configuration`."""
        if isinstance(settings, Mapping) and isinstance(settings.get(SECTION), Mapping):
            self._pulled = {"": settings[SECTION]}

    def override(self, name: str, value: Any, *, language: str = "", folder: str = "") -> None:
        """Store a setting changed by a command: for this session, a folder, or a language."""
        values = self._overrides.setdefault(folder, {})
        if not language:
            values[name] = value
            return
        languages = values.setdefault("languages", {})
        values["languages"] = languages | {language: languages.get(language, {}) | {name: value}}

    async def read_files(self, folders: Iterable[Path | None]) -> Mapping[Path | None, Layer]:
        """Read the settings files of the user (key None) and of workspace folders.

        What our environment names in one of these folders is forgotten first: the user's file may lie there.
        """
        trusted, found = self.workspace_trusted, dict[Path | None, Layer]()
        folders = [path for path in folders if path is not None]
        for path in folders if self._trusts_client else ():
            with suppress(TimeoutError):
                async with asyncio.timeout(_FILE_S):
                    await files.on_thread(processes.distrust, path)
        for path in [None, *folders]:
            read = user_layer if path is None else partial(project_layer, path, workspace_trusted=trusted)
            try:
                async with asyncio.timeout(_FILE_S):
                    found[path] = await files.on_thread(read)
            except TimeoutError:
                source = str(path or user_file())
                problem = Problem(source, "", "cannot be read, because its file system hangs; it is ignored.")
                found[path] = Layer(source, problems=(problem,))
        return found

    def resolve(
        self, folders: Iterable[Folder], layers: Mapping[Path | None, Layer]
    ) -> tuple[dict[str, Settings], list[Problem]]:
        """Settings by folder URI ("" is everything outside of folders), and problems not yet reported.

        `layers` is the result of `read_files`.
        """
        settings, problems = {}, list[Problem]()
        for uri, path in [("", None), *((folder.uri, folder.path) for folder in folders)]:
            settings[uri], found = resolve(self._layers(layers, uri, path))
            problems += found
        fresh = {str(problem): problem for problem in problems if str(problem) not in self._reported}
        self._reported |= fresh.keys()
        return settings, list(fresh.values())

    def before_start(self) -> Settings:
        """The settings as known before the client's configuration and any files have been read."""
        return resolve(
            [self._from(SettingsSource.CLIENT, self._options), self._from(SettingsSource.FLAGS, self._flags)]
        )[0]

    @property
    def workspace_trusted(self) -> bool:
        """Whether the editor trusts the workspace: `workspaceTrusted`, in its settings or initializationOptions.

        Null says nothing; a value that is neither true nor false means no trust.
        """
        trusted = self._pulled.get("", {}).get(WORKSPACE_TRUSTED)
        trusted = self._trust_at_start if trusted is None else trusted
        return trusted is True or trusted is None

    def _from(self, source: SettingsSource, values: Mapping[str, Any]) -> Layer:
        """The values from a client or a command line, as a layer."""
        settings = {name: value for name, value in values.items() if name not in CONNECTION_KEYS}
        return Layer(source, settings, trust_in(source, client=self._trusts_client))

    def _layers(self, read: Mapping[Path | None, Layer], uri: str, path: Path | None) -> Iterable[Layer]:
        yield read.get(None, Layer(SettingsSource.USER))
        if path is not None and path in read:
            yield read[path]
        yield self._from(SettingsSource.EDITOR, self._pulled.get(uri) or self._pulled.get("", {}))
        yield self._from(SettingsSource.CLIENT, self._options)
        yield self._from(SettingsSource.FLAGS, self._flags)
        yield self._from(SettingsSource.COMMANDS, self._overrides[""])
        if uri in self._overrides and uri:
            yield self._from(SettingsSource.COMMANDS, self._overrides[uri])
        if not self.workspace_trusted:
            yield Layer("a workspace that is not trusted", UNTRUSTED_LIMITS, Trust.NARROWS)
