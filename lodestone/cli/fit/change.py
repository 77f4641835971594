"""How a version differs from the one before, in words and as facts."""

from __future__ import annotations

from typing import Any

from lodestone.cli.facts import profile_facts
from lodestone.cli.words import nats_text, share_text
from lodestone.novelty.v1.profile_pb2 import Profile

_BEFORE = ("name", "version", "threshold_nats", "expected_keep", "expected_pass", "liked_count")


def change_lines(before: Profile, after: Profile) -> list[str]:
    """Threshold and expected shares, each with what it was."""
    lines = [f"threshold {_threshold(after)}, before {_threshold(before)}"]
    if after.HasField("expected_keep"):
        was = _was(before, "expected_keep")
        lines.append(f"will keep {share_text(after.expected_keep)} of photos like the liked{was}")
    if after.HasField("expected_pass"):
        was = _was(before, "expected_pass")
        lines.append(f"and {share_text(after.expected_pass)} of a crawl like the background{was}")
    return lines


def change_facts(before: Profile) -> dict[str, Any]:
    """What a version was like, as far as another one may differ."""
    facts = profile_facts(before)
    return {name: facts[name] for name in _BEFORE}


def _threshold(profile: Profile) -> str:
    relative = " relative to the background" if profile.relative_to_background else ""
    return f"{nats_text(profile.threshold_nats)} nats{relative}"


def _was(before: Profile, name: str) -> str:
    if not before.HasField(name):  # type: ignore[arg-type] # one of two names
        return ""
    return f", before {getattr(before, name).expected:.1%}"
