"""The goals of a taste beside what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from benchmarks.serving.goal import Goal
from benchmarks.tasting.trials import KEEP_RATIO

_AUC: Final = 0.99
_OTHERS_KEPT: Final = 0.03
_OFF: Final = 0.04
_INSIDE: Final = 0.9
_FALL: Final = 0.01
_SMALL_PROFILE: Final = 30
_LARGE_CPU_S: Final = 15 * 60.0
_LARGE_BYTES: Final = 4e9


def goals_of(measured: dict[str, Any]) -> list[Goal]:
    """The goals of what benchmarks/taste.py measures by default."""
    return [
        *_separation_goals("5 folds", measured["folds"]),
        *(
            goal
            for source, found in measured["sources"].items()
            for goal in _separation_goals(f"source {source} held out", found)
        ),
        *_calibration_goals("photos", measured["calibration_photos"]),
        *_calibration_goals("drawn", measured["calibration_drawn"]),
        *_calibration_goals("CLIP-shaped", measured["calibration_clustered"]),
        *_growth_goals(measured["growth_photos"], measured["growth_drawn"]),
        _degenerate(measured),
    ]


def goals_of_large(measured: dict[str, Any]) -> list[Goal]:
    """The goals of a fit to very many embeddings; CPU time, for wall times depend on what else a machine does."""
    goals = []
    for name in ("alone", "through_the_service"):
        parts = measured[name].values()
        cpu_s = sum(part["cpu_s"] for part in parts)
        peak_bytes = max(part["peak_rss_bytes"] for part in parts)
        goals += [
            _at_most(f"{name}: CPU seconds of all processes", _LARGE_CPU_S, cpu_s),
            _at_most(
                f"{name}: peak memory of the largest process, bytes", _LARGE_BYTES, peak_bytes
            ),
        ]
    return goals


def _separation_goals(name: str, found: dict[str, Any]) -> list[Goal]:
    return [
        Goal(
            name=f"{name}: AUC", goal=f">= {_AUC}", measured=found["auc"],
            interval=found["auc_interval"], met=found["auc"] >= _AUC, must=False,
        ),
        Goal(
            name=f"{name}: others kept at 95 % of liked", goal=f"<= {_OTHERS_KEPT}",
            measured=found["others_kept"], interval=found["others_kept_interval"],
            met=found["others_kept"] <= _OTHERS_KEPT, must=False,
        ),
    ]  # fmt: skip


def _calibration_goals(name: str, found: dict[str, Any]) -> list[Goal]:
    few = found["unseen"] <= found["liked"]
    shares = [("the stated interval", found["inside_stated_interval"], not few)]
    if few:
        # So few are often all kept, which no interval for a share under 1 holds.
        widened = f"the interval widened by the chance of {found['unseen']} unseen"
        shares.append((widened, found["inside_interval_for_so_few_unseen"], True))
    goals = [
        Goal(
            name=f"{name}: splits inside {interval}", goal=f">= {_INSIDE}", measured=inside,
            met=inside >= _INSIDE, must=must,
        )
        for interval, inside, must in shares
    ]  # fmt: skip
    # Fewer photos cannot keep 95 %, and their warning says what they keep.
    if found["liked"] >= _SMALL_PROFILE:
        off = abs(found["kept_mean"] - KEEP_RATIO)
        goals.append(_at_most(f"{name}: mean share kept, off the keep ratio", _OFF, off))
    return goals


def _growth_goals(photos: dict[int, float], drawn: dict[int, dict[str, Any]]) -> list[Goal]:
    of_drawn = {
        name: [one[name] for one in drawn.values()] for name in ("auc_of_photos", "auc_of_drawn")
    }
    falls = {
        f"photos, {_counts(photos)}": list(photos.values()),
        f"drawn, {_counts(drawn)}, against photos": of_drawn["auc_of_photos"],
        f"drawn, {_counts(drawn)}, against drawn": of_drawn["auc_of_drawn"],
    }
    return [
        _at_most(f"AUC lost as n grows: {name}", _FALL, _fall(aucs)) for name, aucs in falls.items()
    ]


def _degenerate(measured: dict[str, Any]) -> Goal:
    found = measured["clip_shaped"]
    count = sum(one["degenerate"] for one in found.values())
    return _at_most(f"degenerate fits, CLIP-shaped: {_counts(found)}", 0, count)


def _at_most(name: str, most: float, measured: float) -> Goal:
    return Goal(name=name, goal=f"<= {most:g}", measured=measured, met=measured <= most)


def _counts(found: Iterable[int]) -> str:
    return "/".join(str(count) for count in found)


def _fall(aucs: list[float]) -> float:
    """By how much a later one is under the best before it, at most."""
    return max(float(np.max(aucs[: index + 1])) - auc for index, auc in enumerate(aucs))
