from __future__ import annotations

import resource
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import structlog
from prometheus_client import CollectorRegistry

from services.embedder.cache.cache_user import CachePlace
from services.embedder.cache.embedding_cache import EmbeddingCache
from services.servicekit.computed import Computed
from services.servicekit.embedding import Precision
from tests.embedder.cache.embeddings import KIND, computed, digest

MB = 1_000_000
# Nobody may write there, not even root.
READ_ONLY = Path("/sys/lodestone-cache")


class Opened:
    """A cache and what it counts."""

    def __init__(self, folder, kind=KIND, *, max_bytes=MB, clock=lambda: 0.0, waiting_limit=1024):
        self._registry = CollectorRegistry()
        self.cache = EmbeddingCache(
            CachePlace(folder, max_bytes),
            kind,
            self._registry,
            clock=clock,
            waiting_limit=waiting_limit,
        )

    def finds(self, number):
        """Whether it has the image's embedding, which is then the right one."""
        found = self.cache.find(digest(number))
        if found is None:
            return False
        expected = computed(number)
        assert found.value.tobytes() == expected.value.tobytes()
        assert (found.width_px, found.height_px) == (expected.width_px, expected.height_px)
        return True

    def keep(self, *numbers):
        for number in numbers:
            self.cache.keep(digest(number), computed(number))

    def lookups(self):
        """Hits, misses, failed ones."""
        return self._counted("lookups", "hit", "miss", "failed")

    def writes(self):
        """Kept, dropped, failed ones."""
        return self._counted("writes", "kept", "dropped", "failed")

    def held_bytes(self):
        return self._registry.get_sample_value("lodestone_embedder_cache_bytes")

    def _counted(self, what, *results):
        name = f"lodestone_embedder_cache_{what}_total"
        return tuple(self._registry.get_sample_value(name, {"result": one}) for one in results)


def wait_until(condition):
    """Returns when the thread that writes has got so far; no event tells of it."""
    until_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)


