"""Trains and adapts small fill-in-the-middle models. The server and the engine never import this."""
