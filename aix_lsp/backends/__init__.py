"""Sources of completions: our engine and remote servers. Knows HTTP and processes; knows nothing of LSP, documents or
torch.
"""
