from __future__ import annotations

import pytest

from benchmarks.watermark import measure, report_of


async def test_the_network_alone_and_the_stream_are_measured():
    """On a real server process, by the clock and by CPU time."""
    measured = await measure(8, 1)

    assert measured["detector"] == "quadrant-tiles"
    for way in ("network", "stream"):
        assert measured[way]["per_wall_s"] > 0
        assert measured[way]["per_cpu_s"] > 0


@pytest.mark.parametrize(("per_cpu_s", "met"), [(12.4, False), (12.5, True), (20.0, True)])
def test_the_goal_is_of_two_cores(per_cpu_s, met):
    """25 images in a second of both: 12.5 in a CPU-second."""
    rates = {"per_wall_s": 1.0, "per_cpu_s": per_cpu_s}
    report = report_of({"network": {**rates, "per_cpu_s": 2 * per_cpu_s}, "stream": rates})

    assert report["goal_met"] is met
    assert report["ratio"] == 0.5
