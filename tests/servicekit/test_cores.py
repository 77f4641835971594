from __future__ import annotations

import os

import pytest

from services.servicekit.cores import affine_cores, usable_cores


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.fixture
def system(tmp_path):
    """A function that writes what the kernel says: the process's groups, and quotas by group."""

    def write(groups, quotas):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for group, quota in quotas.items():
            folder = tmp_path / "sys/fs/cgroup" / group
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cpu.max").write_text(f"{quota}\n")
        return tmp_path

    return write


NONE = "max 100000"


@pytest.mark.parametrize(
    ("groups", "quotas", "expected"),
    [
        # As a container sees it.
        ("0::/\n", {".": "200000 100000"}, 2),
        ("0::/\n", {".": "150000 100000"}, 2),
        ("0::/\n", {".": "5000 100000"}, 1),
        ("0::/\n", {".": "1600000 100000"}, 8),
        ("0::/\n", {".": NONE}, 8),
        # As a unit of systemd does: the root has no quota, and a parent may have less.
        ("0::/a/b\n", {"a/b": "300000 100000", "a": NONE}, 3),
        ("0::/a/b\n", {"a/b": NONE, "a": "50000 50000"}, 1),
        # Another's quota, and another version.
        ("0::/a\n", {"b": "100000 100000"}, 8),
        ("1:cpu:/a\n0::/\n", {"a": "100000 100000"}, 8),
        ("1:cpu:/a\n", {"a": "100000 100000"}, 8),
    ],
)
def test_a_quota_of_the_processs_groups_counts(system, groups, quotas, expected):
    """The smallest, rounded up; without one all that the affinity names."""
    assert usable_cores(system(groups, quotas)) == expected
    assert affine_cores() == 8


def test_without_control_groups_the_affinity_counts(tmp_path):
    """Nothing is there to be read."""
    assert usable_cores(tmp_path) == 8
