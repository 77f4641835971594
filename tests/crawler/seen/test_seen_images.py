from __future__ import annotations

from services.crawler.candidate import Fingerprint
from services.crawler.seen.duplicate_index import DuplicateIndex, Match
from services.crawler.seen.seen_images import Copy, Memory, SeenImages
from tests.crawler.subjects import decoded_candidate, random_fingerprint

ONE, OTHER = "1" * 64, "2" * 64


def test_kept_images_count_under_every_profile():
    """A near copy of a kept image is found whatever the profile; the same bytes are no copy of themselves."""
    seen = SeenImages()
    candidate = decoded_candidate(1)
    seen.add_kept(ONE, candidate.fingerprint)
    assert seen.find("any", OTHER, candidate).digest == ONE
    assert seen.find("any", ONE, candidate) is None
    assert seen.find("any", OTHER, decoded_candidate(2)) is None


def test_marked_images_count_under_their_profile():
    """A liked photo is seen under its own profile's name only, also as the same bytes and when it is flat."""
    seen = SeenImages()
    candidate = decoded_candidate(1, fingerprint=random_fingerprint(1, flat=True))
    seen.mark("mine", ONE, candidate.fingerprint)
    assert seen.find("mine", ONE, candidate).digest == ONE
    assert seen.find("theirs", ONE, candidate) is None
    assert seen.find("mine", OTHER, candidate) is None, "flat images are compared by digest only"


def test_marking_twice_is_once():
    """The index does not grow when a profile is fitted again."""
    seen = SeenImages()
    for _ in range(3):
        seen.mark("mine", ONE, random_fingerprint(1))
    assert len(seen._marked["mine"]) == 1


def archive_of(*numbers):
    index = DuplicateIndex()
    index.extend([(f"{number:064x}", random_fingerprint(number)) for number in numbers])
    return index


def test_archived_recent_and_purged_images_are_one_memory():
    """The nearest of all three is named; of equally near ones the earliest, which an archive has."""
    near, exact = random_fingerprint(1), random_fingerprint(1)
    near = Fingerprint(near.hash64 ^ 1, near.hash256, flat=False)
    seen = SeenImages(archive_of(1, 2))
    seen.add_kept(OTHER, exact)
    seen.add_purged("3" * 64, near)
    seen.add_purged("4" * 64, random_fingerprint(4))
    assert seen.find("any", "f" * 64, decoded_candidate(1)).digest == f"{1:064x}"
    assert seen.find("any", "f" * 64, decoded_candidate(2)).digest == f"{2:064x}"
    assert seen.find("any", "f" * 64, decoded_candidate(4)).digest == "4" * 64
    nearest = seen.find("any", "f" * 64, decoded_candidate(0, fingerprint=near))
    assert nearest.digest == "3" * 64
    assert seen.is_forbidden("3" * 64)
    assert not seen.is_forbidden(OTHER)


def test_what_was_archived_is_let_go_of():
    """Nothing is forgotten: what the archive took is found there, the others where they were."""
    archive = DuplicateIndex()
    seen = SeenImages(archive)
    for number in range(6):
        seen.add_kept(f"{number:064x}", random_fingerprint(number, flat=number == 5))
    assert seen.recent_count == 5
    entries = [(f"{number:064x}", random_fingerprint(number)) for number in range(3)]
    archive.extend(entries)
    seen.let_go({digest for digest, _ in entries})
    assert seen.recent_count == 2
    for number in range(5):
        copies = seen.copies("f" * 64, decoded_candidate(number))
        assert [copy.match.digest for copy in copies] == [f"{number:064x}"]


