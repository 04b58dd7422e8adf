"""The index: words and names of the workspace, and the searches for them.

It runs in processes of its own and knows nothing of the server: lines of JSON come in and go out (worker.py).
"""
