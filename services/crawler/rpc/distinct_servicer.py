"""The rpcs by which a person says that two images are no duplicates."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from sqlalchemy import Connection

from lodestone.crawler.v1 import crawler_service_pb2
from services.crawler.catalogue import distinct_pairs
from services.crawler.catalogue.distinct_pairs import DistinctPair
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.duplicate_messages import pair_to_message
from services.servicekit.errors import InvalidInput

_DIGEST = re.compile(r"[0-9a-f]{64}")


class DistinctServicer(BaseServicer):
    """Pairs of images."""

    async def CreateDistinctPair(
        self, request: crawler_service_pb2.CreateDistinctPairRequest, context: Context
    ) -> crawler_service_pb2.CreateDistinctPairResponse:
        """Writes a pair down."""
        one, other = _digests(request.first_digest, request.second_digest)
        done = await self._parts.distinguishing.distinguish(one, other)
        return crawler_service_pb2.CreateDistinctPairResponse(
            pair=pair_to_message(done.pair), crawl_ids=done.crawl_ids, near=done.near
        )

    async def DeleteDistinctPair(
        self, request: crawler_service_pb2.DeleteDistinctPairRequest, context: Context
    ) -> crawler_service_pb2.DeleteDistinctPairResponse:
        """Takes one back."""
        one, other = _digests(request.first_digest, request.second_digest)
        deleted = await self._parts.distinguishing.undo(one, other)
        return crawler_service_pb2.DeleteDistinctPairResponse(deleted=deleted)

    async def ListDistinctPairs(
        self, request: crawler_service_pb2.ListDistinctPairsRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.ListDistinctPairsResponse]:
        """Streams all of them."""
        for pair in await self._parts.database.run(_pairs):
            yield crawler_service_pb2.ListDistinctPairsResponse(pair=pair_to_message(pair))
            await asyncio.sleep(0)


def _pairs(connection: Connection) -> list[DistinctPair]:
    return list(distinct_pairs.iterate_pairs(connection))


def _digests(one: str, other: str) -> tuple[str, str]:
    for digest in (one, other):
        if not _DIGEST.fullmatch(digest):
            message = f"{digest[:80]!r} is no digest: 64 hex digits, lower-case"
            raise InvalidInput(message)
    if one == other:
        raise InvalidInput("the two digests are the same: give those of two images")
    return one, other
