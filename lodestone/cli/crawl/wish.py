"""Which crawl a person wants: a new one, one that goes on, or one that gets more sources."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lodestone.cli.crawl.source import chosen_sources
from lodestone.cli.errors import WrongUsage
from lodestone.crawler.v1.crawl_pb2 import CrawlLimits
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource
from lodestone.crawler.v1.crawler_service_pb2 import (
    AddCrawlSourcesRequest,
    CreateCrawlRequest,
    ResumeCrawlRequest,
)

CrawlRequest: TypeAlias = CreateCrawlRequest | ResumeCrawlRequest | AddCrawlSourcesRequest


@dataclass(frozen=True, slots=True)
class CrawlWish:
    """What the command line says of the crawl itself.

    Attributes:
        sources: As they were typed.
        profile: The profile that decides; empty of a crawl that there is.
        resume: The id of a crawl that is to go on; empty is none.
        add_to: The id of a crawl that the sources are added to; empty is none.
        limits: Of a new crawl.

    Raises:
        WrongUsage: It is not exactly one of the three.
    """

    sources: Sequence[str]
    profile: str
    resume: str
    add_to: str
    limits: CrawlLimits

    def __post_init__(self) -> None:
        limited = self.limits != CrawlLimits()
        if self.resume and (self.sources or self.profile or self.add_to or limited):
            raise WrongUsage(
                "--resume ID takes no sources, profile or limits: the crawl has its own"
            )
        if self.add_to and (self.profile or limited or not self.sources):
            raise WrongUsage(
                "--add-to ID takes SOURCE..., and no profile or limits: the crawl has them"
            )
        if not self.resume and not self.add_to and not (self.sources and self.profile):
            raise WrongUsage("a crawl needs SOURCE... and --profile NAME (or --resume ID)")

    def request(self, defaults: CrawlSource) -> CrawlRequest:
        """What the crawler is asked for.

        Args:
            defaults: How sources are listed that say nothing else themselves.

        Raises:
            WrongUsage: A source, or a file of them, is not understood.
        """
        if self.resume:
            return ResumeCrawlRequest(crawl_id=self.resume)
        chosen = chosen_sources(self.sources, defaults)
        if self.add_to:
            return AddCrawlSourcesRequest(crawl_id=self.add_to, crawl_sources=chosen)
        return CreateCrawlRequest(
            request_id=str(uuid.uuid4()),
            crawl_sources=chosen,
            profile=self.profile,
            limits=self.limits,
        )
