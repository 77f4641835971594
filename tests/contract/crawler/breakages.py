"""What may be wrong with a catalogue, a store, or both, wherever they are; and what a check has to say of it."""

from __future__ import annotations

import json

from tests.contract.crawler.mined import digest_of, pictures

# Name, statements that both databases understand, problems by kind, and whether a repair mends it.
ROWS = [
    (
        "a listing of no crawl",
        ["DELETE FROM crawl_listings WHERE sequence = 1"],
        {"LISTING_LOST": 1, "COUNT_WRONG": 1, "ORDER_BROKEN": 1},
        False,
    ),
    (
        "an outcome that is gone",
        ["UPDATE listings SET outcome_state = NULL WHERE url LIKE '%/text.jpg'"],
        {"LISTING_LOST": 1},
        False,
    ),
    (
        "an outcome of another kind",
        ["UPDATE listings SET outcome_state = 'LOST' WHERE url LIKE '%/text.jpg'"],
        {"OUTCOME_BROKEN": 1},
        False,
    ),
    (
        "a failure without its reason",
        ["UPDATE listings SET outcome_reason = NULL WHERE url LIKE '%/text.jpg'"],
        {"OUTCOME_BROKEN": 1},
        False,
    ),
    (
        "bytes that nothing is known of",
        [f"UPDATE listings SET digest = '{'0' * 64}' WHERE url LIKE '%/grey-0.png'"],
        {"OUTCOME_BROKEN": 1},
        False,
    ),
    (
        "a judgement that is gone",
        [f"DELETE FROM judgements WHERE digest = '{digest_of('grey-0.png')}'"],
        {"JUDGEMENT_MISSING": 1},
        False,
    ),
    (
        "too many found",
        ["UPDATE crawls SET found_count = found_count + 1"],
        {"COUNT_WRONG": 1},
        True,
    ),
    (
        "an outcome that is counted twice",
        ["UPDATE crawl_counts SET count = count + 1 WHERE verdict = 'OFF_PROFILE'"],
        {"COUNT_WRONG": 1},
        True,
    ),
    ("no counts", ["DELETE FROM crawl_counts"], {"COUNT_WRONG": 1}, True),
    (
        "two at one place",
        ["UPDATE crawl_listings SET sequence = 1 WHERE sequence = 2"],
        {"ORDER_BROKEN": 1},
        False,
    ),
    (
        "something left to do",
        [
            "UPDATE crawl_listings SET sequence = NULL WHERE sequence = (SELECT max(sequence) FROM crawl_listings)"
        ],
        {"LISTINGS_LEFT": 1, "COUNT_WRONG": 1},
        False,
    ),
    (
        "accepted and not kept",
        [f"DELETE FROM kept_images WHERE digest = '{digest_of('find-1.png')}'"],
        {"ACCEPTED_NOT_KEPT": 1, "KEPT_NOT_ACCEPTED": 1, "NAME_FOREIGN": 1},
        False,
    ),
    (
        "kept and not accepted",
        [
            f"UPDATE judgements SET verdict = 'OFF_PROFILE' WHERE digest = '{digest_of('find-1.png')}'"
        ],
        {"KEPT_NOT_ACCEPTED": 1, "SIDECAR_DIFFERS": 1},
        False,
    ),
    (
        "a duplicate of nothing",
        [
            (
                f"UPDATE judgements SET duplicate_of_digest = '{'0' * 64}' "
                f"WHERE digest = '{digest_of('near-0.jpg')}'"
            ),
        ],
        {"DUPLICATE_OF_NOTHING": 1},
        False,
    ),
    (
        "a distance that is not so",
        [
            (
                "UPDATE judgements SET reason = 'perceptual distance 8 of 64 and 59 of 256 bits' "
                f"WHERE digest = '{digest_of('mirrored-2.png')}'"
            ),
        ],
        {"DISTANCE_WRONG": 1},
        False,
    ),
    (
        "a purge that did not end",
        ["UPDATE purged_images SET pending_names = '[]'"],
        {"PURGE_UNFINISHED": 1},
        True,
    ),
    (
        "a size that is not so",
        [f"UPDATE candidates SET size_bytes = 7 WHERE digest = '{digest_of('find-3.png')}'"],
        {"SIZE_WRONG": 1, "SIDECAR_DIFFERS": 1},
        False,
    ),
    (
        "a hash that is none",
        [
            f"UPDATE candidates SET mirrored64 = 'not sixteen hex!' WHERE digest = '{digest_of('find-4.png')}'"
        ],
        {"ROW_BROKEN": 1},
        False,
    ),
    (
        "a kept image that is like an earlier one, mirrored",
        [
            (
                "UPDATE candidates SET (mirrored64, mirrored256) = (SELECT hash64, hash256 FROM candidates WHERE "
                "digest = (SELECT digest FROM images JOIN candidates USING (digest) WHERE NOT flat "
                "ORDER BY sequence LIMIT 1)) "
                "WHERE digest = (SELECT digest FROM images JOIN candidates USING (digest) WHERE NOT flat "
                "ORDER BY sequence DESC LIMIT 1)"
            ),
        ],
        {"DUPLICATE_KEPT": 1},
        False,
    ),
    (
        "a kept image that is like one that was purged",
        [
            (
                "UPDATE purged_images SET (hash64, hash256) = (SELECT hash64, hash256 FROM candidates "
                f"WHERE digest = '{digest_of('find-4.png')}')"
            ),
        ],
        {"DUPLICATE_KEPT": 1},
        False,
    ),
    (
        "an image without its listing",
        [f"UPDATE images SET listing_id = 999 WHERE digest = '{digest_of('find-4.png')}'"],
        {"ROW_DANGLING": 1},
        False,
    ),
]


