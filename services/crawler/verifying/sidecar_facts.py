"""What a sidecar has to say, compared with the catalogue."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from services.crawler.verifying.stored_image import SHARED, StoredImage


def parse_sidecar(text: bytes) -> Mapping[str, Any] | None:
    """The facts of a sidecar; None if it is none."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_whole = isinstance(facts, dict) and isinstance(facts.get("judgements"), dict)
    return facts if is_whole else None


def differing_facts(sidecar: Mapping[str, Any], image: StoredImage) -> list[str]:
    """The names of the facts that are not those of the catalogue: of the image, and of the judgements that keep it.

    What was said of where the image came from is left out: an accept that a crash broke off may have written it, and
    the one that came to its end had another listing. So are judgements that keep nothing.
    """
    row = image.row
    expected = {
        "digest": image.digest,
        "size_bytes": row.size_bytes,
        "width_px": row.width_px,
        "height_px": row.height_px,
        "format": row.format,
        "animated": row.animated,
        "perceptual_hash": row.hash64,
        "perceptual_hash_256": row.hash256.hex(),
    }
    differing = [name for name, value in expected.items() if sidecar.get(name) != value]
    for kept in image.keeps:
        judged = sidecar["judgements"].get(str(kept.profile))
        if not isinstance(judged, dict):
            differing.append(f"judgements[{kept.profile}]")
            continue
        differing += [
            f"judgements[{kept.profile}].{name}"
            for name in SHARED
            if _number(judged.get(name)) != kept.judgement[name]
        ]
    return differing


def _number(value: Any) -> Any:
    """The catalogue has no NaN: it keeps null for it."""
    return None if isinstance(value, float) and math.isnan(value) else value
