"""How the listings of a batch end when nothing fails."""

from __future__ import annotations

from collections import Counter


def expected_counts(batch):
    """Outcomes and verdicts: one of each find is kept, and every listing has one end."""
    repeats = len(range(0, batch.finds, 3))
    return Counter(
        {
            ("FETCHED", "", "ACCEPTED"): batch.finds,
            ("FETCHED", "", "DUPLICATE"): batch.finds * batch.nears + repeats,
            ("FETCHED", "", "OFF_PROFILE"): batch.finds // 3,
            ("FAILED", "NOT_FOUND", ""): 2,
            ("FAILED", "UNSUPPORTED_FORMAT", ""): 2,
            ("FAILED", "TRUNCATED", ""): 2,
            ("FAILED", "TOO_SMALL", ""): 2,
            ("BLOCKED", "ROBOTS_DISALLOWED", ""): 2,
        }
    )
