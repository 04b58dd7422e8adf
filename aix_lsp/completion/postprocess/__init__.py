"""From what a model wrote to what is shown: small pure functions that work on a text as it streams in."""
