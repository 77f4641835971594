"""What the `<meta>` elements of a page ask of those who read it."""

from __future__ import annotations

from dataclasses import dataclass

from services.crawler.fetch.opt_out import forbids_following, opt_out_of_meta
from services.crawler.sources.html_tags import Tag


@dataclass(slots=True)
class PageRules:
    """Collects them, a tag at a time.

    Attributes:
        opt_out: The first directive that asks us to leave the page alone; empty if none does.
        stays: Whether its links are not to be followed.
    """

    opt_out: str = ""
    stays: bool = False

    def read_tag(self, tag: Tag) -> None:
        """Takes over what a tag asks for, if it is a `<meta>` for all crawlers or for us."""
        name, content = (tag.attributes.get(word, "") for word in ("name", "content"))
        if tag.name == "meta" and name:
            self.opt_out = self.opt_out or opt_out_of_meta(name, content)
            self.stays = self.stays or forbids_following(name, content)

    @property
    def cause(self) -> str:
        """Why the page is left alone, one sentence; empty if it is not."""
        return f"it opts out: its <meta> says {self.opt_out}" if self.opt_out else ""
