"""A post: what a source publishes in one go, with no image, one or many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.crawler.resolvers.resolution import Resolution


@dataclass(frozen=True, slots=True)
class PostFlags:
    """What a post, or any post that it is a crosspost of, is marked as."""

    over_18: bool = False
    is_video: bool = False
    is_removed: bool = False
    is_spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Post:
    """A post as its source lists it; each of its images becomes a listing. A file or a row of URLs is a post too.

    Attributes:
        url: What it stands for, listed as it is if `images` says nothing; empty if only `images` counts.
        images: Where its images are, or what to ask for to know; None if `url` is the image.
        post_id: The source's own name for it; empty if it gives none.
        time: When it was published, seconds since 1970; None if the source does not say.
        title: One line; may be empty.
        author: Who published it, as the source names them; may be empty.
        page_url: The page that shows it; may be empty.
        licence: As the source states it, for example `CC BY-SA 4.0`; empty if it states none.
        flair: The label that its community gave it; may be empty.
        community: Where it was published, as a source: `reddit:r/EarthPorn`; empty if there is no such place.
        parents: The communities of the posts that it is a crosspost of.
        flags: What it is marked as.
        facts: What the source says of it, to be kept with its images: JSON values under the source's own names.
    """

    url: str = ""
    images: Resolution | None = None
    post_id: str = ""
    time: float | None = None
    title: str = ""
    author: str = ""
    page_url: str = ""
    licence: str = ""
    flair: str = ""
    community: str = ""
    parents: tuple[str, ...] = ()
    flags: PostFlags = PostFlags()
    facts: Mapping[str, object] = field(default_factory=dict)
