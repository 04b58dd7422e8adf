"""Loads a model and starts its engine, on the calling thread. Only then imports torch."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import time
from collections.abc import Callable, Iterator

from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.model import memory
from aix_lsp.engine.options import EngineOptions, LoadedModel, ModelError, Progress
from aix_lsp.engine.served import ServedModel

log = logging.getLogger(__name__)

Load = Callable[[EngineOptions, Progress], LoadedModel]

_KEPT_PRIMITIVES = "32"
"""Matrix products that torch's oneDNN keeps prepared, one per number of rows. By default it keeps twice 1,024, of
0.6 MiB each."""


def load_model(options: EngineOptions, progress: Progress) -> LoadedModel:
    """The usual loader, imported here because torch takes seconds to import."""
    progress("libraries", 0.0)
    for name in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):  # read once, when torch is loaded
        os.environ.setdefault(name, _KEPT_PRIMITIVES)
    with _uncollected():
        loader = importlib.import_module("aix_lsp.engine.model.loader")
        model: LoadedModel = loader.load(options, progress)
    return model


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collections: what is imported and loaded stays, and scanning it took a fifth of a start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def start_model(
    options: EngineOptions, metrics: EngineMetrics, progress: Progress, load: Load = load_model
) -> ServedModel:
    """Load the model and start its engine. Raises ModelError."""
    started = time.monotonic()
    try:
        served = ServedModel(load(options, progress), options.fim_family, metrics)
        served.engine.start()
    except (ModelError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in a library that is written in Rust is no Exception
        log.exception("loading %s failed", options.model)
        raise ModelError(
            f"the model {options.model} cannot be loaded ({error}); choose another (setting model)"
        ) from error
    # What loading created stays for good. Otherwise each full collection scans the libraries' million objects, which
    # takes some 100 ms in the middle of a suggestion.
    gc.collect()
    gc.freeze()
    memory.give_back()  # building the tables of a large vocabulary leaves up to 200 MB
    metrics.load_seconds.set(time.monotonic() - started)
    return served
