from __future__ import annotations

from services.crawler.sinks.delivery_limits import DeliveryLimits


def test_waits_double_up_to_an_hour_with_jitter():
    """Drawn from the upper half of a bound, so that crawlers do not come back at once."""
    limits = DeliveryLimits()
    for failures, bound_s in ((1, 1.0), (2, 2.0), (10, 512.0), (13, 3_600.0), (10_000, 3_600.0)):
        drawn = {limits.wait_s(failures) for _ in range(50)}
        assert bound_s / 2 <= min(drawn) < max(drawn) <= bound_s
    assert 5.0 <= limits.wait_s(1, first_s=10.0) <= 10.0
