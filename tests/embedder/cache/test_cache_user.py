from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import structlog

from services.embedder.cache.cache_user import CacheAway, CachePlace, CacheUser, TroubleLog
from tests.embedder.cache.embeddings import digest, entry

PLACE_BYTES = 1_000_000
# Nobody may write there, not even root.
READ_ONLY = Path("/sys/lodestone-cache")


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def new_user(tmp_path, clock):
    """Makes users of one folder; they are closed at the end."""
    users = []

    def make(folder=tmp_path):
        place = CachePlace(folder, PLACE_BYTES, pause_s=10)
        users.append(CacheUser(place, TroubleLog(clock), timeout_s=0.02, clock=clock))
        return users[-1]

    yield make
    for user in users:
        user.close()


@pytest.fixture(autouse=True)
def logs():
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_whatever_a_damaged_file_holds_costs_no_more_than_the_file(new_user, tmp_path, clock):
    """A number that SQLite takes and Python cannot add to: the file is replaced, and used again after a pause."""
    user = new_user()
    keep(user, 1)
    with sqlite3.connect(tmp_path / "embeddings-1.sqlite") as connection:
        connection.execute("UPDATE embeddings SET turn = ?", (2**63 - 1,))
    connection.close()

    with pytest.raises(CacheAway):
        keep(user, 2)
    clock.now_s += 11
    keep(user, 2)

    assert finds(user, 2)
    assert [one.name for one in tmp_path.glob("*.sqlite")] == ["embeddings-2.sqlite"]


def keep(user, number):
    user.use(lambda file: file.write([entry(number)]))


def finds(user, number):
    found = user.use(lambda file: file.find(digest(number)))
    return found is not None and found.entry == entry(number)


def test_a_file_is_opened_when_it_is_used(tmp_path, new_user):
    """And again after closing."""
    user = new_user()
    assert list(tmp_path.iterdir()) == []
    keep(user, 1)
    user.close()
    assert finds(user, 1)
    assert finds(new_user(), 1)


def test_an_error_has_it_left_alone_for_a_while(tmp_path, clock, new_user, logs):
    """With one log line a minute, however often it goes on to fail; then it is tried again."""
    in_the_way = tmp_path / "cache"
    in_the_way.touch()
    user = new_user(in_the_way / "folder")
    for clock.now_s in range(100, 170):
        with pytest.raises(CacheAway, match="Not a directory"):
            keep(user, 1)
    assert [line["event"] for line in logs] == ["cache_away", "cache_away"]
    assert "Not a directory" in logs[0]["cause"]
    in_the_way.unlink()
    with pytest.raises(CacheAway):
        keep(user, 1)
    clock.now_s = 171
    keep(user, 1)
    assert finds(user, 1)


def test_a_locked_file_is_no_damage(tmp_path, clock, new_user):
    """It is used again after the pause, with all that it had."""
    user = new_user()
    keep(user, 1)
    [path] = tmp_path.glob("*.sqlite")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheAway, match="locked"):
        keep(user, 2)
    other.execute("ROLLBACK")
    other.close()
    clock.now_s += 10
    keep(user, 2)
    assert finds(user, 1)
    assert finds(user, 2)


@pytest.mark.parametrize("content", [b"damaged " * 4096, b"SQLite format 3\0" + bytes(8192)])
def test_a_damaged_file_is_replaced(tmp_path, clock, new_user, content):
    """By an empty one with the next number, after the pause."""
    (tmp_path / "embeddings-1.sqlite").write_bytes(content)
    user = new_user()
    with pytest.raises(CacheAway):
        keep(user, 1)
    clock.now_s += 10
    keep(user, 1)
    assert finds(user, 1)
    user.close()
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings-2.sqlite"]


def test_a_file_that_is_damaged_while_it_is_used(tmp_path, clock, new_user):
    """Whoever notices it replaces it; another user of it goes on with the new one."""
    user, other = new_user(), new_user()
    for number in range(60):
        keep(user, number)
    user.close()
    assert finds(other, 59)
    path = tmp_path / "embeddings-1.sqlite"
    with path.open("r+b") as file:
        file.write(b"damaged " * 40_000)
    with pytest.raises(CacheAway):
        for number in range(60, 200):
            keep(user, number)
    clock.now_s += 10
    keep(user, 7)
    assert finds(other, 7)
    assert not path.exists()


def test_a_file_that_is_removed_by_hand(tmp_path, new_user):
    """Its users make a new one, which they share."""
    user, other = new_user(), new_user()
    keep(user, 1)
    assert finds(other, 1)
    for path in tmp_path.iterdir():
        path.unlink()
    assert not finds(user, 1)
    keep(user, 2)
    assert finds(other, 2)
    other.close()
    user.close()
    assert finds(new_user(), 2)


def test_a_folder_that_may_not_be_written_to(new_user):
    """Neither is a file made there, nor is there one to be read."""
    with pytest.raises(CacheAway):
        keep(new_user(READ_ONLY), 1)
    with pytest.raises(CacheAway):
        finds(new_user(READ_ONLY), 1)
