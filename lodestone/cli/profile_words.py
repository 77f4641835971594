"""What a profile promises, in words for people who have not read how it is made."""

from __future__ import annotations

from lodestone.cli.words import count_of
from lodestone.novelty.v1.profile_pb2 import Profile, ShareEstimate


def percent_text(share: float) -> str:
    """A share as a person says it: `92%`, `2.3%`, `0.04%`, `99.9%`; all and nothing only where it is."""
    percent = 100 * share
    if percent in (0, 100):
        return f"{percent:.0f}%"
    if percent < 1:
        return f"{percent:.1g}%"
    if percent < 10 or percent > 99:
        return f"{percent:.1f}%" if percent < 99.95 else "over 99.9%"
    return f"{percent:.0f}%"


def plain_share(share: ShareEstimate) -> str:
    """`92% (73% to 99.9%)`."""
    low, high = percent_text(share.low), percent_text(share.high)
    return f"{percent_text(share.expected)} ({low} to {high})"


def promise_lines(profile: Profile) -> list[str]:
    """What passes of photos like the liked ones, and of ordinary ones, and what the brackets mean; a sentence each."""
    lines = []
    if profile.HasField("expected_keep"):
        lines.append(f"Keeps {plain_share(profile.expected_keep)} of photos like yours.")
    if profile.HasField("expected_pass"):
        lines.append(f"About {plain_share(profile.expected_pass)} of ordinary photos pass.")
    if lines:
        confidence = percent_text(profile.expected_keep.confidence or 0.95)
        lines.append(f"In brackets: with {confidence} confidence.")
    return lines


def learned_text(profile: Profile) -> str:
    """`learned from 18 liked photos, compared with 21 ordinary ones`."""
    text = f"learned from {count_of(profile.liked_count, 'liked photo')}"
    if profile.background_count:
        text += f", compared with {profile.background_count:,} ordinary ones"
    return text
