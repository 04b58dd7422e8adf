"""How good a model is at completing code: the same cursors for every model, and a report of them."""
