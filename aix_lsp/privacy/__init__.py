"""Decides what may be sent: files by name, ignore files and settings; secrets within texts. Knows nothing of LSP or
models.
"""
