"""What of other files goes into a prompt: found, ranked, kept while it is of use. docs/context.md."""
