"""Short forms for the tables: what a resolution comes to when questions are answered from a dictionary."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qsl, urlsplit

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.resolution import Answer, Unanswered


def url_texts(images):
    return [image.url.text for image in images.images]


def resolved(resolve, address):
    """The addresses that need no question; None if the resolver does not know the address."""
    resolution = resolve(parse_url(address))
    return None if resolution is None else url_texts(resolution)


class Answers:
    """Answers by address; what it does not know is a 404, and every question is remembered."""

    def __init__(self, **bodies):
        self.bodies = bodies
        self.asked = []

    async def __call__(self, ask):
        self.asked.append(ask.kind.value)
        assert ask.kind.key_host in ("", ask.url.host)
        body = self.bodies.get(ask.kind.value)
        body = body(ask.url.text) if callable(body) else body
        if body is None:
            raise Unanswered(ask.url, "HTTP 404")
        text = body if isinstance(body, str) else json.dumps(body)
        return Answer(
            ask.url, text, "text/html" if ask.kind.value == "PAGE" else "application/json"
        )

    def images(self, resolution):
        return asyncio.run(follow(resolution, self))


def query(address):
    return dict(parse_qsl(urlsplit(address).query))
