"""Evaluates models on code completion: the same cursors for every model, and a report."""
