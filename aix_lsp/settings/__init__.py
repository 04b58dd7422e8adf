"""All options of the program: the table, the sources that set them, and the problems found in those."""

from aix_lsp.settings.files import project_layer, user_file, user_layer
from aix_lsp.settings.layers import Layer, Problem, for_language, resolve, unwrap
from aix_lsp.settings.table import Settings

__all__ = [
    "Layer",
    "Problem",
    "Settings",
    "for_language",
    "project_layer",
    "resolve",
    "unwrap",
    "user_file",
    "user_layer",
]
