"""Bookkeeping of the KV cache: which pages are free, cached or held, and which tokens each has."""
