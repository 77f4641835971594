"""Memory that was freed and is still the process's."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")
_GROWN_BYTES: Final = 256_000_000


class Heap:
    """Gives freed memory back to the system while the process is larger than it was.

    glibc gives back what is free at the end of its heap alone: after a burst of large messages one small block that is
    still in use there keeps gigabytes (malloc_trim(3)). Does nothing where there is no glibc.
    """

    def __init__(self, *, every_s: float = 10.0) -> None:
        """Remembers how large the process is now; gives back no more often than every `every_s` seconds."""
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._every_s = every_s
        self._last_s = 0.0
        self._least_bytes = _resident_bytes()

    def look(self) -> None:
        """To be called now and then: takes milliseconds if the process has grown by 256 MB, else microseconds."""
        if self._trim is None or time.monotonic() < self._last_s + self._every_s:
            return
        if _resident_bytes() > self._least_bytes + _GROWN_BYTES:
            self._trim(0)
            self._last_s = time.monotonic()
        self._least_bytes = min(self._least_bytes, _resident_bytes())


def _resident_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
