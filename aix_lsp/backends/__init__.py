"""Where completions come from. Knows HTTP and processes; knows nothing of LSP, documents or torch."""
