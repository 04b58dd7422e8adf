"""The models one can choose: the catalogue, those on this computer, what fits it, and downloads. No torch."""
