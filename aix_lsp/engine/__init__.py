"""Tokens in, tokens out: batching, scheduling, the KV cache and the model. Knows nothing of LSP."""
