"""The README's live crawl, against a wiki on loopback."""

from __future__ import annotations

import io
import json
import re
import shlex

import pytest

from services.crawler.sources.commons import COMMONS_API
from tests.e2e.conftest import ROOT, Lodestone, graphic, hills
from tests.faithful.api_server import in_thread
from tests.faithful.commons_server import CommonsServer, WikiFile

pytestmark = pytest.mark.e2e


def documented():
    """The words behind `lodestone` of the README's `up` and `crawl`."""
    [block] = re.findall(
        r"```\n(lodestone up --contact .*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    return [shlex.split(line)[1:] for line in block.splitlines()]


UP, CRAWL = documented()


def encoded(image, kind="JPEG"):
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=88)
    return buffer.getvalue()


def files():
    """Nine hills by two people, the last of too many bytes; two graphics, a drawing and a file that is gone."""
    for number in range(9):
        metadata = {"Artist": f"<b>Painter {number % 2}</b>"}
        if number % 2:
            metadata["LicenseShortName"] = "Public domain"
        body = encoded(hills(300 + number))
        size = 16_000_000 if number == 8 else len(body)
        yield WikiFile(f"Hill {number}.jpg", added=number, metadata=metadata, bytes=body, size=size)
    for number in range(2):
        body = encoded(graphic(number), "PNG")
        yield WikiFile(f"Graphic {number}.png", added=20, mime="image/png", bytes=body)
    yield WikiFile("Map.svg", added=30, mime="image/svg+xml")
    yield WikiFile("Gone.jpg", added=31, is_missing=True)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory, pictures):
    """Lodestone, the wiki and the events, after the README's two commands word for word."""
    with in_thread(CommonsServer()) as wiki:
        wiki.categories["Category:Featured pictures of landscapes"] = list(files())
        folder = tmp_path_factory.mktemp("live")
        running = Lodestone(folder, *UP[1:], "--allow-address", f"127.0.0.1:{wiki.port}")
        running.environment["LODESTONE_CRAWLER_API_BASES"] = json.dumps({COMMONS_API: wiki.api})
        running.environment["LODESTONE_CRAWLER_MAX_BYTES"] = "15000000"
        running.start()
        try:
            running.ask("profile", "fit", "landscapes", str(pictures / "liked"))
            yield running, wiki, running.ask(*CRAWL)
        finally:
            running.stop()


def test_the_crawl_completes(crawled):
    """Every bitmap is settled; what is no bitmap, or gone, is counted and not fetched."""
    _, _, (_, *settled, last) = crawled
    assert last["crawl"]["state"] == "COMPLETED"
    names = {one["url"].rpartition("/")[2] for one in settled}
    assert names == {file.address for file in files() if file.bytes}


def test_kept_pictures_have_licence_and_author(crawled):
    """In their sidecars, with the page, the place and the facts of the wiki."""
    running, _, _ = crawled
    images = running.ask("images", "list", "--profile", "landscapes")
    assert len(images) >= 5
    for image in images:
        blob = running.data / "blobs" / image["digest"][:2] / image["digest"]
        listing = json.loads(blob.with_suffix(".json").read_text())["listing"]
        number = int(re.search(r"Hill_(\d)", listing["url"])[1])
        assert listing["author"] == f"Painter {number % 2}"
        assert listing["licence"] == ("Public domain" if number % 2 else "CC BY-SA 4.0")
        assert listing["title"] == f"Hill {number}"
        assert listing["source"] == CRAWL[1] == listing["community"]
        assert listing["page_url"].endswith(f"/wiki/File:Hill_{number}.jpg")
        facts = json.loads(listing["post_facts"])
        assert (facts["Credit"], facts["mime"]) == ("Own work", "image/jpeg")


def test_what_is_too_large_is_fetched_smaller(crawled):
    """The widest copy of an original that has more bytes than the crawler takes; of all others the original."""
    _, _, (_, *settled, _) = crawled
    copies = [one["url"] for one in settled if "/original/" not in one["url"]]
    assert len(copies) == 1
    assert copies[0].endswith("/thumb/3840px/Hill_8.jpg")


def test_the_wiki_was_told_who_asks(crawled):
    """Name and contact in every request."""
    _, wiki, _ = crawled
    agents = {asked.headers["user-agent"] for asked in wiki.asked}
    assert len(agents) == 1
    assert re.fullmatch(r"Lodestone/[0-9.]+ \(\+you@example\.org\)", agents.pop())


def test_sources_show_what_the_category_gave(crawled):
    """Its yield, under the name that was typed."""
    running, _, _ = crawled
    [source] = running.ask("sources")
    assert source["source"] == CRAWL[1]
    assert source["accepted_count"] == len(running.ask("images", "list"))
