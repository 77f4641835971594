"""Where libfaketime is: preloaded, it tells a process another time."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def library():
    """The path of the library, out of the wheel of the same name."""
    found = importlib.util.find_spec("libfaketime")
    assert found is not None, "the clock is moved by libfaketime: pip install libfaketime"
    [path] = Path(found.origin).parent.rglob("libfaketime.so.1")
    return str(path)
