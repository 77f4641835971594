"""The rpc that judges what is known again."""

from __future__ import annotations

from collections.abc import AsyncIterator

from lodestone.crawler.v1 import crawler_service_pb2
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.rejudge_messages import rejudgement_to_message


class RejudgeServicer(BaseServicer):
    """Rejudgements."""

    async def RejudgeImages(
        self, request: crawler_service_pb2.RejudgeImagesRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.RejudgeImagesResponse]:
        """Streams what changes, then the summary."""
        events = self._parts.rejudging.rejudge(request.profile, dry_run=request.dry_run)
        async for event in events:
            yield rejudgement_to_message(event)
