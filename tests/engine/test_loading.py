"""A model that cannot be loaded is an error for the user, whatever exception a library raises."""

from __future__ import annotations

import pytest

from aix_lsp.engine.loading import start_model
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import EngineOptions, LoadedModel, ModelError, Progress


class _Panic(BaseException):
    """Like PyO3's PanicException, which does not derive from Exception."""


@pytest.mark.parametrize("error", [_Panic("index out of bounds"), MemoryError(), RecursionError(), OSError()])
def test_anything_a_library_raises(error: BaseException) -> None:
    def load(options: EngineOptions, progress: Progress) -> LoadedModel:
        raise error

    with pytest.raises(ModelError, match="the model mine cannot be loaded"):
        start_model(EngineOptions(model="mine"), EngineMetrics(), lambda *_: None, load)
