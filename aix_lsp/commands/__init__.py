"""The subcommands of `aix-lsp`, one file each. Each imports what it needs only when it runs."""
