"""aix-lsp: code completion from a local model, in every editor that speaks the Language Server Protocol."""

# Defined here, and read from here when the package is built: looking it up in the installed package's metadata would
# add 35 ms to each start.
__version__ = "0.1.0"
