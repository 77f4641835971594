"""The rpcs about sinks."""

from __future__ import annotations

from lodestone.crawler.v1 import crawler_service_pb2
from services.crawler.catalogue import sink_reports
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.sink_messages import sink_to_message


class SinkServicer(BaseServicer):
    """Sinks."""

    async def ListSinks(
        self, request: crawler_service_pb2.ListSinksRequest, context: Context
    ) -> crawler_service_pb2.ListSinksResponse:
        """Returns every sink."""
        found = await self._parts.database.run(sink_reports.list_sinks)
        messages = [sink_to_message(report) for report in found]
        return crawler_service_pb2.ListSinksResponse(sinks=messages)

    async def RetrySink(
        self, request: crawler_service_pb2.RetrySinkRequest, context: Context
    ) -> crawler_service_pb2.RetrySinkResponse:
        """Tries a sink again at once."""
        count = await self._parts.delivering.retry(request.name)
        return crawler_service_pb2.RetrySinkResponse(retried_count=count)

    async def BackfillSink(
        self, request: crawler_service_pb2.BackfillSinkRequest, context: Context
    ) -> crawler_service_pb2.BackfillSinkResponse:
        """Lets a sink have what was kept before."""
        count = await self._parts.delivering.backfill(request.name)
        return crawler_service_pb2.BackfillSinkResponse(added_count=count)
