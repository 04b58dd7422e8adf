"""The KV cache's bookkeeping: which pages are free, cached or held, and which tokens each has."""
