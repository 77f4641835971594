from __future__ import annotations

import shutil

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from services.crawler.catalogue import crawls, frontier, images, judgements, purges
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.purges import PurgeCandidate
from services.crawler.catalogue.schema import images as images_table
from services.crawler.judgement import Evidence, ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.seen.fingerprint_file import FingerprintFile
from services.crawler.store.seen_keeping import ArchiveTerms, SeenKeeping
from tests.cli.processes import eventually
from tests.crawler.subjects import decoded_candidate, random_fingerprint

LISTING = Listing("urls:/a", "http://h.example/1.jpg")
# Every tenth is flat.
FLAT = 9


def digest_of(number):
    return f"{number:064x}"


def candidate_of(number):
    return decoded_candidate(
        number, fingerprint=random_fingerprint(number, flat=number % 10 == FLAT)
    )


class World:
    """A data folder with a catalogue, and a crawler's memory of it that starts and ends."""

    def __init__(self, folder, place):
        self.folder = folder
        self.database = Database(place)
        self.listing_id = 0
        self.keeping = self.seen = None

    async def start(self, *, batch=10, look_s=60.0):
        """Starts; returns what was logged."""
        terms = ArchiveTerms(batch, look_s)
        self.keeping = SeenKeeping(self.database, self.folder / "cache", terms)
        with capture_logs() as logs:
            self.seen = await self.keeping.load()
        return {entry["event"]: entry for entry in logs}

    async def stop(self):
        await self.keeping.close()

    async def keep(self, *numbers, add=True):
        """Writes images into the catalogue, and tells the memory if it is there, as accepting does."""
        await self.database.run(lambda connection: self._record(connection, numbers))
        for number in numbers if add and self.seen else ():
            self.seen.add_kept(digest_of(number), candidate_of(number).fingerprint)

    async def purge(self, *numbers):
        for number in numbers:
            image = PurgeCandidate(digest_of(number), LISTING, ())
            await self.database.run(lambda c, of=image: purges.purge(c, of, reason="", now=1.0))
            if self.seen:
                self.seen.forbid(digest_of(number))

    def found(self, *numbers):
        """The images among these that are found by what they look like; as the digests that are named."""
        found = [self.seen.find("any", "f" * 64, candidate_of(number)) for number in numbers]
        return [int(one.digest, 16) if one else None for one in found]

    def archived(self):
        """How many images are in the file, by what it says when it is opened elsewhere."""
        copied = self.folder / "copied"
        unfinished = shutil.ignore_patterns("*.tmp")
        shutil.copytree(self.folder / "cache", copied, dirs_exist_ok=True, ignore=unfinished)
        file = FingerprintFile(copied / "seen")
        try:
            file.load()
            return len(file)
        finally:
            file.close()

    def _record(self, connection, numbers):
        if not self.listing_id:
            crawls.create_crawl(
                connection, "c", CrawlRequest("r", ("urls:/a",), ProfileVersion("p", 1)), now=1.0
            )
            frontier.add_listings(connection, "c", [LISTING], now=1.0)
            terms = LeaseTerms("me", 2.0, 60.0)
            [leased] = frontier.lease(connection, "c", terms, limit=9)
            self.listing_id = leased.listing_id
        for number in numbers:
            digest = digest_of(number)
            outcome = Outcome(OutcomeState.FETCHED, None, "", LISTING.url, digest, 9, 3.0)
            judgements.record_candidates(
                connection, [judgements.Learned(digest, candidate_of(number), 9, Evidence())]
            )
            images.record_images(
                connection, [images.StoredImage(digest, self.listing_id, outcome)], now=1.0
            )


@pytest.fixture
async def world(tmp_path, place):
    world = World(tmp_path, place)
    yield world
    if world.keeping:
        await world.stop()
    world.database.close()


def all_but_flat(*ranges):
    return [number for one in ranges for number in one if number % 10 != FLAT]


