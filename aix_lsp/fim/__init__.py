"""Fill-in-the-middle as pure text: a prompt's parts, how each model family writes them, and where they are cut.

Used by the server and by the engine; imports nothing else of the package.
"""
