"""The rpc about how candidates scored."""

from __future__ import annotations

from lodestone.crawler.v1 import crawler_service_pb2
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.score_messages import distribution_to_message, drift_to_message
from services.servicekit.errors import InvalidInput

_MAX_DAYS = 366
_DAYS = 14


class ScoreServicer(BaseServicer):
    """Score distributions."""

    async def ListScoreDistributions(
        self, request: crawler_service_pb2.ListScoreDistributionsRequest, context: Context
    ) -> crawler_service_pb2.ListScoreDistributionsResponse:
        """Returns how candidates scored under a profile version."""
        if not 0 <= request.max_days <= _MAX_DAYS:
            message = f"max_days must be 1 to {_MAX_DAYS}, or 0 for {_DAYS}"
            raise InvalidInput(message)
        report = await self._parts.score_reports.report(
            request.profile, max_days=request.max_days or _DAYS
        )
        return crawler_service_pb2.ListScoreDistributionsResponse(
            distributions=[
                distribution_to_message(distribution, drift, report.threshold_nats)
                for distribution, drift in report.distributions
            ],
            drift=drift_to_message(report.drift),
        )
