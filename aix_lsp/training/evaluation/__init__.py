"""Evaluates models at completing code: the same cursors for every model, and a report."""
