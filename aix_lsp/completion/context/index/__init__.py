"""The index: words and names of the workspace, and the searches for them.

It runs in its own processes and knows nothing of the server: it reads and writes lines of JSON (worker.py).
"""
