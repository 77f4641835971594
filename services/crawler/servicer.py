"""CrawlerService: decodes requests, calls the domain, encodes answers; one file for each kind of rpc."""

from __future__ import annotations

from services.crawler.rpc.crawl_servicer import CrawlServicer
from services.crawler.rpc.distinct_servicer import DistinctServicer
from services.crawler.rpc.image_servicer import ImageServicer
from services.crawler.rpc.judge_servicer import JudgeServicer
from services.crawler.rpc.move_servicer import MoveServicer
from services.crawler.rpc.rejudge_servicer import RejudgeServicer
from services.crawler.rpc.score_servicer import ScoreServicer
from services.crawler.rpc.sink_servicer import SinkServicer
from services.crawler.rpc.source_servicer import SourceServicer


class CrawlerServicer(
    CrawlServicer,
    JudgeServicer,
    DistinctServicer,
    ImageServicer,
    MoveServicer,
    SourceServicer,
    ScoreServicer,
    RejudgeServicer,
    SinkServicer,
):
    """All rpcs of CrawlerService. A kind of rpc is added by one file and one name here."""
