"""Who may program the meter: passwords by level, and a lock for the day after wrong ones."""

from collections.abc import Mapping

from compuerta.virtual.meter.clock import DAY_MS
from compuerta.virtual.meter.core import MeterCore

PASSWORD_FAILURES_MAX = 3  # then programming is locked until the meter's day changes


class Access:
    """Will say whether a password opens its level, and lock itself against guessing."""

    def __init__(self, core: MeterCore, *, passwords: Mapping[int, str]) -> None:
        self._core = core
        self._passwords = dict(passwords)
        self._failures = 0
        self._failures_day = 0

    def opens(self, level: int, password: str) -> bool:
        """Tell whether this password is right, here and now; a wrong one is counted."""
        day = self._core.civil_ms // DAY_MS
        if day != self._failures_day:
            self._failures, self._failures_day = 0, day
        if self._failures >= PASSWORD_FAILURES_MAX:
            return False
        if self._passwords.get(level) == password:
            self._failures = 0
            return True
        self._failures += 1
        return False

    def replace(self, level: int, password: str) -> bool:
        """Set a new password of a level that exists; tells whether it does."""
        if level not in self._passwords:
            return False
        self._passwords[level] = password
        return True
