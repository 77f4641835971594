"""The end of a sample run in words: what was found, and whether the right pictures were kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import unquote

from lodestone.crawler.v1.crawl_pb2 import SettledListing
from lodestone.image.v1.verdict_pb2 import VERDICT_ACCEPTED
from samples.site import SampleSite
from samples.site_plan import Kind

_COPIES = (
    Kind.RESIZED_COPY,
    Kind.RECOMPRESSED_COPY,
    Kind.EXACT_COPY,
    Kind.WATERMARKED_COPY,
    Kind.HELD_BACK,
)


def goal_lines(settled: Sequence[SettledListing], site: SampleSite, root: str) -> list[str]:
    """What became of each kind of file of the sample site, one line each.

    Args:
        settled: All listings of the crawl.
        site: What each file is.
        root: The site's address, ending in a slash.
    """
    kept = _kept_paths(settled, root)
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
    return [
        f"Held-back nature photos found:  {len(found)} of {len(held_back)}",
        f"Other pictures kept by mistake: {len(wrong)} of {len(other)}",
        f"Photos kept in two copies:      {len(twice)}",
        f"Copies of liked photos kept:    {len(liked_again)}",
        f"Watermarked copies kept:        {len(marked_kept)} of {len(marked)}",
    ]


def _kept_paths(settled: Sequence[SettledListing], root: str) -> set[str]:
    return {
        unquote(listing.listing.url.removeprefix(root))
        for listing in settled
        if listing.judgement.verdict == VERDICT_ACCEPTED
    }
