"""The same taste with another threshold."""

from __future__ import annotations

from dataclasses import replace

from services.novelty.fit.fit_warnings import warnings_for
from services.novelty.fit.threshold_rule import ThresholdRule
from services.novelty.profile import Taste


def with_threshold(taste: Taste, rule: ThresholdRule) -> Taste:
    """Returns the taste with the threshold that a rule gives; the taste itself if it has that threshold.

    Shares are taken of the scores that the taste keeps, at most 2,000 of either kind.

    Raises:
        NoBackground: A pass ratio without a background sample.
        InvalidInput: No rule is stated.
    """
    if rule == ThresholdRule.of(taste):
        return taste
    threshold_nats = rule.threshold_nats_of(
        taste.held_out_log_likelihoods,
        taste.background_log_likelihoods,
        is_relative=taste.mixture.background is not None,
    )
    if threshold_nats == taste.threshold_nats:
        return taste
    other = replace(
        taste,
        threshold_nats=threshold_nats,
        keep_ratio=rule.keep_ratio,
        pass_ratio=rule.pass_ratio,
    )
    return replace(other, warnings=warnings_for(other) + _only_known_then(taste))


def _only_known_then(taste: Taste) -> tuple[str, ...]:
    """What an older release said when it fitted the taste, and cannot be said from what is stored of it."""
    known = warnings_for(taste)
    return tuple(sentence for sentence in taste.warnings if sentence not in known)
