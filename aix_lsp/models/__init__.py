"""Which models there are: the catalogue, those on this computer, what fits it, and downloads. No torch."""
