"""The fields that every post of Reddit has, whatever it is."""

from __future__ import annotations

import random
from typing import Any

_NULL = (
    *("approved_at_utc", "approved_by", "author_flair_background_color", "author_flair_css_class"),
    *("author_flair_template_id", "author_flair_text", "author_flair_text_color", "banned_at_utc"),
    *("banned_by", "category", "content_categories", "discussion_type", "distinguished", "likes"),
    *(
        "link_flair_background_color",
        "link_flair_css_class",
        "link_flair_text",
        "media",
        "mod_note",
    ),
    *("mod_reason_by", "mod_reason_title", "num_reports", "pwls", "removal_reason", "removed_by"),
    *("removed_by_category", "report_reasons", "secure_media", "suggested_sort"),
    *("thumbnail_height", "thumbnail_width", "top_awarded_type", "view_count", "wls"),
)
_NO = (
    *("allow_live_comments", "archived", "author_is_blocked", "author_patreon_flair"),
    *("author_premium", "can_gild", "can_mod_post", "clicked", "contest_mode", "edited", "hidden"),
    *("hide_score", "is_created_from_ads_ui", "is_meta", "is_original_content"),
    *("is_reddit_media_domain", "is_self", "is_video", "locked", "media_only", "no_follow"),
    *("pinned", "quarantine", "saved", "stickied", "visited"),
)
_YES = ("is_crosspostable", "is_robot_indexable", "send_replies")
_EMPTY_LISTS = (
    *("all_awardings", "author_flair_richtext", "awarders", "link_flair_richtext", "mod_reports"),
    *("treatment_tags", "user_reports"),
)
_EMPTY_OBJECTS = ("gildings", "media_embed", "secure_media_embed")
_ZERO = ("downs", "gilded", "total_awards_received")


def base_fields(rng: random.Random) -> dict[str, Any]:
    """A post without content, to be filled in."""
    score = int(rng.paretovariate(0.8))
    return {
        **dict.fromkeys(_NULL),
        **dict.fromkeys(_NO, False),
        **dict.fromkeys(_YES, True),
        **{name: [] for name in _EMPTY_LISTS},
        **{name: {} for name in _EMPTY_OBJECTS},
        **dict.fromkeys(_ZERO, 0),
        "author_flair_type": "text",
        "link_flair_text_color": "dark",
        "link_flair_type": "text",
        "num_comments": score // 3,
        "num_crossposts": 0,
        "score": score,
        "selftext": "",
        "subreddit_subscribers": rng.randint(10, 10**7),
        "subreddit_type": "public",
        "thumbnail": "default",
        "ups": score,
        "upvote_ratio": round(rng.uniform(0.5, 1.0), 2),
    }
