"""Everything that imports torch: a model from a folder or a hub, run over paged KV."""
