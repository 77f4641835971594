"""What there is to say of a profile, as rows of a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lodestone.cli.facts import profile_facts
from lodestone.cli.words import count_of, minute_text, nats_text, share_text
from lodestone.novelty.v1.profile_pb2 import Profile


def shown_facts(profile: Profile) -> dict[str, Any]:
    """All facts with the log-likelihoods, and which shares of them pass."""
    liked, background = profile.held_out_log_likelihoods, profile.background_log_likelihoods
    return {
        **profile_facts(profile),
        "held_out_pass_ratio": _passing_share(liked, profile.threshold_nats),
        "background_pass_ratio": _passing_share(background, profile.threshold_nats),
        "held_out_log_likelihoods": list(liked),
        "background_log_likelihoods": list(background),
    }


def profile_rows(profile: Profile) -> list[tuple[str, str]]:
    """What it is called, and what it is; for people."""
    facts = shown_facts(profile)

    def percent(name: str) -> str:
        return "–" if facts[name] is None else f"{facts[name]:.1%} pass"

    relative = ", relative to the background" if profile.relative_to_background else ""
    return [
        ("threshold", f"{nats_text(profile.threshold_nats)} nats{relative} (at or over it passes)"),
        ("set to", aim_text(profile)),
        *_expectations(profile),
        ("liked", f"{profile.liked_count:,}; held out: {percent('held_out_pass_ratio')}"),
        ("background", f"{profile.background_count:,}; {percent('background_pass_ratio')}"),
        *_separations(profile),
        ("mixture", f"{count_of(profile.component_count, 'component')}, {facts['covariance']}"),
        (
            "encoder",
            f"{profile.encoder_id[:12]}…, {facts['precision']}, {profile.dimension} coordinates",
        ),
        ("fitted", minute_text(profile.create_time)),
    ]


def aim_text(profile: Profile) -> str:
    """What its threshold was set to, and what a refit sets it to unless something else is stated."""
    if profile.keep_ratio:
        return f"keep {profile.keep_ratio:.0%} of liked photos"
    if profile.pass_ratio:
        return f"let {profile.pass_ratio:.3g} of the background pass"
    return "the threshold that was stated"


def _expectations(profile: Profile) -> list[tuple[str, str]]:
    """What to expect of the threshold; nothing for what the profile does not know."""
    rows = []
    if profile.HasField("expected_keep"):
        rows.append(("will keep", f"{share_text(profile.expected_keep)} of photos like the liked"))
    if profile.HasField("expected_pass"):
        rows.append(
            ("will pass", f"{share_text(profile.expected_pass)} of a crawl like the background")
        )
    return rows


def _separations(profile: Profile) -> list[tuple[str, str]]:
    if not profile.HasField("separation"):
        return []
    nearest = profile.neighbour_separation
    return [("AUC", f"{profile.separation:.3f}; of the 5 nearest liked photos: {nearest:.3f}")]


def _passing_share(scores: Sequence[float], threshold_nats: float) -> float | None:
    return sum(one >= threshold_nats for one in scores) / len(scores) if scores else None
