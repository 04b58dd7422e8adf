"""A training run on disk: written atomically, and found again if the process is killed. Knows no models."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch


class Checkpoint:
    """One run's folder: `state.pt` with everything needed to resume, `log.jsonl` with what happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._state = folder / "state.pt"
        self._flat = folder / "flat.pt"
        self._finish = folder / "finish"

    def load(self) -> dict[str, Any] | None:
        """The last state written, or None for a new run."""
        if not self._state.exists():
            return None
        state: dict[str, Any] = torch.load(self._state, map_location="cpu", weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state atomically: after a kill, either the old or the new one is there. So it is with a full
        disk, which raises OSError.
        """
        draft = self._state.with_suffix(".part")
        try:
            torch.save(state, draft)
        except RuntimeError as error:  # raised by torch's C++ writer
            raise OSError(f"{draft} could not be written; is the disk full? ({error})") from error
        draft.replace(self._state)

    def keep_flat(self) -> None:
        """Keep a copy of the last state, from before the rates fall; `go_on` continues from it."""
        draft = self._flat.with_suffix(".part")
        draft.unlink(missing_ok=True)
        try:
            draft.hardlink_to(self._state)
        except OSError:
            shutil.copyfile(self._state, draft)
        draft.replace(self._flat)

    def go_on(self) -> bool:
        """Go back to the state in which the run was asked to finish; False if it never was."""
        self._finish.unlink(missing_ok=True)
        if not self._flat.exists():
            return False
        self._flat.replace(self._state)
        return True

    def ask_to_finish(self, at: float) -> None:
        """Have the rates fall from now on, so that the run is finished at `at`, in seconds since the epoch."""
        draft = self._finish.with_suffix(".part")
        draft.write_text(f"{at}\n")
        draft.replace(self._finish)

    def finish_at(self) -> float | None:
        """The time at which the run was asked to be finished, or None."""
        try:
            return float(self._finish.read_text())
        except FileNotFoundError:
            return None

    def note(self, **values: Any) -> None:
        """Append a line to the log."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **values}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
