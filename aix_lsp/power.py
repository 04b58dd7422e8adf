"""Whether the computer runs on battery; asked seldom, for the answer costs a few file reads."""

from __future__ import annotations

import time

_LOOK_EVERY_S = 30.0


class _Seen:
    at = -_LOOK_EVERY_S
    battery = False


def on_battery(now: float | None = None) -> bool:
    """Whether there is a battery and nothing charges it, as of the last half minute. False where that is unknown."""
    now = time.monotonic() if now is None else now
    if now - _Seen.at >= _LOOK_EVERY_S:
        _Seen.at, _Seen.battery = now, _look()
    return _Seen.battery


def _look() -> bool:
    import psutil

    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, RuntimeError, NotImplementedError):  # not on every system
        return False
    return battery is not None and battery.power_plugged is False
