"""Reads the client's capabilities from its `initialize` params; declares the server's, now or by later registration.

The client's are read by hand instead of through lsprotocol's types: a wrong value in a part that we do not use
(editors do send some) must not keep the server from starting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lsprotocol import types

from aix_lsp.languages import INDEXED_SUFFIXES
from aix_lsp.lsp.positions import DEFAULT_ENCODING, Encoding, negotiate
from aix_lsp.settings.files import PROJECT_FILE

TRIGGER_CHARACTERS = (".", ":", "(", "[", ",", "=")
"""Not spaces or line ends: a popup there would catch the Enter key of a user who only wants to type on."""


def server_capabilities(client: Client, commands: list[str]) -> types.ServerCapabilities:
    """The answer to `initialize`."""
    return types.ServerCapabilities(
        position_encoding=client.encoding,
        text_document_sync=types.TextDocumentSyncOptions(
            open_close=True,
            change=types.TextDocumentSyncKind.Incremental,
            save=types.SaveOptions(include_text=False),
        ),
        notebook_document_sync=types.NotebookDocumentSyncOptions(
            notebook_selector=[
                types.NotebookDocumentFilterWithNotebook(
                    notebook="*", cells=[types.NotebookCellLanguage(language="*")]
                )
            ],
            save=False,
        ),
        completion_provider=types.CompletionOptions(
            trigger_characters=list(TRIGGER_CHARACTERS), resolve_provider=True
        ),
        inline_completion_provider=types.InlineCompletionOptions() if client.inline_completion else None,
        execute_command_provider=types.ExecuteCommandOptions(commands=commands),
        workspace=types.WorkspaceOptions(
            workspace_folders=types.WorkspaceFoldersServerCapabilities(
                supported=True, change_notifications=True
            )
        ),
        experimental=_extensions(),
    )


def _extensions() -> dict[str, Any]:
    """Extensions to LSP; docs/lsp.md describes each."""
    return {
        "aix/inlineCompletion": {"partialResult": "cumulative"},
        "aix/status": True,
        "aix/didCopy": True,
        "aix/feedback": ["aix/didShow", "aix/didAccept", "aix/didPartiallyAccept", "aix/didReject"],
    }


_SHOWS_UNKNOWN_NOTIFICATIONS = {"emacs"}
"""Clients (by `clientInfo.name`) that show their user a warning for each notification they do not know."""
_REPLACES_THE_LINE = {"vim-lsp"}
"""Clients whose plugin (asyncomplete-lsp) replaces the whole line with an inline item, whatever its range, and requests
no popup from a server that has both."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client's name and capabilities; whatever is absent or malformed counts as unsupported."""

    name: str = ""
    process_id: int | None = None
    encoding: Encoding = DEFAULT_ENCODING
    configuration: bool = False
    """Answers `workspace/configuration`."""
    registers_configuration: bool = False
    registers_watched_files: bool = False
    work_done_progress: bool = False
    status: bool = True
    """Receives `aix/status` notifications."""
    inline_completion: bool = True
    """May be offered ghost text. Assumed without the capability, since several clients support it without saying so."""
    ignores_ranges: bool = False
    """Inserts an item's text at the cursor, whatever its range. ALE does, and it is the only client without a name."""
    insert_replace: bool = False
    label_details: bool = False
    markdown: bool = False
    as_is_insertion: bool = False
    """Supports `InsertTextMode.asIs`, with which it leaves our indentation alone."""
    lazy_documentation: bool = False
    """Fetches an item's documentation with `completionItem/resolve`."""
    item_defaults: frozenset[str] = frozenset()

    @classmethod
    def from_initialize(cls, params: Mapping[str, Any]) -> Client:
        """Read the raw params of `initialize`."""
        capabilities = _Tree(params.get("capabilities"))
        text, workspace = capabilities.at("textDocument"), capabilities.at("workspace")
        item = text.at("completion", "completionItem")
        name = _Tree(params.get("clientInfo")).text("name")
        process_id = params.get("processId")
        wants_status = capabilities.at("experimental", "aix").value("status")
        if wants_status is None:
            wants_status = name.lower() not in _SHOWS_UNKNOWN_NOTIFICATIONS
        return cls(
            name=name,
            process_id=process_id if isinstance(process_id, int) and process_id > 0 else None,
            encoding=negotiate(capabilities.at("general").texts("positionEncodings")),
            configuration=workspace.flag("configuration"),
            registers_configuration=workspace.at("didChangeConfiguration").flag("dynamicRegistration"),
            registers_watched_files=workspace.at("didChangeWatchedFiles").flag("dynamicRegistration"),
            work_done_progress=capabilities.at("window").flag("workDoneProgress"),
            status=bool(wants_status),
            inline_completion=name.lower() not in _REPLACES_THE_LINE,
            ignores_ranges=not name,
            insert_replace=item.flag("insertReplaceSupport"),
            label_details=item.flag("labelDetailsSupport"),
            markdown="markdown" in item.texts("documentationFormat"),
            as_is_insertion=1 in item.at("insertTextModeSupport").values("valueSet"),
            lazy_documentation="documentation" in item.at("resolveSupport").texts("properties"),
            item_defaults=frozenset(text.at("completion", "completionList").texts("itemDefaults")),
        )


class _Tree:
    """Nested JSON in which anything may be missing or of the wrong type."""

    def __init__(self, value: Any) -> None:
        self._map: Mapping[str, Any] = value if isinstance(value, Mapping) else {}

    def at(self, *names: str) -> _Tree:
        tree = self
        for name in names:
            tree = _Tree(tree._map.get(name))
        return tree

    def value(self, name: str) -> Any:
        return self._map.get(name)

    def flag(self, name: str) -> bool:
        return self._map.get(name) is True

    def text(self, name: str) -> str:
        value = self._map.get(name)
        return value if isinstance(value, str) else ""

    def values(self, name: str) -> list[Any]:
        value = self._map.get(name)
        return value if isinstance(value, list) else []

    def texts(self, name: str) -> list[str]:
        return [value for value in self.values(name) if isinstance(value, str)]


def registrations(client: Client, searched: bool) -> list[types.Registration]:
    """The capabilities that cannot be declared in `initialize`, if this client supports registering them.

    `searched` says whether other files are searched for context, so that their changes matter.
    """
    wanted = []
    if client.registers_configuration:
        method = types.WORKSPACE_DID_CHANGE_CONFIGURATION
        wanted.append(types.Registration("aix-configuration", method, {"section": "aix"}))
    if client.registers_watched_files:
        watchers = [types.FileSystemWatcher(glob) for glob in _globs(searched)]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        wanted.append(types.Registration("aix-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options))
    return wanted


def _globs(searched: bool) -> list[str]:
    return [
        f"**/{PROJECT_FILE}",
        *([f"**/*.{{{','.join(suffix[1:] for suffix in INDEXED_SUFFIXES)}}}"] if searched else []),
    ]
