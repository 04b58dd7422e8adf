"""Everything that imports torch: a model from a folder, a GGUF file or the hub, run over paged KV."""
