"""The end of a sample run in words: what was found, and whether the right pictures were kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from lodestone.cli.words import count_of, one_line, spoken, word
from lodestone.crawler.v1.crawl_pb2 import SettledListing
from lodestone.crawler.v1.outcome_pb2 import OUTCOME_REASON_TOO_SMALL, OutcomeReason
from lodestone.image.v1.verdict_pb2 import VERDICT_ACCEPTED, VERDICT_WATERMARKED, Verdict
from samples.site import SampleSite, SiteFile
from samples.site_plan import Kind

_COPIES = (
    Kind.RESIZED_COPY,
    Kind.RECOMPRESSED_COPY,
    Kind.EXACT_COPY,
    Kind.WATERMARKED_COPY,
    Kind.HELD_BACK,
)


def goal_lines(settled: Sequence[SettledListing], site: SampleSite, root: str) -> list[str]:
    """What became of each kind of file of the sample site, one line each, and why held-back photos were missed.

    Args:
        settled: All listings of the crawl.
        site: What each file is.
        root: The site's address, ending in a slash.
    """
    kept = _paths(settled, root, VERDICT_ACCEPTED)
    files = {file.path: file for file in site.files}
    found = {files[path].made_from for path in kept if files[path].kind in _COPIES}
    twice = [
        name
        for name, count in Counter(files[path].made_from for path in kept).items()
        if count > 1 and name is not None
    ]
    held_back = [file for file in site.files if file.kind is Kind.HELD_BACK]
    other = [file for file in site.files if file.kind is Kind.OTHER]
    wrong = [file for file in other if file.path in kept]
    liked_again = [path for path in kept if files[path].kind is Kind.LIKED_COPY]
    marked = [file for file in site.files if file.kind is Kind.WATERMARKED_COPY]
    marked_kept = [file for file in marked if file.path in kept]
    seen_marked = _paths(settled, root, VERDICT_WATERMARKED).intersection(
        file.path for file in marked
    )
    return [
        f"Held-back nature photos found:  {len(found)} of {len(held_back)}",
        *_missed_lines([file for file in held_back if file.made_from not in found], settled, root),
        f"Other pictures kept by mistake: {len(wrong)} of {len(other)}",
        f"Photos kept in two copies:      {len(twice)}",
        f"Copies of liked photos kept:    {len(liked_again)}",
        f"Watermarked copies kept:        {len(marked_kept)} of {len(marked)}",
        f"  rejected for their watermark: {len(seen_marked)}",
    ]


def news_line(settled: Sequence[SettledListing], new_count: int) -> str:
    """How many pictures the crawl added to those that were kept before it."""
    news = count_of(new_count, "new picture")
    if new_count == 0 and settled and all(listing.known for listing in settled):
        return f"{news}: everything was known"
    return f"{news} kept"


def hint_lines(settled: Sequence[SettledListing]) -> list[str]:
    """What to try where much was lost: for now, pictures that are too small."""
    small = sum(one.outcome.reason == OUTCOME_REASON_TOO_SMALL for one in settled)
    if not small:
        return []
    what = f"{count_of(small, 'picture')} of {len(settled):,} too small"
    way_out = "LODESTONE_CRAWLER_MIN_PIXELS=0 in front of the same command takes any size"
    return [f"{what} (under 1280x1024 pixels, if not set otherwise): {way_out}"]


def _missed_lines(
    missed: Sequence[SiteFile], settled: Sequence[SettledListing], root: str
) -> Iterator[str]:
    """Each photo with the verdict against it and the sentence of that gate: its score and the threshold."""
    by_path = {_path(listing, root): listing for listing in settled}
    for file in missed:
        listing = by_path.get(file.path)
        why = _why_not_kept(listing) if listing else "the crawl did not come to it"
        yield f"  missed {file.made_from}: {why}"


def _why_not_kept(listing: SettledListing) -> str:
    if listing.HasField("judgement"):
        verdict = spoken(word(Verdict, listing.judgement.verdict))
        return one_line(f"{verdict}, {listing.judgement.reason}")
    reason = spoken(word(OutcomeReason, listing.outcome.reason))
    return one_line(f"{reason}, {listing.outcome.message}")


def _paths(settled: Sequence[SettledListing], root: str, verdict: Verdict.ValueType) -> set[str]:
    return {_path(listing, root) for listing in settled if listing.judgement.verdict == verdict}


def _path(listing: SettledListing, root: str) -> str:
    return unquote(listing.listing.url.removeprefix(root))
