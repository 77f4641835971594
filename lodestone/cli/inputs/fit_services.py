"""The services that a fit needs, and what it asks of the embedder."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lodestone.cli.image_files import Unreadable
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, crawler_client, embedder_client, novelty_client
from lodestone.cli.words import word
from lodestone.client import CrawlerClient, EmbedderClient, NoveltyClient
from lodestone.client.service_client import ServiceClient
from lodestone.embedder.v1.encoder_pb2 import Encoder
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.image.v1.image_pb2 import Image
from lodestone.image.v1.rejection_pb2 import RejectionCode


@dataclass(frozen=True, slots=True)
class FitServices:
    """The three clients of a fit, and where it reports."""

    output: Output
    embedder: EmbedderClient
    novelty: NoveltyClient
    crawler: CrawlerClient
    patience: Patience

    async def require_reachable(self, *, images: bool) -> None:
        """Passes if the services answer: the novelty service, and the two others if images take part.

        Raises:
            ServiceUnreachable: One does not.
        """
        clients: list[ServiceClient] = [self.embedder, self.novelty, self.crawler]
        for client in clients if images else [self.novelty]:
            await client.require_reachable()

    async def served(self) -> Encoder:
        """The encoder that the embedder serves."""
        await self.embedder.require_reachable()
        return await self.embedder.get_encoder()

    async def embed(self, encoded: bytes) -> Embedding | Unreadable:
        """The embedding of an image file's bytes, or why there is none."""
        result = await self.embedder.embed(Image(encoded=encoded))
        if result.HasField("rejection"):
            rejection = result.rejection
            return Unreadable(word(RejectionCode, rejection.code), rejection.reason)
        return result.value


@asynccontextmanager
async def fit_services(output: Output) -> AsyncIterator[FitServices]:
    """The clients of the services at the addresses of the environment; closed at the end."""
    patience = Patience("embedder", output.note)
    async with (
        embedder_client(on_wait=patience.on_wait) as embedder,
        novelty_client() as novelty,
        crawler_client() as crawler,
    ):
        yield FitServices(output, embedder, novelty, crawler, patience)


def kind_of_encoder(encoder: Encoder) -> Kind:
    """The kind of the embeddings that an encoder makes."""
    return Kind(encoder.encoder_id, encoder.precision, encoder.dimension)


async def digest_of(encoded: bytes) -> str:
    """The SHA-256 of an image file's bytes, 64 hex digits."""
    return await asyncio.to_thread(lambda: hashlib.sha256(encoded).hexdigest())
