"""The page of a profile: what it promises, what it was learned from, and whether that belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lodestone.cli.pages.page import Card, Section, render
from lodestone.cli.pictures.drawing import css_colour, inline_svg
from lodestone.cli.pictures.histogram_picture import HistogramForm, draw_histogram
from lodestone.cli.pictures.map_picture import CAPTION, MAP_KINDS, count_points, draw_map
from lodestone.cli.profile.liked import LikedOverview
from lodestone.cli.profile.liked_ranking import RankedImage
from lodestone.cli.profile.map import TasteMap
from lodestone.cli.profile_words import learned_text, percent_text
from lodestone.cli.words import nats_text, reference
from lodestone.novelty.v1.profile_pb2 import Profile

_MOST_CARDS = 12

_LEAST_WORDS = Markup(
    "A photo that strayed into the folder widens the taste for everything like it. Each photo was scored by a mixture "
    "that had not seen it. The percentile says how many in a hundred of your photos score as low or lower. "
    "<code>lodestone profile refit --remove-image</code> makes a version without one that does not belong."
)
_MOST_WORDS = "What the profile has understood best, the best first."


@dataclass(frozen=True, slots=True)
class Report:
    """What a page is made of.

    Attributes:
        profile: The profile, with its log-likelihoods.
        rows: Its facts, each with what it is called.
        liked: What is known of its liked images.
        taste_map: The map; None if there is none.
    """

    profile: Profile
    rows: Sequence[tuple[str, str]]
    liked: LikedOverview
    taste_map: TasteMap | None


def write_report(report: Report, path: Path) -> None:
    """Writes the page: one file that asks for nothing from anywhere.

    Raises:
        OSError: It cannot be written.
    """
    profile = report.profile
    page = render(
        "profile_report.html.jinja",
        title=reference(profile),
        profile=profile,
        learned=f"A taste, {learned_text(profile)}, on {profile.create_time.ToDatetime():%Y-%m-%d}.",
        promises=_promises(profile),
        rows=report.rows,
        liked=report.liked,
        sections=typicality_sections(report.liked.ranked),
        histograms=_histograms(profile),
        map=_map(report),
    )
    path.write_text(page, encoding="utf-8")


def _promises(profile: Profile) -> list[Mapping[str, str]]:
    """The expected shares: the number, what it is of, and its interval."""
    shares = []
    if profile.HasField("expected_keep"):
        shares.append((profile.expected_keep, "of new photos like yours are kept"))
    if profile.HasField("expected_pass"):
        shares.append((profile.expected_pass, "of ordinary photos pass"))
    return [
        {
            "share": percent_text(share.expected),
            "of": words,
            "low": percent_text(share.low),
            "high": percent_text(share.high),
            "confidence": percent_text(share.confidence),
        }
        for share, words in shares
    ]


def typicality_sections(ranked: Sequence[RankedImage]) -> list[Section]:
    """Of images, least typical first: the least typical and the most typical ones; none stands in both."""
    pictured = any(image.jpeg for image in ranked)
    least = ranked[: min(_MOST_CARDS, (len(ranked) + 1) // 2)]
    most = ranked[len(least) :][: -_MOST_CARDS - 1 : -1]
    groups = (
        ("The least typical of your photos: do these belong?", _LEAST_WORDS, least),
        ("The most typical", _MOST_WORDS, most),
    )
    return [
        Section(heading, _cards(images), words, pictured=pictured)
        for heading, words, images in groups
        if images
    ]


def _cards(images: Sequence[RankedImage]) -> list[Card]:
    return [
        Card(
            name=image.name,
            note=_note(image),
            jpeg=image.jpeg,
            mark="" if image.passes else "bad",
        )
        for image in images
    ]


def _note(image: RankedImage) -> str:
    note = f"percentile {image.percentile:.1f}, {image.log_likelihood:,.2f} nats"
    return (
        note
        if image.passes
        else f"{note}: under the threshold, so a new photo like it would not pass"
    )


def _histograms(profile: Profile) -> list[Markup]:
    """One for wide and one for narrow windows."""
    liked, background = profile.held_out_log_likelihoods, profile.background_log_likelihoods
    alternative = (
        f"Histogram of log-likelihoods: {_passing(liked, profile.threshold_nats)} liked photos and "
        f"{_passing(background, profile.threshold_nats)} ordinary ones are at or over the threshold of "
        f"{nats_text(profile.threshold_nats)} nats."
    )
    return [
        _inline(draw_histogram(profile, form), name=kind, alternative=alternative, kind=kind)
        for kind, form in (("wide", HistogramForm.WIDE), ("narrow", HistogramForm.NARROW))
    ]


def _passing(scores: Sequence[float], threshold_nats: float) -> str:
    return f"{sum(score >= threshold_nats for score in scores):,} of {len(scores):,}"


def _map(report: Report) -> dict[str, Any] | None:
    if report.taste_map is None:
        return None
    points, threshold_nats = report.taste_map.points, report.profile.threshold_nats
    legend = []
    for kind in reversed(MAP_KINDS):
        count, passing = count_points(points, kind.role, threshold_nats)
        if count:
            words = f"{kind.words}: {count:,}, of which {passing:,} pass"
            legend.append({"colour": css_colour(kind.colour), "sign": kind.sign, "words": words})
    drawn = draw_map(report.profile, points, report.liked.thumbnails, headed=False)
    alternative = "Map: " + "; ".join(entry["words"] for entry in legend)
    svg = _inline(drawn, name="map", alternative=alternative, kind="map")
    return {"svg": svg, "legend": legend, "caption": CAPTION, "lacking": report.taste_map.lacking}


def _inline(figure: Any, *, name: str, alternative: str, kind: str) -> Markup:
    """Our own drawing, whose texts are escaped already."""
    return Markup(inline_svg(figure, name=name, alternative=alternative, kind=kind))  # noqa: S704
