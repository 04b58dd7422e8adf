"""Making and adapting small fill-in-the-middle models. The server and the engine never import this."""
