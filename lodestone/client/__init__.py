"""The thin typed client: addresses, channels, and one small class per service."""

from __future__ import annotations

from lodestone.client.addresses import Addresses, BadAddress
from lodestone.client.backoff import Backoff
from lodestone.client.channel import connect
from lodestone.client.crawler import CrawlerClient
from lodestone.client.embedder import EmbedderClient
from lodestone.client.message_limit import MessageTooLarge
from lodestone.client.multiplexed_stream import MultiplexedStream, StreamClosed
from lodestone.client.novelty import NoveltyClient, ResultsMissing
from lodestone.client.service_client import ServiceUnreachable
from lodestone.client.tls_files import BadTlsFiles
from lodestone.client.transport import BadToken, Transport
from lodestone.client.watermark import WatermarkClient

__all__ = [
    "Addresses",
    "Backoff",
    "BadAddress",
    "BadTlsFiles",
    "BadToken",
    "CrawlerClient",
    "EmbedderClient",
    "MessageTooLarge",
    "MultiplexedStream",
    "NoveltyClient",
    "ResultsMissing",
    "ServiceUnreachable",
    "StreamClosed",
    "Transport",
    "WatermarkClient",
    "connect",
]
