"""Hubs and mirrors that send arbitrary or endless answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import HfApi

from aix_lsp.models import download
from aix_lsp.models.catalogue import find
from aix_lsp.models.failures import DownloadError, retry_after

ENTRY = find("qwen2.5-coder-0.5b")
FILE = SimpleNamespace(rfilename="qwen2.5-coder-0.5b-q8_0.gguf", size=10, lfs=None, blob_id="0" * 40)


def _told(**different: Any) -> SimpleNamespace:
    file = SimpleNamespace(**{**vars(FILE), **different})
    return SimpleNamespace(siblings=[file], sha="c" * 40)


@pytest.mark.parametrize(
    "told",
    [
        _told(size="many"), _told(size=[1]), _told(size=float("nan")), _told(rfilename=7), _told(rfilename=None),
        _told(lfs=7), _told(blob_id=7), SimpleNamespace(siblings=7, sha="c" * 40),
        SimpleNamespace(siblings=[7], sha=""), SimpleNamespace(siblings=[FILE], sha=7),
        SimpleNamespace(siblings=[FILE], sha=None), SimpleNamespace(siblings=None, sha=""),
    ],
)  # fmt: skip
def test_an_answer_of_any_shape_is_an_error_for_the_user(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENTRY is not None
    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: told)
    with pytest.raises(DownloadError) as caught:
        download.look_up(ENTRY.source())
    assert "\n" not in str(caught.value)


def test_an_endless_file_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    def endless(*_: Any) -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            assert sent < 100
            yield bytes(1000)

    monkeypatch.setattr(download, "_chunks", endless)
    assert ENTRY is not None
    asked = download.Download(ENTRY.source(), "c" * 40, ())
    file = download.File("model.gguf", 2500, "0" * 64)
    assert download._receive(asked, file, tmp_path / "part", lambda _: None) == ""
    assert (tmp_path / "part").stat().st_size == 3000


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7.0), ("\u00b2", 1.0), ("9" * 400, 1.0), ("soon", 1.0), ("", 1.0)]
)
def test_an_invalid_retry_after(said: str, seconds: float) -> None:
    error = Exception()
    error.response = SimpleNamespace(headers={"Retry-After": said})  # type: ignore[attr-defined]
    assert retry_after(error) == seconds
