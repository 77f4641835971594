"""What hosts want to know of us before they list anything."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys and tokens, never shown; each is empty if none is configured. The settings have the same names.

    Attributes:
        reddit_client_id: Of an application of Reddit's, type `script` or `web`.
        reddit_client_secret: The same application's.
        reddit_feed_user: Whose private feeds `reddit-rss:` may use, which are asked more often.
        reddit_feed_token: The `feed=` of those feeds (https://www.reddit.com/prefs/feeds/).
        flickr_key: Of an application of Flickr's.
        imgur_client_id: Of an application of imgur's.
    """

    reddit_client_id: str = field(default="", repr=False)
    reddit_client_secret: str = field(default="", repr=False)
    reddit_feed_user: str = field(default="", repr=False)
    reddit_feed_token: str = field(default="", repr=False)
    flickr_key: str = field(default="", repr=False)
    imgur_client_id: str = field(default="", repr=False)
