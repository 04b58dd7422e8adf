"""Code completion: from a document and a cursor to suggestions. No LSP types, no torch, no sockets."""
