"""The editor's side of the server: the only package that imports pygls or lsprotocol."""
