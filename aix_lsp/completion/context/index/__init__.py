"""The searcher's process: an index of the workspace's words and names, and the sources that look into it.

Runs apart from the server, and knows nothing of it: lines of JSON come in and go out (process.py).
"""