async def test_few_images_stay_in_memory(world):
    """The file stays empty; they are found as soon as they are kept, and again after a restart."""
    logs = await world.start()
    assert logs["seen_loaded"]["archived"] == logs["seen_loaded"]["recent"] == 0
    await world.keep(*range(8))
    for _ in range(2):
        assert world.found(*range(8), 50) == [*range(8), None]
        assert world.archived() == 0
        await world.stop()
        logs = await world.start()
        assert (logs["seen_loaded"]["archived"], logs["seen_loaded"]["recent"]) == (0, 8)


async def test_whole_batches_go_into_the_file_at_the_start(world):
    """Images that were kept while there was no file: two batches without their flat ones, the rest in memory."""
    await world.keep(*range(25))
    logs = await world.start()
    assert (logs["seen_loaded"]["archived"], logs["seen_loaded"]["recent"]) == (18, 5)
    assert world.archived() == 18
    assert world.found(*all_but_flat(range(25))) == all_but_flat(range(25))
    assert world.found(9, 19, 99) == [None, None, None]


async def test_a_start_reads_only_what_came_after_the_file(world):
    """What is in the file is not asked of the catalogue; what came since is found, too."""
    await world.keep(*range(20))
    await world.start()
    await world.stop()
    await world.keep(20, 21, 22, add=False)
    asked = []
    real = images.list_kept_fingerprints

    def counted(connection, **terms):
        page = real(connection, **terms)
        asked.extend(int(digest, 16) for _, digest, _ in page)
        return page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "list_kept_fingerprints", counted)
        logs = await world.start()
    # 19 is flat and not in the file: it comes after the last one that is.
    assert asked == [19, 20, 21, 22]
    assert (logs["seen_loaded"]["archived"], logs["seen_loaded"]["recent"]) == (18, 3)
    assert "seen_file_made_again" not in logs
    assert world.found(*all_but_flat(range(23))) == all_but_flat(range(23))


async def test_what_is_kept_goes_into_the_file_a_batch_at_a_time(world):
    """While the crawler runs, in the background; memory lets go of it, and nothing is forgotten on the way."""
    await world.start(look_s=0.02)
    for first in range(0, 40, 4):
        await world.keep(*range(first, first + 4))
        assert world.found(*all_but_flat(range(first + 4))) == all_but_flat(range(first + 4))
    await eventually(lambda: world.seen.recent_count < 10)
    assert world.archived() >= 18
    assert world.found(*all_but_flat(range(40))) == all_but_flat(range(40))
    await world.stop()
    logs = await world.start()
    assert "seen_file_made_again" not in logs
    assert world.found(*all_but_flat(range(40))) == all_but_flat(range(40))


async def test_the_catalogue_is_believed_not_the_memory(world):
    """An image that a row tells of is in the file although nobody told the memory of it."""
    await world.start(look_s=0.02)
    await world.keep(0, add=False)
    assert world.found(0) == [None]
    await world.keep(*range(1, 14))
    await eventually(lambda: world.seen.recent_count < 10)
    assert world.found(0) == [0]


async def test_purged_images_are_found_whether_they_are_in_the_file_or_not(world):
    """They stay forbidden and known over restarts: purged in memory, in the file, and before there was one."""
    await world.keep(*range(25))
    await world.purge(3)
    await world.start()
    await world.purge(7, 23)
    for _ in range(2):
        assert world.found(3, 7, 23) == [3, 7, 23]
        assert [world.seen.is_forbidden(digest_of(number)) for number in (3, 7, 23, 4)] == [
            *(True,) * 3,
            False,
        ]
        await world.stop()
        assert "seen_file_made_again" not in await world.start()


async def test_an_image_that_comes_after_the_last_purged_one_is_found(world):
    """It does not get its number; the last images of the file may all be gone."""
    newest = select(func.max(images_table.c.sequence))
    await world.keep(*range(19))
    before = await world.database.run(lambda c: c.scalar(newest))
    await world.start()
    assert world.archived() == 9
    await world.stop()
    await world.purge(*range(8, 19))
    world.seen = None
    await world.keep(108)
    assert await world.database.run(lambda c: c.scalar(newest)) > before
    assert "seen_file_made_again" not in await world.start()
    assert world.found(8, 18, 108) == [8, 18, 108]


