"""Decides what runs next, in what chunks, within what time. Plain Python."""