def test_copies_say_why_they_are_remembered_and_how_near_they_are():
    """Kept, purged, marked under each name; every image once for each, the nearest first, mirror images too."""
    one = random_fingerprint(1)
    near = Fingerprint(one.hash64 ^ 0b11, one.hash256, flat=False)
    candidate = decoded_candidate(1)
    seen = SeenImages()
    seen.add_kept(ONE, near)
    seen.add_kept(OTHER, candidate.mirrored)
    seen.add_purged("3" * 64, one)
    seen.add_purged(ONE, near)
    seen.mark("theirs", "4" * 64, near)
    seen.mark("mine", "5" * 64, one)
    seen.mark("strangers", "6" * 64, random_fingerprint(6))
    assert seen.copies("f" * 64, candidate) == [
        Copy(Memory.KEPT, "", Match(OTHER, 0, 0, mirrored=True)),
        Copy(Memory.PURGED, "", Match("3" * 64, 0, 0)),
        Copy(Memory.PURGED, "", Match(ONE, 2, 0)),
        Copy(Memory.MARKED, "mine", Match("5" * 64, 0, 0)),
        Copy(Memory.MARKED, "theirs", Match("4" * 64, 2, 0)),
    ]


def test_the_same_bytes_of_a_flat_image_are_copies():
    """By their digest, where it was purged or marked; nothing else is."""
    seen = SeenImages()
    flat = random_fingerprint(1, flat=True)
    candidate = decoded_candidate(1, fingerprint=flat)
    seen.add_purged(ONE, flat)
    seen.mark("mine", ONE, flat)
    seen.mark("theirs", OTHER, flat)
    assert seen.copies(ONE, candidate) == [
        Copy(Memory.PURGED, "", Match(ONE, 0, 0)),
        Copy(Memory.MARKED, "mine", Match(ONE, 0, 0)),
    ]
    assert seen.copies("f" * 64, candidate) == []
    assert seen.copies("", candidate) == []


def test_what_was_replaced_still_counts():
    """Its near copies and its own bytes are found, whether it was kept here or is read at a start."""
    old, candidate = random_fingerprint(1), decoded_candidate(1)
    for seen in (SeenImages(), SeenImages(DuplicateIndex())):
        seen.add_kept(ONE, old)
        seen.note_replaced(ONE, OTHER)
        seen.add_replaced("3" * 64, random_fingerprint(3), OTHER)
        found = seen.find("any", "f" * 64, candidate)
        assert (found.digest, found.memory) == (ONE, Memory.REPLACED)
        own = seen.find("any", ONE, candidate)
        assert (own.digest, own.memory) == (OTHER, Memory.REPLACED)
        assert seen.find("any", "f" * 64, decoded_candidate(3)).digest == "3" * 64
        [copy] = seen.copies("f" * 64, candidate)
        assert copy == Copy(Memory.REPLACED, "", Match(ONE, 0, 0))


def test_what_is_kept_again_is_no_copy_of_what_had_replaced_it():
    """The same bytes are no duplicate of themselves in the store any more."""
    seen, candidate = SeenImages(), decoded_candidate(1)
    seen.add_replaced(ONE, candidate.fingerprint, OTHER)
    seen.add_kept(ONE, candidate.fingerprint)
    assert seen.find("any", ONE, candidate) is None
    assert seen.find("any", OTHER, candidate).memory is Memory.KEPT


def test_all_sightings_are_told():
    """What counts everywhere first, the nearest first, then what is marked; each image once."""
    one = random_fingerprint(1)
    further = Fingerprint(one.hash64 ^ 0b11, one.hash256, flat=False)
    seen = SeenImages(archive_of(1))
    seen.add_kept(OTHER, further)
    seen.add_purged("3" * 64, further)
    seen.mark("mine", "4" * 64, one)
    found = seen.sightings("mine", "f" * 64, decoded_candidate(1))
    assert [(sighting.digest, sighting.memory) for sighting in found] == [
        (f"{1:064x}", Memory.KEPT),
        (OTHER, Memory.KEPT),
        ("3" * 64, Memory.PURGED),
        ("4" * 64, Memory.MARKED),
    ]
    assert seen.sightings("theirs", OTHER, decoded_candidate(1)) == []
