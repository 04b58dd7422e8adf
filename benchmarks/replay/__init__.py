"""What suggestions are worth: held-out files typed through the real server by a person with a seed.

`python -m benchmarks.replay`; docs/quality.md says how to read what it prints.
"""
