"""The four services as one small server of threads: the real contract, with answers that tests can foresee."""

from __future__ import annotations

from concurrent import futures

import grpc

from lodestone.crawler.v1.crawler_service_pb2_grpc import add_CrawlerServiceServicer_to_server
from lodestone.embedder.v1.embedder_service_pb2_grpc import add_EmbedderServiceServicer_to_server
from lodestone.novelty.v1.novelty_service_pb2_grpc import add_NoveltyServiceServicer_to_server
from lodestone.watermark.v1.watermark_service_pb2_grpc import (
    add_WatermarkServiceServicer_to_server,
)
from tests.cli.fake_crawler import FakeCrawler
from tests.cli.fake_embedder import FakeEmbedder
from tests.cli.fake_novelty import FakeNovelty
from tests.cli.fake_watermark import FakeWatermark


class FakeServices:
    """All four behind one address; a context manager.

    Attributes:
        address: `host:port`.
        embedder, novelty, watermark, crawler: The servicers.
    """

    def __init__(self):
        self.embedder = FakeEmbedder()
        self.novelty = FakeNovelty()
        self.watermark = FakeWatermark()
        self.crawler = FakeCrawler()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)],
        )
        add_EmbedderServiceServicer_to_server(self.embedder, self._server)
        add_NoveltyServiceServicer_to_server(self.novelty, self._server)
        add_WatermarkServiceServicer_to_server(self.watermark, self._server)
        add_CrawlerServiceServicer_to_server(self.crawler, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *error):
        self._server.stop(None).wait()
