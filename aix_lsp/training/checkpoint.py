"""A training run on disk: written whole or not at all, and found again after any kill. Knows no model."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch


class Checkpoint:
    """One run's folder: `state.pt` with everything needed to go on, `log.jsonl` with what happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._state = folder / "state.pt"

    def load(self) -> dict[str, Any] | None:
        """The last state written, or None where the run is new."""
        if not self._state.exists():
            return None
        state: dict[str, Any] = torch.load(self._state, map_location="cpu", weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state; a kill at any time leaves the old one or the new one, and so does a full disk, which
        raises OSError.
        """
        draft = self._state.with_suffix(".part")
        try:
            torch.save(state, draft)
        except RuntimeError as error:  # what torch's writer in C++ makes of it
            raise OSError(f"{draft} could not be written; is the disk full? ({error})") from error
        draft.replace(self._state)

    def note(self, **values: Any) -> None:
        """Append one line to the log."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **values}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
