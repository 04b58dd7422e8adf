"""The index's process: words and names of the workspace, and the searches for them.

Runs apart from the server, and knows nothing of it: lines of JSON come in and go out (worker.py).
"""
