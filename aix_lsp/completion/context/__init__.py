"""Finds and ranks context from other files for the prompt, and keeps it while it is useful. See docs/context.md."""
