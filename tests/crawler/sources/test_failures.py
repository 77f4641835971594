from __future__ import annotations

import pytest

from services.crawler.outcome import FetchFailed, OutcomeReason, StatusFailed
from services.crawler.sources.failures import source_failure
from services.crawler.sources.source import BlockReason, SourceBlocked, SourceFailed

URI = "feed:https://h/feed"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, BlockReason.CREDENTIALS_REFUSED),
        (403, BlockReason.FORBIDDEN),
        (451, BlockReason.FORBIDDEN),
    ],
)
def test_statuses_that_need_a_person(status: int, reason: BlockReason) -> None:
    """A host that refuses us is blocked, until somebody acts."""
    failure = StatusFailed(
        OutcomeReason.REFUSED, "h answered", status=status, final_url="https://h/"
    )
    blocked = source_failure(URI, failure)
    assert isinstance(blocked, SourceBlocked)
    assert (blocked.uri, blocked.reason, blocked.cause) == (URI, reason, "h answered")
    assert blocked.retry_s is None


@pytest.mark.parametrize(("asked_s", "retry_s"), [(90.0, 90.0), (None, 60.0)])
def test_a_rate_limit_passes(asked_s: float | None, retry_s: float) -> None:
    """It says for how long to wait: what the host says, else a minute."""
    failure = StatusFailed(
        OutcomeReason.RATE_LIMITED,
        "h answered HTTP 429",
        status=429,
        final_url="https://h/",
        retry_after_s=asked_s,
    )
    blocked = source_failure(URI, failure)
    assert isinstance(blocked, SourceBlocked)
    assert (blocked.reason, blocked.retry_s) == (BlockReason.RATE_LIMITED, retry_s)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (OutcomeReason.ROBOTS_DISALLOWED, BlockReason.ROBOTS_DISALLOWED),
        (OutcomeReason.FORBIDDEN_ADDRESS, BlockReason.FORBIDDEN),
        (OutcomeReason.OPTED_OUT, BlockReason.FORBIDDEN),
    ],
)
def test_rules_that_forbid_to_ask(outcome: OutcomeReason, reason: BlockReason) -> None:
    """What robots.txt, opt-outs and our own policy forbid is blocked too."""
    blocked = source_failure(URI, FetchFailed(outcome, "not allowed"))
    assert isinstance(blocked, SourceBlocked)
    assert (blocked.reason, blocked.retry_s) == (reason, None)


@pytest.mark.parametrize(
    "failure",
    [
        FetchFailed(OutcomeReason.TIMEOUT, "too late"),
        StatusFailed(OutcomeReason.SERVER_ERROR, "broken", status=502, final_url="https://h/"),
        StatusFailed(OutcomeReason.NOT_FOUND, "gone", status=404, final_url="https://h/"),
    ],
)
def test_everything_else_just_failed(failure: FetchFailed) -> None:
    """A source that is away or gone is not blocked."""
    failed = source_failure(URI, failure)
    assert type(failed) is SourceFailed
    assert failed.cause == str(failure)
