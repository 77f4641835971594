"""What the peer's server and its client call things."""

from __future__ import annotations

from typing import Final

MODEL: Final = "encoder"
INPUT: Final = "pixels"
OUTPUT: Final = "embedding"
