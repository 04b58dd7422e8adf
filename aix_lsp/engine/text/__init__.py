"""Turns prompt parts into token ids, and tokens back into whole characters up to a stop."""
