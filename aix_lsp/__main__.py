"""`python -m aix_lsp` is `aix-lsp`."""

from aix_lsp.cli import main

if __name__ == "__main__":
    main()
