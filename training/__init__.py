"""The embedded model's training data and recipe, and the commands that repeat both."""
