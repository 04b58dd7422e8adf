"""From prompt parts to token ids, and from tokens back to whole characters up to a stop."""
