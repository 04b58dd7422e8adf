"""Stop strings applied to streamed text on our side, for servers that take few of them or none. Pure."""

from __future__ import annotations


class StopFilter:
    """Passes text on until one of the stop strings comes, never letting a part of one through.

    What may be the beginning of a stop string is held back until the next text decides.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that may be shown after `text` has come. Nothing more comes once `stopped`."""
        if self.stopped or not self._stops:
            return "" if self.stopped else text
        buffer = self._held + text
        # The first to be whole counts, so that it does not matter how the stream was cut.
        found = [(at + len(stop), at) for stop in self._stops if (at := buffer.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return buffer[: min(found)[1]]
        keep = self._possible_start(buffer)
        self._held = buffer[len(buffer) - keep :]
        return buffer[: len(buffer) - keep]

    def flush(self) -> str:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, ""
        return held

    def _possible_start(self, buffer: str) -> int:
        """The length of the longest end of `buffer` with which a stop string begins."""
        longest = min(len(buffer), max(map(len, self._stops)) - 1)
        for length in range(longest, 0, -1):
            end = buffer[len(buffer) - length :]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0