async def test_all_that_is_in_the_file_may_be_purged(world):
    """Then everything that is kept comes after it."""
    await world.keep(*range(10))
    await world.start()
    await world.purge(*range(10))
    await world.stop()
    await world.keep(30)
    assert "seen_file_made_again" not in await world.start()
    assert world.found(0, 8, 30) == [0, 8, 30]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_a_file_from_after_a_restored_backup_is_made_again(world, tmp_path):
    """The catalogue of before does not have the file's last images: one line says so, and they are not found."""
    await world.keep(*range(10))
    backup = tmp_path / "backup.sqlite"
    await world.database.run(lambda c: None)
    world.database.close()
    shutil.copyfile(tmp_path / "catalog.sqlite", backup)
    world.database = Database(tmp_path / "catalog.sqlite")
    await world.keep(*range(10, 30))
    await world.start()
    assert world.archived() == 27
    await world.stop()
    world.database.close()
    for left in tmp_path.glob("catalog.sqlite*"):
        left.unlink()
    shutil.copyfile(backup, tmp_path / "catalog.sqlite")
    world.database = Database(tmp_path / "catalog.sqlite")
    world.seen = None
    await world.keep(40, 41)
    logs = await world.start()
    assert "images that the catalogue does not have" in logs["seen_file_made_again"]["cause"]
    assert world.archived() == 9
    assert world.found(0, 8, 40, 41) == [0, 8, 40, 41]
    assert world.found(10, 28) == [None, None]


@pytest.mark.parametrize("name", ["seen.rows", "seen.json"])
async def test_a_damaged_file_is_made_again(world, tmp_path, name):
    """One line says so; all is found, and the file is whole again."""
    await world.keep(*range(30))
    await world.start()
    await world.stop()
    path = tmp_path / "cache" / name
    path.write_bytes(path.read_bytes()[:-3])
    logs = await world.start()
    assert logs["seen_file_made_again"]["log_level"] == "warning"
    assert world.archived() == 27
    assert world.found(*all_but_flat(range(30))) == all_but_flat(range(30))


async def test_a_file_that_was_deleted_is_made_again(world, tmp_path):
    """It may be deleted at any time: whoever uses it goes on, and the next start makes another one."""
    await world.keep(*range(30))
    await world.start(look_s=0.02)
    shutil.rmtree(tmp_path / "cache")
    await world.keep(*range(30, 42))
    await eventually(lambda: world.seen.recent_count < 10)
    assert world.found(*all_but_flat(range(42))) == all_but_flat(range(42))
    await world.stop()
    await world.start()
    assert world.archived() == 36
    assert world.found(*all_but_flat(range(42))) == all_but_flat(range(42))


async def test_a_full_disk_is_told_and_tried_again(world, tmp_path):
    """Everything stays in memory and is found; once there is room, it goes into the file."""
    await world.start(look_s=0.02)
    obstacle = tmp_path / "cache" / "seen.tmp"
    obstacle.mkdir()
    with capture_logs() as logs:
        await world.keep(*range(12))
        await eventually(lambda: [one for one in logs if one["event"] == "seen_file_not_written"])
    assert world.found(*range(9), 10, 11) == [*range(9), 10, 11]
    assert world.archived() == 0
    obstacle.rmdir()
    await eventually(lambda: world.seen.recent_count < 10)
    assert world.archived() == 9
    assert world.found(*range(9), 10, 11) == [*range(9), 10, 11]


async def test_marked_images_are_read(world):
    """Under their profile's name."""
    await world.database.run(
        lambda c: images.mark_seen(c, "mine", digest_of(1), candidate_of(1).fingerprint)
    )
    await world.start()
    assert world.seen.find("mine", "f" * 64, candidate_of(1)).digest == digest_of(1)
    assert world.seen.find("theirs", "f" * 64, candidate_of(1)) is None
