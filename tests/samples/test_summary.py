from __future__ import annotations

from lodestone.crawler.v1.crawl_pb2 import Listing, SettledListing
from lodestone.crawler.v1.judgement_pb2 import Judgement
from lodestone.crawler.v1.outcome_pb2 import (
    OUTCOME_REASON_NOT_FOUND,
    OUTCOME_REASON_TOO_SMALL,
    OUTCOME_STATE_FAILED,
    Outcome,
)
from lodestone.image.v1.verdict_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    VERDICT_OFF_PROFILE,
    VERDICT_WATERMARKED,
)
from samples.site import SampleSite, SiteFile
from samples.site_plan import Kind
from samples.summary import goal_lines, hint_lines, news_line

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
            judgement=Judgement(
                verdict=VERDICT_ACCEPTED if path in kept else VERDICT_OFF_PROFILE,
                reason="3 nats is under 5",
            ),
        )
        for path in (*kept, "images/b.jpg", "images/d.jpg")
    ]
    lines = goal_lines(settled, SampleSite(tmp_path, files), ROOT)
    assert lines.pop(1) == "  missed b: off profile, 3 nats is under 5"
    assert [line.rpartition(":")[2].strip() for line in lines] == [
        "1 of 2", "1 of 2", "1", "0", "0 of 0", "0",
    ]  # fmt: skip


def test_a_held_back_photo_that_could_not_be_fetched_is_missed_with_the_reason(tmp_path):
    """The outcome's sentence; one that the crawl has not settled is told apart."""
    files = tuple(SiteFile(f"images/{name}.jpg", Kind.HELD_BACK, name) for name in "ab")
    outcome = Outcome(
        state=OUTCOME_STATE_FAILED,
        reason=OUTCOME_REASON_NOT_FOUND,
        message="the server answered 404",
    )
    settled = [SettledListing(listing=Listing(url=ROOT + "images/a.jpg"), outcome=outcome)]
    assert goal_lines(settled, SampleSite(tmp_path, files), ROOT)[:3] == [
        "Held-back nature photos found:  0 of 2",
        "  missed a: not found, the server answered 404",
        "  missed b: the crawl did not come to it",
    ]


def test_watermarked_copies_are_counted_by_what_they_were_rejected_for(tmp_path):
    """A gate before the detector may have turned them away, which says nothing of the detector."""
    verdicts = {
        "a": VERDICT_WATERMARKED,
        "b": VERDICT_WATERMARKED,
        "c": VERDICT_DUPLICATE,
        "d": VERDICT_ACCEPTED,
        "other": VERDICT_WATERMARKED,
    }
    files = (
        *(SiteFile(f"images/{name}.jpg", Kind.WATERMARKED_COPY, name) for name in "abcd"),
        SiteFile("images/other.jpg", Kind.OTHER, "other"),
    )
    settled = [
        SettledListing(
            listing=Listing(url=f"{ROOT}images/{name}.jpg"), judgement=Judgement(verdict=verdict)
        )
        for name, verdict in verdicts.items()
    ]
    assert goal_lines(settled, SampleSite(tmp_path, files), ROOT)[-2:] == [
        "Watermarked copies kept:        1 of 4",
        "  rejected for their watermark: 2",
    ]


def test_the_news_are_counted_and_a_second_run_has_none():
    """Only where every listing was known is that the reason."""
    known, fresh = SettledListing(known=True), SettledListing()
    assert news_line([fresh, known], 1) == "1 new picture kept"
    assert news_line([known, known], 0) == "0 new pictures: everything was known"
    assert news_line([fresh, known], 0) == "0 new pictures kept"
    assert news_line([], 0) == "0 new pictures kept"


def test_pictures_that_are_too_small_get_a_hint():
    """How many, and what takes them; silence where none is."""
    small = SettledListing(outcome=Outcome(reason=OUTCOME_REASON_TOO_SMALL))
    [line] = hint_lines([small, SettledListing(), small])
    assert line.startswith("2 pictures of 3 too small")
    assert line.endswith(
        "LODESTONE_CRAWLER_MIN_PIXELS=0 in front of the same command takes any size"
    )
    assert hint_lines([SettledListing()]) == []
