"""CrawlerService: decodes requests, calls the domain, encodes answers; one file for each kind of rpc."""

from __future__ import annotations

from services.crawler.crawl_servicer import CrawlServicer
from services.crawler.image_servicer import ImageServicer
from services.crawler.judge_servicer import JudgeServicer
from services.crawler.rejudge_servicer import RejudgeServicer
from services.crawler.score_servicer import ScoreServicer
from services.crawler.source_servicer import SourceServicer


class CrawlerServicer(
    CrawlServicer, JudgeServicer, ImageServicer, SourceServicer, ScoreServicer, RejudgeServicer
):
    """All rpcs of CrawlerService. A kind of rpc is added by one file and one name here."""
