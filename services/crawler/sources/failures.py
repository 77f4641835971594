"""What a failed request means for the source that sent it."""

from __future__ import annotations

from services.crawler.outcome import FetchFailed, OutcomeReason, StatusFailed
from services.crawler.sources.source import BlockReason, SourceBlocked, SourceFailed

# Where a host asks to be left alone and does not say for how long.
_RETRY_S = 60.0
_BY_STATUS = {
    401: BlockReason.CREDENTIALS_REFUSED,
    403: BlockReason.FORBIDDEN,
    407: BlockReason.FORBIDDEN,
    451: BlockReason.FORBIDDEN,
}
_BY_REASON = {
    OutcomeReason.RATE_LIMITED: BlockReason.RATE_LIMITED,
    OutcomeReason.ROBOTS_DISALLOWED: BlockReason.ROBOTS_DISALLOWED,
    OutcomeReason.FORBIDDEN_ADDRESS: BlockReason.FORBIDDEN,
    OutcomeReason.OPTED_OUT: BlockReason.FORBIDDEN,
}


def source_failure(uri: str, failure: FetchFailed) -> SourceFailed:
    """A failed request as the failure of a source: blocked where its host does not let us, else just failed.

    A host that says for how long to wait is believed; otherwise a rate limit is a minute.
    """
    reason = _BY_REASON.get(failure.reason)
    if reason is None and isinstance(failure, StatusFailed):
        reason = _BY_STATUS.get(failure.status)
    if reason is None:
        return SourceFailed(uri, str(failure))
    is_short = reason is BlockReason.RATE_LIMITED
    retry_s = (failure.retry_after_s or _RETRY_S) if is_short else None
    return SourceBlocked(uri, reason, str(failure), retry_s=retry_s)
