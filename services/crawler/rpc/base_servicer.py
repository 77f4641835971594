"""What the files of the servicer have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from lodestone.crawler.v1 import crawler_service_pb2_grpc
from services.crawler.catalogue.database import Database
from services.crawler.crawl.crawl_board import CrawlBoard
from services.crawler.judging.duplicate_search import DuplicateSearch
from services.crawler.judging.judging import Judging
from services.crawler.moving.exporting import Exporting
from services.crawler.moving.importing import Importing
from services.crawler.rejudging.distinguishing import Distinguishing
from services.crawler.rejudging.rejudging import Rejudging
from services.crawler.scores.score_reports import ScoreReports
from services.crawler.screen import Screen
from services.crawler.sinks.delivering import Delivering
from services.crawler.sources.registry import SourceRegistry
from services.crawler.store.blob_store import BlobStore
from services.crawler.store.purging import Purging

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class CrawlerParts:
    """What the servicer calls."""

    board: CrawlBoard
    judging: Judging
    duplicates: DuplicateSearch
    distinguishing: Distinguishing
    purging: Purging
    rejudging: Rejudging
    exporting: Exporting
    importing: Importing
    database: Database
    store: BlobStore
    screen: Screen
    sources: SourceRegistry
    score_reports: ScoreReports
    delivering: Delivering
    stream_idle_s: float


class BaseServicer(crawler_service_pb2_grpc.CrawlerServiceServicer):
    """Answers nothing by itself: each of its kinds has some of the rpcs of CrawlerService."""

    def __init__(self, parts: CrawlerParts) -> None:
        self._parts = parts
