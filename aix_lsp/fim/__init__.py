"""Fill-in-the-middle as pure text: what a prompt is made of, how each family writes it, where it is cut.

Used by the server and by the engine; imports nothing else of the package.
"""
