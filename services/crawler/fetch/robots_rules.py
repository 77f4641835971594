"""What a host's robots.txt says to us (RFC 9309)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from protego import Protego

from services.crawler.fetch.opt_out import PRODUCT_TOKEN
from services.crawler.fetch.url import WebUrl

# RFC 9309, 2.5: at least 500 KiB must be read; what comes after is not.
ROBOTS_MAX_BYTES = 512 * 1024
CRAWL_DELAY_MAX_S = 3_600.0

# Trying all rules on an address takes up to 0.3 ns for each byte of those with wildcards × character of the address,
# and 10 ms for 500 kB of those without (protego 0.7.0, measured).
_COST_PER_BYTE = 40
QUICK_COST_MAX = 10_000_000
_COST_MAX = 400_000_000

# As generous as the parser: with and without hyphen and colon.
_AGENT_LINE = re.compile(
    r"^[^\S\n]*user(?:-|[^\S\n]*)agent(?=[\s:])[^\S\n]*:?(?P<agent>[^\n#]*)",
    re.IGNORECASE | re.MULTILINE,
)
_TOKEN = re.compile(r"[a-z_-]+")


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """The rules of one origin.

    Attributes:
        status: The HTTP status of robots.txt.
        fetch_time: When it was fetched, seconds since 1970.
        crawl_delay_s: Seconds between requests that it asks for, at most an hour; 0 if it asks for none.
        rules: What it says; None if there is none, which allows everything.
        size_bytes: How much of it was read.
        wildcard_bytes: How much of that are rules with wildcards, for whichever crawler.
    """

    status: int
    fetch_time: float
    crawl_delay_s: float = 0.0
    rules: Protego | None = None
    size_bytes: int = 0
    wildcard_bytes: int = 0

    @classmethod
    def parse(cls, body: bytes, *, status: int, fetch_time: float) -> Self:
        """Reads a robots.txt; what cannot be read in it says nothing."""
        body = body[:ROBOTS_MAX_BYTES]
        lines = body.decode("utf-8-sig", errors="replace").splitlines()
        text = _AGENT_LINE.sub(_name_agent, "\n".join(lines))
        rules = Protego.parse(text)
        return cls(status, fetch_time, _crawl_delay(rules), rules, len(body), _wildcard_bytes(text))

    def cost(self, url: WebUrl) -> int:
        """What `permits` takes at most: up to `QUICK_COST_MAX` that is some milliseconds."""
        return _COST_PER_BYTE * self.size_bytes + self.wildcard_bytes * len(url.text)

    def is_too_long_for(self, url: WebUrl) -> bool:
        """Whether trying the rules on a URL would take over a tenth of a second or two."""
        return self.cost(url) > _COST_MAX

    def permits(self, url: WebUrl) -> bool:
        """Whether we may ask for a URL of this origin."""
        return self.rules is None or bool(self.rules.can_fetch(url.text, PRODUCT_TOKEN))


def _name_agent(line: re.Match[str]) -> str:
    """Finds us by our product token, whatever version stands behind it, and gives all other crawlers one name.

    The parser compares whole words, and its time grows with crawlers × rules: 20,000 of each took over a minute
    (protego 0.7.0, measured).
    """
    agent = line["agent"].strip().lower()
    token = _TOKEN.match(agent)
    if token is not None and token[0] == PRODUCT_TOKEN:
        return f"User-agent: {PRODUCT_TOKEN}"
    return "User-agent: *" if agent == "*" else "User-agent: another-crawler"


def _wildcard_bytes(text: str) -> int:
    rules = (
        line for line in text.split("\n") if "*" in line and not line.startswith("User-agent:")
    )
    return sum(len(line) for line in rules)


def _crawl_delay(rules: Protego) -> float:
    delay_s = rules.crawl_delay(PRODUCT_TOKEN) or 0.0
    rate = rules.request_rate(PRODUCT_TOKEN)
    if rate is not None and rate.requests > 0:
        delay_s = max(delay_s, rate.seconds / rate.requests)
    # Written so that NaN gives 0.
    return min(delay_s, CRAWL_DELAY_MAX_S) if delay_s > 0 else 0.0