@pytest.fixture
def open_cache(tmp_path):
    """Opens caches, in one folder if not told otherwise; they are closed at the end."""
    opened = []

    def make(folder=tmp_path / "cache", kind=KIND, **options):
        opened.append(Opened(folder, kind, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.cache.close()


@pytest.fixture(autouse=True)
def logs():
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_what_was_kept_is_found_at_once_and_after_a_restart(open_cache):
    """Bit by bit; each lookup and each write is counted."""
    first = open_cache()
    assert not first.finds(1)
    first.keep(1, 2)
    assert first.finds(1)
    first.cache.close()
    second = open_cache()
    assert [second.finds(number) for number in (1, 2, 3)] == [True, True, False]
    assert (first.lookups(), second.lookups()) == ((1, 1, 0), (2, 1, 0))
    assert (first.writes(), second.writes()) == ((2, 0, 0), (0, 0, 0))
    assert second.held_bytes() == first.held_bytes() > 0


def test_another_kind_of_embedding_is_a_miss(open_cache):
    """Another precision's and another encoder's lie in the same file."""
    first = open_cache()
    first.keep(1)
    first.cache.close()
    for change in ({"precision": Precision.BF16}, {"encoder_id": "b" * 64}, {"preparation": "2"}):
        other = open_cache(kind=replace(KIND, **change))
        assert not other.finds(1)
        other.keep(1)
        other.cache.close()
    assert open_cache().finds(1)


def test_what_is_no_embedding_is_not_kept(open_cache):
    """It would be answered again and again."""
    opened = open_cache()
    opened.cache.keep(digest(1), Computed(np.full(512, np.nan, np.float32), 1, 1))
    assert opened.cache.find(digest(1)) is None
    assert opened.writes() == (0, 1, 0)


def test_more_than_the_limit_is_not_kept(open_cache, tmp_path):
    """The oldest make room, and the file does not grow any more."""
    opened = open_cache(waiting_limit=2000)
    for start in range(0, 1200, 60):
        opened.keep(*range(start, start + 60))
    opened.cache.close()
    assert sum(one.stat().st_size for one in tmp_path.rglob("*")) < 2 * MB
    assert opened.held_bytes() <= MB
    again = open_cache()
    assert again.finds(1199)
    assert not again.finds(0)
    assert again.held_bytes() == opened.held_bytes()


def test_what_is_asked_for_stays(open_cache):
    """As long as somebody asks for it before half of the rest has been replaced."""
    for start in range(0, 1200, 60):
        opened = open_cache()
        opened.keep(*range(start, start + 60))
        assert opened.finds(7)
        opened.cache.close()
    again = open_cache()
    assert again.finds(7)
    assert not again.finds(8)


def locked(folder):
    """Holds up all writes until it is closed."""
    [path] = folder.glob("*.sqlite")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_writes_hold_up_nobody(open_cache, tmp_path):
    """While another process has the file: what waits is found, what is over the limit is dropped, reading goes on."""
    before = open_cache()
    before.keep(1)
    before.cache.close()
    opened = open_cache(waiting_limit=64)
    other = locked(tmp_path / "cache")
    opened.keep(*range(100, 170))
    assert [opened.finds(number) for number in (1, 100, 163, 164)] == [True, True, True, False]
    assert opened.writes() == (0, 6, 0)
    other.close()
    opened.cache.close()
    assert opened.writes() == (64, 6, 0)
    assert open_cache().finds(163)


def test_a_file_that_stays_locked_costs_what_was_to_be_kept(open_cache, tmp_path, logs):
    """It is counted, in one log line, and nobody waits for it at the end."""
    opened = open_cache()
    other = locked(tmp_path / "cache")
    opened.keep(*range(200))
    opened.cache.close()
    other.close()
    assert opened.writes() == (0, 0, 200)
    assert [line["event"] for line in logs] == ["cache_away"]
    assert "locked" in logs[0]["cause"]


@contextmanager
def full_disk():
    """No file of this process may become larger than SQLite's smallest ones."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_costs_what_was_to_be_kept(open_cache, logs):
    """What the file has is found meanwhile, and only the others are misses."""
    before = open_cache()
    before.keep(1)
    before.cache.close()
    opened = open_cache()
    with full_disk():
        opened.keep(*range(100, 130))
        wait_until(lambda: opened.writes()[2] == 30)
        assert [opened.finds(number) for number in (1, 100)] == [True, False]
    assert (opened.lookups(), opened.writes()) == ((1, 1, 0), (0, 0, 30))
    assert [line["event"] for line in logs] == ["cache_away"]


def test_a_damaged_file_costs_what_it_held(open_cache, tmp_path, logs):
    """Looking in it fails, then there is a new one."""
    now_s = 0.0
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "embeddings-1.sqlite").write_bytes(b"damaged " * 5000)
    opened = open_cache(clock=lambda: now_s)
    assert opened.writes() == (0, 0, 0)
    now_s = 10.0
    opened.keep(1)
    assert opened.finds(1)
    opened.cache.close()
    assert opened.writes() == (1, 0, 0)
    assert open_cache().finds(1)
    assert [line["event"] for line in logs] == ["cache_away"]


def test_a_wrong_bit_is_a_failed_lookup(open_cache, tmp_path):
    """And is mended by what is computed then."""
    first = open_cache()
    first.keep(1)
    first.cache.close()
    [path] = (tmp_path / "cache").iterdir()
    content = bytearray(path.read_bytes())
    content[content.index(computed(1).value.tobytes()) + 9] ^= 4
    path.write_bytes(content)
    second = open_cache()
    assert not second.finds(1)
    assert second.lookups() == (0, 0, 1)
    second.keep(1)
    second.cache.close()
    assert open_cache().finds(1)


def test_a_folder_that_may_not_be_written_to_is_no_cache(open_cache, logs):
    """Every lookup fails, every write as well, and one line says why."""
    opened = open_cache(READ_ONLY)
    assert not opened.finds(1)
    opened.keep(2)
    opened.cache.close()
    assert (opened.lookups(), opened.writes()) == ((0, 0, 1), (0, 0, 1))
    assert len(logs) == 1


def test_two_caches_share_a_folder(open_cache):
    """As two processes do: each finds what the other has written."""
    both = open_cache(), open_cache()
    threads = [
        threading.Thread(target=one.keep, args=range(start, start + 100))
        for one, start in zip(both, (0, 100), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in both:
        one.cache.close()
    again = open_cache()
    assert all(again.finds(number) for number in range(200))
    assert [one.writes() for one in both] == [(100, 0, 0)] * 2
