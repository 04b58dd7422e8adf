"""The models a user can choose: the catalogue, those on this computer, which fit it, and downloads. No torch."""
