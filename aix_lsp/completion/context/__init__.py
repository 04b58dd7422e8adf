"""Context from other files for the prompt: found, ranked, and kept while it is useful. See docs/context.md."""
