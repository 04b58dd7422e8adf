"""aix-lsp: code completion from a local model, in every editor that speaks the Language Server Protocol."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("aix-lsp")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0+source"
