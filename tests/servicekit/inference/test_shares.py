from __future__ import annotations

import pytest

from services.servicekit.inference import shares
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.shares import Shares


@pytest.mark.parametrize(
    ("threads", "instances", "expected"),
    [
        (8, 2, Shares(2, 8)),
        (2, 2, Shares(2, 2)),
        (1, 2, Shares(1, 1)),
        (3, 64, Shares(3, 3)),
        (4, 1, Shares(1, 4)),
    ],
)
def test_there_are_no_more_instances_than_threads(threads, instances, expected):
    """Which all of them have together."""
    assert Shares.of(BackendOptions(threads=threads, instances=instances)) == expected


@pytest.mark.parametrize(
    ("divided", "pool"),
    [(Shares(2, 2), 1), (Shares(2, 8), 7), (Shares(3, 3), 1), (Shares(1, 4), 4), (Shares(1, 0), 0)],
)
def test_each_instance_brings_the_thread_that_calls(divided, pool):
    """One of them is counted in the pool."""
    assert divided.pool == pool


@pytest.mark.parametrize(("cores", "expected"), [(1, Shares(1, 0)), (6, Shares(2, 6))])
def test_without_a_number_there_is_a_thread_for_each_core(monkeypatch, cores, expected):
    """A single instance leaves it to the runtime, which knows cores from hyper-threads."""
    for name in ("affine_cores", "usable_cores"):
        monkeypatch.setattr(shares, name, lambda: cores)
    assert Shares.of(BackendOptions(instances=2)) == expected
    assert Shares.of(BackendOptions()) == Shares(1, 0)


def test_a_quota_is_told_to_the_runtime(monkeypatch):
    """By itself it would make a thread for each core that it sees."""
    monkeypatch.setattr(shares, "affine_cores", lambda: 64)
    monkeypatch.setattr(shares, "usable_cores", lambda: 2)
    assert Shares.of(BackendOptions()) == Shares(1, 2)
    assert Shares.of(BackendOptions(instances=4)) == Shares(2, 2)
