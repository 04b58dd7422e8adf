"""The headless editor that tests, demo and benchmarks share: documents, JSON-RPC, keys, and the engine."""
