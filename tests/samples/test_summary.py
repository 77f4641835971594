from __future__ import annotations

from lodestone.crawler.v1.crawl_pb2 import Listing, SettledListing
from lodestone.crawler.v1.judgement_pb2 import Judgement
from lodestone.image.v1.verdict_pb2 import VERDICT_ACCEPTED, VERDICT_OFF_PROFILE
from samples.site import SampleSite, SiteFile
from samples.site_plan import Kind
from samples.summary import goal_lines

ROOT = "http://127.0.0.1:8765/"


def test_goals_are_counted_by_photo(tmp_path):
    """A photo counts as found in any copy, once; two copies of it are a mistake."""
    files = (
        SiteFile("images/a one.jpg", Kind.HELD_BACK, "a"),
        SiteFile("images/a2.jpg", Kind.RESIZED_COPY, "a"),
        SiteFile("images/b.jpg", Kind.HELD_BACK, "b"),
        SiteFile("images/c.jpg", Kind.OTHER, "c"),
        SiteFile("images/d.jpg", Kind.OTHER, "d"),
    )
    kept = {"images/a%20one.jpg", "images/a2.jpg", "images/c.jpg"}
    settled = [
        SettledListing(
            listing=Listing(url=ROOT + path),
            judgement=Judgement(verdict=VERDICT_ACCEPTED if path in kept else VERDICT_OFF_PROFILE),
        )
        for path in (*kept, "images/b.jpg", "images/d.jpg")
    ]
    lines = goal_lines(settled, SampleSite(tmp_path, files), ROOT)
    assert [line.rpartition(":")[2].strip() for line in lines] == [
        "1 of 2", "1 of 2", "1", "0", "0 of 0",
    ]  # fmt: skip
