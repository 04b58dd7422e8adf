"""Measures what suggestions are worth: held-out files are typed through the real server by a simulated, seeded user.

`python -m benchmarks.replay`; docs/quality.md says how to read what it prints.
"""
