"""How the embedded model was made: what it learned from, the recipe, and the commands that repeat both."""
