"""The rpcs about sources and hosts."""

from __future__ import annotations

from functools import partial

from lodestone.crawler.v1 import crawler_service_pb2
from services.crawler.catalogue import discovery, reports
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.messages import host_to_message, yield_to_message
from services.crawler.rpc.source_messages import kind_to_message, proposal_to_message
from services.servicekit.errors import InvalidInput

_MAX_PROPOSALS = 1_000
_PROPOSALS = 50


class SourceServicer(BaseServicer):
    """Sources and hosts."""

    async def ListHosts(
        self, request: crawler_service_pb2.ListHostsRequest, context: Context
    ) -> crawler_service_pb2.ListHostsResponse:
        """Returns what each host has answered."""
        found = await self._parts.database.run(reports.list_hosts)
        messages = [host_to_message(host) for host in found]
        return crawler_service_pb2.ListHostsResponse(hosts=messages)

    async def ListSourceYields(
        self, request: crawler_service_pb2.ListSourceYieldsRequest, context: Context
    ) -> crawler_service_pb2.ListSourceYieldsResponse:
        """Returns what each source, or community, has given."""
        found = await self._parts.database.run(
            partial(reports.list_source_yields, by_community=request.by_community)
        )
        messages = [yield_to_message(source) for source in found]
        return crawler_service_pb2.ListSourceYieldsResponse(source_yields=messages)

    async def ListSourceKinds(
        self, request: crawler_service_pb2.ListSourceKindsRequest, context: Context
    ) -> crawler_service_pb2.ListSourceKindsResponse:
        """Returns every kind of source."""
        kinds = [
            kind_to_message(kind, obstacle) for kind, obstacle in self._parts.sources.available()
        ]
        return crawler_service_pb2.ListSourceKindsResponse(source_kinds=kinds)

    async def DiscoverSources(
        self, request: crawler_service_pb2.DiscoverSourcesRequest, context: Context
    ) -> crawler_service_pb2.DiscoverSourcesResponse:
        """Proposes sources by what was accepted."""
        if not 0 <= request.max_proposals <= _MAX_PROPOSALS:
            message = f"max_proposals must be 1 to {_MAX_PROPOSALS:,}, or 0 for {_PROPOSALS}"
            raise InvalidInput(message)
        limit = request.max_proposals or _PROPOSALS
        found = await self._parts.database.run(
            partial(discovery.discover, profile_name=request.profile_name, limit=limit)
        )
        if request.profile_name and not found:
            await self._parts.board.require_profile(request.profile_name)
        proposals = [proposal_to_message(proposal) for proposal in found]
        return crawler_service_pb2.DiscoverSourcesResponse(proposals=proposals)
