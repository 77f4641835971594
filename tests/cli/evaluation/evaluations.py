"""The content of an `evaluation.json`, and the pictures that it names."""

from __future__ import annotations

from PIL import Image


def estimate(value, low=None, high=None):
    return {"value": value, "low": value if low is None else low, "high": high or value}


def group(generator="second", by="kind", value="tiled", found=0.9):
    rates = {name: estimate(0.5) for name in ("auc", "tpr_at_1", "fpr", "accuracy")}
    rates |= {"tpr_at_5": estimate(found, found - 0.2, 1.0), "tpr": estimate(found / 2)}
    return {
        "generator": generator,
        "by": by,
        "value": value,
        "rates": {"clean": 1200, "marked": 34, "photos": 12, **rates},
    }


def evaluation(folder, **changes):
    """One whose worst images lie in the folder."""
    (folder / "worst").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (200, 10, 10)).save(folder / "worst" / "miss-00.jpg")
    worst = {
        "picture": "worst/miss-00.jpg",
        "probability": 0.0123,
        "name": "<b>one</b>.jpg",
        "photo": "p",
        "source": "here",
        "truth": "marked",
        "generator": "second",
        "kind": "corner",
        "opacity": 0.41,
        "width_ratio": 0.123,
    }
    alarm = {**worst, "truth": "clean", "generator": "", "kind": "", "opacity": None}
    return {
        "detector": {"name": "fake", "detector_id": "f" * 64},
        "images": 1234,
        "photos": 12,
        "goals": [
            {
                "words": "second: AUC",
                "target": 0.97,
                "at_least": True,
                "measured": estimate(0.9, 0.85, 0.95),
                "met": False,
            },
            {
                "words": "clean photos of here flagged",
                "target": 0.02,
                "at_least": False,
                "measured": estimate(0.01),
                "met": True,
            },
        ],
        "groups": [group("all", "all", "all"), group(), group(by="opacity", value="0.3-0.6")],
        "sources": [
            {"name": "here", "images": 100, "flagged": 1, "share": estimate(0.01, 0.0, 0.03)}
        ],
        "hard_negatives": [
            {"name": "second: frame", "images": 10, "flagged": 2, "share": estimate(0.2)}
        ],
        "curves": [
            {
                "generator": "second",
                "fpr": [0.0, 0.01, 0.5, 1.0],
                "tpr": [0.0, 0.6, 0.9, 1.0],
                "recall": [1.0, 0.6, 0.0],
                "precision": [0.5, 0.9, 1.0],
            }
        ],
        "reliability": [
            {
                "low": 0.0,
                "high": 0.1,
                "mean_probability": 0.05,
                "marked_share": 0.2,
                "images": 9,
            },
            {
                "low": 0.9,
                "high": 1.0,
                "mean_probability": 0.97,
                "marked_share": 0.9,
                "images": 9,
            },
        ],
        "threshold": 0.975,
        "fitting_threshold": 0.93854,
        "max_false_positive_ratio": 0.02,
        "worst": {
            "misses": [worst],
            "false_alarms": [{**alarm, "width_ratio": None}],
            "hard_negatives": [],
        },
        **changes,
    }
