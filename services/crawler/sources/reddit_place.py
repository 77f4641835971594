"""A place on Reddit: communities, a person's posts, or a person's list of communities."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.crawler.sources.source import BadSource

_COMMUNITY = re.compile(r"[a-z0-9_]{2,40}")
_USER = re.compile(r"[a-z0-9_-]{2,40}")
_MULTI = re.compile(r"[a-z0-9_]{1,50}")
_COMMUNITIES_MAX = 100


@dataclass(frozen=True, slots=True)
class RedditPlace:
    """A place, in small letters: Reddit does not tell them from capital ones.

    Attributes:
        kind: `r`, `u` or `m`.
        names: The communities in their order; the person; the person and the name of the list.
    """

    kind: str
    names: tuple[str, ...]

    @property
    def text(self) -> str:
        """The canonical form: `r/a+b`, `u/name` or `m/name/list`."""
        return f"{self.kind}/{('+' if self.kind == 'r' else '/').join(self.names)}"

    @property
    def path(self) -> str:
        """Where Reddit has it: `r/a+b`, `user/name/submitted` or `user/name/m/list`."""
        match self.kind:
            case "r":
                return self.text
            case "u":
                return f"user/{self.names[0]}/submitted"
        return f"user/{self.names[0]}/m/{self.names[1]}"


def read_place(source: str, text: str) -> RedditPlace:
    """Reads `r/NAME`, `r/A+B`, `u/NAME` or `m/USER/LIST`; slashes around it and the case do not matter.

    Raises:
        BadSource: It is none of them; `source` is the whole text.
    """
    match text.strip().strip("/").lower().split("/"):
        case ["r", joined]:
            names = tuple(sorted(set(joined.split("+"))))
            if len(names) <= _COMMUNITIES_MAX and all(map(_COMMUNITY.fullmatch, names)):
                return RedditPlace("r", names)
        case ["u" | "user", user] if _USER.fullmatch(user):
            return RedditPlace("u", (user,))
        case ["m", user, multi] | ["u" | "user", user, "m", multi]:
            if _USER.fullmatch(user) and _MULTI.fullmatch(multi):
                return RedditPlace("m", (user, multi))
    raise BadSource(source, "name a place on Reddit: r/NAME, r/A+B, u/NAME or m/USER/LIST")
