from __future__ import annotations

from services.watermark.train.calibration import Calibration, Line
from services.watermark.train.evaluation import evaluate
from services.watermark.train.mark import MarkKind
from tests.watermark.train.judged import judged

PLAIN = Calibration(Line(1.0, 0.0), Line(1.0, 0.0), threshold=0.5)


def test_rates_are_by_kind_opacity_and_source():
    """Over ordinary photos; other sources only have counts."""
    images = [
        *(judged(-5.0 + index / 100) for index in range(100)),
        *(judged(4.0, MarkKind.TILED, opacity=0.8) for _ in range(10)),
        *(judged(-8.0 if index else 4.0, MarkKind.LOGO, opacity=0.2) for index in range(10)),
        *(judged(4.0, source="odd") for _ in range(3)),
        judged(-1.0, source="real", really_marked=True),
        judged(2.0, source="real", really_marked=True),
        *(judged(0.0, kind) for kind in MarkKind if kind not in (MarkKind.TILED, MarkKind.LOGO)),
        judged(4.0, MarkKind.CENTER, opacity=0.4),
        judged(4.0, MarkKind.CENTER, opacity=0.6),
    ]

    report = evaluate(images, PLAIN, shared_sources=["here"])

    tiled, logo = report["kinds"]["tiled"], report["kinds"]["logo"]
    assert (tiled["marked"], tiled["clean"], tiled["auc"]) == (10, 100, 1.0)
    assert tiled["tpr_at_1_percent_fpr"] == tiled["tpr_at_threshold"] == 1.0
    assert (logo["auc"], logo["tpr_at_5_percent_fpr"]) == (0.1, 0.1)
    assert report["opacities"]["0.15-0.3"]["marked"] == 10
    assert report["all"]["marked"] == 27
    assert report["all"]["fpr_at_threshold"] == 0.0
    assert report["sources"]["odd"] == {"clean": {"images": 3, "flagged": 3}}
    assert report["sources"]["real"] == {"real_marks": {"images": 2, "flagged": 1}}
    assert report["sources"]["here"]["tiled"] == {"images": 10, "flagged": 10}
