"""Decides what may be sent: files by name, by ignore files and by settings; secrets within texts. Knows no LSP, no
model.
"""
