"""aix-lsp: code completion from a local model, in every editor that speaks the Language Server Protocol."""

# Written here, and read from here when the package is built: asking the installed package's metadata for it
# takes 35 ms of each start.
__version__ = "0.1.0"
