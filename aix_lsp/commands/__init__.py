"""The subcommands of `aix-lsp`, one file each. Each imports its dependencies only when it runs."""
