"""An evaluation in words: the rows of its tables, and what stands under its pictures."""

from __future__ import annotations

from typing import Any

GOAL_COLUMNS = ("goal", ">target", ">measured", ">95% interval", "met")
GROUP_COLUMNS = (
    *("marks of", "by", "which", ">marked", ">clean", ">AUC", ">TPR at 1% FPR", ">at 5% FPR"),
    *(">TPR over threshold", ">FPR", ">accuracy"),
)
FLAGGED_COLUMNS = ("images without a mark", ">images", ">flagged", ">share", ">95% interval")


def goal_rows(evaluation: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each goal, as `GOAL_COLUMNS`."""
    return [
        (
            goal["words"],
            f"{'≥' if goal['at_least'] else '≤'} {goal['target']:g}",
            f"{goal['measured']['value']:.3f}",
            interval(goal["measured"]),
            "yes" if goal["met"] else "no",
        )
        for goal in evaluation["goals"]
    ]


def group_rows(evaluation: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each group, as `GROUP_COLUMNS`."""
    rows = []
    for group in evaluation["groups"]:
        rates = group["rates"]
        keys = ("auc", "tpr_at_1", "tpr_at_5", "tpr", "fpr", "accuracy")
        names = (group["generator"], group["by"], group["value"])
        counts = (f"{rates['marked']:,}", f"{rates['clean']:,}")
        rows.append((*names, *counts, *(f"{rates[key]['value']:.3f}" for key in keys)))
    return rows


def flagged_rows(evaluation: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each source of clean photos, then for each kind of hard negative, as `FLAGGED_COLUMNS`."""
    lists = (("clean", evaluation["sources"]), ("hard negatives", evaluation["hard_negatives"]))
    return [
        (
            f"{what}, {one['name']}",
            f"{one['images']:,}",
            f"{one['flagged']:,}",
            f"{one['share']['value']:.1%}",
            interval(one["share"]),
        )
        for what, found in lists
        for one in found
    ]


def interval(estimate: dict[str, float]) -> str:
    """`0.912 to 0.953`."""
    return f"{estimate['low']:.3f} to {estimate['high']:.3f}"


def threshold_sentence(evaluation: dict[str, Any]) -> str:
    """Which threshold the detector has, and which would fit these photos."""
    ratio, fitting = evaluation["max_false_positive_ratio"], evaluation["fitting_threshold"]
    return (
        f"An image over {evaluation['threshold']:g} is flagged. A threshold of {fitting:.4g} would flag "
        f"at most {ratio:.1%} of these clean images."
    )


def worst_note(entry: dict[str, Any]) -> str:
    """What a picture of the worst is: `0.012; second: corner, opacity 0.41, width 12%`."""
    words = [entry["truth"] if entry["truth"] != "marked" else "", entry["kind"]]
    if entry["opacity"] is not None:
        words.append(f"opacity {entry['opacity']:.2f}")
    if entry["width_ratio"] is not None:
        words.append(f"width {entry['width_ratio']:.0%}")
    said = ", ".join(filter(None, words)).replace("_", " ")
    made = f"{entry['generator']}: " if entry["generator"] else ""
    return f"{entry['probability']:.3f}; {made}{said}"
