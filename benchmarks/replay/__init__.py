"""Measures what suggestions are worth: a simulated, seeded user types held-out files through the real server.

`python -m benchmarks.replay`; docs/quality.md explains its output.
"""
