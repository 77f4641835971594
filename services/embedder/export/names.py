"""The names of the encoders that can be exported."""

from __future__ import annotations

EFFICIENTNET_LITE0 = "efficientnet-lite0"

CLIP_PREFIX = "clip-"
"""Before open_clip's name for an architecture in lower case: `clip-vit-b-32`."""
