"""Counts of listings that were not fetched, as the JSON objects that --json prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lodestone.cli.words import word
from lodestone.crawler.v1.crawl_pb2 import OutcomeCount
from lodestone.crawler.v1.outcome_pb2 import OutcomeReason, OutcomeState


def outcome_facts(counts: Iterable[OutcomeCount]) -> list[dict[str, Any]]:
    """One object for each outcome and reason."""
    return [
        {
            "outcome": word(OutcomeState, one.state),
            "outcome_reason": word(OutcomeReason, one.reason) if one.reason else None,
            "count": one.count,
        }
        for one in counts
    ]
