"""Reads the GGUF format: a file's header, tokenizer and configuration, and its tensors' values. Imports no torch."""
