"""How the embedded model was made: its training data, the recipe, and the commands that repeat both."""
