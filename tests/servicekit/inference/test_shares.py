from __future__ import annotations

import os

import pytest

from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.shares import Shares


@pytest.mark.parametrize(
    ("threads", "instances", "expected"),
    [
        (8, 2, Shares(2, 4)),
        (7, 2, Shares(2, 3)),
        (2, 2, Shares(2, 1)),
        (1, 2, Shares(1, 1)),
        (3, 64, Shares(3, 1)),
        (4, 1, Shares(1, 4)),
    ],
)
def test_each_instance_has_its_threads(threads, instances, expected):
    """No more instances than threads."""
    assert Shares.of(BackendOptions(threads=threads, instances=instances)) == expected


@pytest.mark.parametrize(("cores", "expected"), [(1, Shares(1, 0)), (6, Shares(2, 3))])
def test_without_a_number_there_is_a_thread_for_each_core(monkeypatch, cores, expected):
    """A single instance leaves it to the runtime, which knows cores from hyper-threads."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert Shares.of(BackendOptions(instances=2)) == expected
    assert Shares.of(BackendOptions()) == Shares(1, 0)