def _sidecar(place, name):
    return place.sidecar(name), json.loads(place.content(place.sidecar(name)))


def cut(place):
    path = place.blob("find-0.png")
    place.overwrite(path, place.content(path)[:100])


def edited(place):
    path = place.blob("find-0.png")
    content = bytearray(place.content(path))
    content[1000:1004] = b"\0\0\0\0"
    place.overwrite(path, bytes(content))


def deleted(place):
    place.delete(place.blob("find-0.png"))


def deleted_everywhere(place):
    place.delete(place.kept("find-0.png"))
    place.delete(place.blob("find-0.png"))


def renamed(place):
    path = place.blob("find-0.png")
    place.overwrite(path[:-1] + ("0" if path[-1] != "0" else "1"), place.content(path))
    place.delete(path)


def moved_elsewhere(place):
    path = place.blob("find-0.png")
    place.overwrite("blobs/" + path.rpartition("/")[2], place.content(path))
    place.delete(path)


def extra_bytes(place):
    place.overwrite(place.extra, b"extra")


def extra_file(place):
    place.overwrite(place.blob("find-0.png").rpartition("/")[0] + "/notes.txt", b"mine")


def extra_folder(place):
    place.overwrite("blobs/old/notes.txt", b"mine")


def sidecar_deleted(place):
    place.delete(place.sidecar("find-1.png"))


def sidecar_emptied(place):
    place.overwrite(place.sidecar("find-1.png"), b"")


def sidecar_of_another(place):
    place.overwrite(place.sidecar("find-1.png"), place.content(place.sidecar("find-2.png")))


def sidecar_edited(place):
    path, facts = _sidecar(place, "find-1.png")
    facts["judgements"]["colours@1"]["log_likelihood"] += 1e-9
    place.overwrite(path, json.dumps(facts).encode())


def sidecar_without_judgement(place):
    path, facts = _sidecar(place, "find-1.png")
    facts["judgements"] = {"others@1": facts["judgements"]["colours@1"]}
    place.overwrite(path, json.dumps(facts).encode())


def name_not_made(place):
    place.delete(place.kept("find-2.png"))
    place.sql(f"UPDATE kept_images SET linked = false WHERE digest = '{digest_of('find-2.png')}'")


def name_edited(place):
    place.overwrite(place.kept("find-2.png"), b"cropped")


def name_of_mine(place):
    place.overwrite("kept/colours/mine.jpg", b"mine")


def name_of_nobody(place):
    place.overwrite("kept/notes.txt", b"mine")


def name_below(place):
    place.overwrite("kept/colours/trip/mine.jpg", b"mine")


def purged_bytes_left(place):
    place.overwrite(place.blob("find-5.png"), pictures()["find-5.png"])


# What is done to the files of a store, of whatever kind; problems by kind, and whether a repair mends it.
FILES = [
    (cut, {"BLOB_DAMAGED": 1}, False),
    (edited, {"BLOB_DAMAGED": 1}, False),
    (deleted, {"BLOB_MISSING": 1}, True),
    (deleted_everywhere, {"BLOB_MISSING": 1}, False),
    (renamed, {"BLOB_MISSING": 1, "ORPHAN": 1}, True),
    (moved_elsewhere, {"BLOB_MISSING": 1, "FILE_FOREIGN": 1}, False),
    (extra_bytes, {"ORPHAN": 1}, True),
    (extra_file, {"FILE_FOREIGN": 1}, False),
    (extra_folder, {"FILE_FOREIGN": 1}, False),
    (sidecar_deleted, {"SIDECAR_MISSING": 1}, True),
    (sidecar_emptied, {"SIDECAR_DAMAGED": 1}, True),
    (sidecar_of_another, {"SIDECAR_DIFFERS": 1}, True),
    (sidecar_edited, {"SIDECAR_DIFFERS": 1}, True),
    (sidecar_without_judgement, {"SIDECAR_DIFFERS": 1}, True),
    (name_not_made, {"NAME_MISSING": 1}, True),
    (name_edited, {"NAME_DIFFERS": 1}, False),
    (name_of_mine, {"NAME_FOREIGN": 1}, False),
    (name_of_nobody, {"NAME_FOREIGN": 1}, False),
    (name_below, {"NAME_FOREIGN": 1}, False),
    (purged_bytes_left, {"ORPHAN": 1}, True),
]
