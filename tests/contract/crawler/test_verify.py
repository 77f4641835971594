"""`lodestone verify` on a folder that a real crawler mined, and on what becomes of it when it is broken."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections import Counter

import pytest
import structlog

from services.crawler.catalogue.database import Database
from services.crawler.verifying.__main__ import main
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.folder_files import FolderFiles
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.contract.crawler.mined import digest_of, mine, pictures
from tests.fakes.colour_services import BF16, ColourServices


@pytest.fixture
def data(mined, tmp_path):
    """A copy of the good folder, hard links and all."""
    subprocess.run(["cp", "-a", mined, tmp_path / "data"], check=True)
    return tmp_path / "data"


@pytest.fixture
def verify(data, capsys):
    """Runs the check with `--json`: the exit status, the problems, what was repaired, and the summary."""

    def run(*options, grace="0"):
        capsys.readouterr()
        status = main([f"--data={data}", "--json", f"--grace={grace}", *options])
        *objects, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        problems = [one for one in objects if "kind" in one]
        done = [one for one in objects if "repaired" in one]
        return status, problems, done, last["summary"]

    yield run
    structlog.reset_defaults()


def kinds(problems):
    return Counter(problem["kind"] for problem in problems)


def sql(data, *statements):
    """Changes the catalogue behind everybody's back."""
    connection = sqlite3.connect(data / "catalog.sqlite")
    with connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement
    connection.close()


def asked(data, query):
    connection = sqlite3.connect(data / "catalog.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def blob(data, name):
    digest = digest_of(name)
    return data / "blobs" / digest[:2] / digest


def sidecar(data, name):
    return blob(data, name).with_suffix(".json")


def kept(data, name):
    [[file_name]] = asked(
        data, f"SELECT file_name FROM kept_images WHERE digest = '{digest_of(name)}'"
    )
    return data / "kept" / "colours" / file_name


def test_what_was_mined_is_well(verify, data):
    """Every fate is there, and nothing is wrong with any: as a check without grace and one with it say."""
    status, problems, done, summary = verify()
    assert (status, problems, done) == (0, [], [])
    assert summary["listing_count"] == len(pictures())
    assert summary["image_count"] == 7
    assert summary["byte_count"] == sum(
        path.stat().st_size for path in data.glob("blobs/??/*") if path.suffix == ""
    )
    verdicts = dict(asked(data, "SELECT verdict, count(*) FROM judgements GROUP BY verdict"))
    assert verdicts == {"ACCEPTED": 7, "OFF_PROFILE": 3, "DUPLICATE": 5}
    assert verify(grace="3600")[:2] == (0, [])


def test_a_crawl_that_goes_on(tmp_path):
    """Looked at again and again while it accepts, rejects and purges: nothing is wrong at any time."""
    looks = []

    def look(data):
        catalogue, files = CatalogueFile(data / "catalog.sqlite"), FolderFiles(data)
        terms = CheckTerms(time.time(), grace_s=3600.0)
        check = Verification(catalogue, files, terms, threads=2)
        assert list(check.check(lambda _: None)) == []
        looks.append(check.counts.image_count)

    with ColourServices() as fakes:
        mine(fakes, tmp_path, beside=look)
    assert len(set(looks)) > 2, looks


def test_a_check_changes_nothing(verify, data):
    """Not a byte of any file, with or without problems."""

    def files():
        return {
            path: (path.stat().st_ino, path.read_bytes())
            for path in data.rglob("*")
            # What every reader of a catalogue in WAL mode leaves beside it.
            if path.is_file() and not path.name.startswith("catalog.sqlite-")
        }

    sidecar(data, "find-0.png").write_text("{}")
    (data / "blobs" / "tmp" / "part").write_bytes(b"half")
    before = files()
    assert verify("--deep")[0] == 1
    assert files() == before


# What every store can have is in `breakages.py`. What is done, what it is called, and whether it can be mended.
def replaced(data):
    path = blob(data, "find-0.png")
    path.unlink()
    path.write_bytes(b"another picture")


def made_a_link(data):
    path = blob(data, "find-0.png")
    path.unlink()
    path.symlink_to(kept(data, "find-0.png"))


def made_a_pipe(data):
    path = blob(data, "find-0.png")
    path.unlink()
    os.mkfifo(path)


def made_a_folder(data):
    path = blob(data, "find-0.png")
    path.unlink()
    path.mkdir()


def extra_bytes(data):
    digest = hashlib.sha256(b"extra").hexdigest()
    (data / "blobs" / digest[:2]).mkdir(exist_ok=True)
    (data / "blobs" / digest[:2] / digest).write_bytes(b"extra")


def empty_folder(data):
    (data / "blobs" / "old").mkdir()


def folder_of_parts(data):
    (data / "blobs" / "tmp" / "mine").mkdir()
    (data / "blobs" / "tmp" / "mine" / "notes.txt").write_text("mine")


def half_a_part(data):
    (data / "blobs" / "tmp" / "half").write_bytes(b"half a pict")


def sidecar_a_folder(data):
    sidecar(data, "find-1.png").unlink()
    sidecar(data, "find-1.png").mkdir()


def name_not_made(data):
    kept(data, "find-2.png").unlink()
    sql(data, f"UPDATE kept_images SET linked = 0 WHERE digest = '{digest_of('find-2.png')}'")


def name_a_pipe(data):
    path = kept(data, "find-2.png")
    path.unlink()
    os.mkfifo(path)


def name_that_points_nowhere(data):
    (data / "kept" / "colours" / "nowhere.jpg").symlink_to(data / "nowhere")


def name_that_is_no_text(data):
    (data / "kept" / "colours" / os.fsdecode(b"\xff.jpg")).write_bytes(b"mine")


def purged_bytes_left(data):
    path = blob(data, "find-5.png")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pictures()["find-5.png"])


FILES = [
    (replaced, {"BLOB_DAMAGED": 1}, False),
    (made_a_link, {"BLOB_UNREADABLE": 1}, False),
    (made_a_pipe, {"BLOB_UNREADABLE": 1}, False),
    (made_a_folder, {"BLOB_UNREADABLE": 1}, False),
    (empty_folder, {"FILE_FOREIGN": 1}, False),
    (folder_of_parts, {"FILE_FOREIGN": 1}, False),
    (half_a_part, {"PART_LEFT": 1}, True),
    (sidecar_a_folder, {"SIDECAR_DAMAGED": 1}, True),
    (name_a_pipe, {"NAME_DIFFERS": 1}, False),
    (name_that_points_nowhere, {"NAME_FOREIGN": 1}, False),
    (name_that_is_no_text, {"NAME_FOREIGN": 1}, False),
]


@pytest.mark.parametrize(
    ("break_it", "expected", "mends"), [pytest.param(*one, id=one[0].__name__) for one in FILES]
)
def test_what_only_a_folder_can_have(verify, data, break_it, expected, mends):
    """One line of its kind; after a repair, what can be mended is well, and what cannot is told again."""
    break_it(data)
    status, problems, done, summary = verify()
    assert (status, kinds(problems), done) == (1, expected, [])
    assert summary["problems"] == expected
    assert all(problem["message"] for problem in problems)

    status, problems, done, _ = verify("--repair")
    assert (status, kinds(problems)) == (0 if mends else 1, expected)
    assert (len(done) == len(problems)) is mends
    status, left, _, _ = verify()
    assert (status, len(left)) == (0, 0) if mends else (1, len(problems) - len(done))


def test_many_things_at_once(verify, data):
    """Whatever breaks together, each is told of its own image."""
    names = [f"find-{number}.png" for number in range(5)]
    rng = random.Random(3)
    ways = {
        "BLOB_DAMAGED": lambda name: os.truncate(blob(data, name), 10),
        "SIDECAR_MISSING": lambda name: sidecar(data, name).unlink(),
        "SIDECAR_DAMAGED": lambda name: sidecar(data, name).write_bytes(b"\0" * 99),
        "NAME_DIFFERS": lambda name: (
            kept(data, name).unlink(),
            kept(data, name).write_bytes(b"x"),
        ),
        "BLOB_MISSING": lambda name: blob(data, name).unlink(),
    }
    whole = data.with_name("whole")
    data.rename(whole)
    for _ in range(12):
        subprocess.run(["cp", "-a", whole, data], check=True)
        expected = {
            (kind, digest_of(name))
            for kind, name in zip(ways, rng.sample(names, 5), strict=True)
            if rng.random() < 0.7
        }
        for kind, digest in expected:
            [name] = [name for name in names if digest_of(name) == digest]
            ways[kind](name)
        found = verify()[1]
        assert {(one["kind"], one["digest"]) for one in found} == expected
        assert len(found) == len(expected)
        mended = {kind for kind in ways if kind.startswith("SIDECAR") or kind == "BLOB_MISSING"}
        verify("--repair")
        assert {(one["kind"], one["digest"]) for one in verify()[1]} == {
            one for one in expected if one[0] not in mended
        }
        shutil.rmtree(data)


def test_a_repair_loses_nothing(verify, data):
    """What is moved out of the way is there, whole, and a second one beside the first; the purged are gone."""
    extra_bytes(data)
    digest = hashlib.sha256(b"extra").hexdigest()
    verify("--repair")
    extra_bytes(data)
    sidecar(data, "find-1.png").write_text("scribbled")
    purged_bytes_left(data)
    _, _, done, _ = verify("--repair")
    aside = data / "set-aside"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == {
        digest: b"extra",
        f"{digest}.2": b"extra",
        sidecar(data, "find-1.png").name: b"scribbled",
    }
    assert not blob(data, "find-5.png").exists()
    assert sorted(one["done"].split()[0] for one in done) == ["moved", "removed,", "written"]


def test_a_sidecar_that_is_written_anew_says_what_the_first_did(verify, data):
    """But for which crawl judged, and when exactly it was fetched."""
    path = sidecar(data, "find-1.png")
    before = json.loads(path.read_text())
    path.unlink()
    assert verify("--repair")[0] == 0
    after = json.loads(path.read_text())
    for facts in (before, after):
        del facts["fetch_time"], facts["judgements"]["colours@1"]["crawl_id"]
        del facts["judgements"]["colours@1"]["judge_time"]
    assert after == before


def test_counts_that_are_made_anew_are_those_that_were(verify, data):
    """By outcome, verdict and known; the purged one counts as purged."""
    query = "SELECT outcome_state, outcome_reason, verdict, known, count FROM crawl_counts"
    before = {row[:4]: row[4] for row in asked(data, query)}
    sql(data, "DELETE FROM crawl_counts")
    assert verify("--repair")[0] == 0
    before[("FETCHED", "", "ACCEPTED", 0)] -= 1
    before[("BLOCKED", "PURGED", "", 0)] = 1
    assert {row[:4]: row[4] for row in asked(data, query)} == before


def test_names_that_people_remove_are_respected(verify, data):
    """They are counted, no problem, and no repair brings them back; so is the whole folder of them."""
    kept(data, "find-0.png").unlink()
    status, problems, done, summary = verify("--repair")
    assert (status, problems, done, summary["removed_name_count"]) == (0, [], [], 1)
    shutil.rmtree(data / "kept")
    status, problems, _, summary = verify()
    assert (status, problems, summary["removed_name_count"]) == (0, [], 7)


def test_copies_instead_of_links(verify, data):
    """On a disk without hard links a readable name has bytes of its own."""
    path = kept(data, "find-0.png")
    path.unlink()
    shutil.copy(blob(data, "find-0.png"), path)
    assert verify()[:2] == (0, [])


def test_what_is_young_may_be_on_its_way(verify, data):
    """Bytes without a row, and parts, are told only after the grace."""
    extra_bytes(data)
    half_a_part(data)
    name_not_made(data)
    status, problems, _, summary = verify(grace="3600")
    assert (status, problems, summary["young_count"]) == (0, [], 3)
    assert len(verify(grace="0")[1]) == 3


def test_a_part_is_nobodys_while_no_crawler_runs(verify, data):
    """A repair, which keeps crawlers away, removes it whatever its age, and says so."""
    half_a_part(data)
    _, problems, done, _ = verify("--repair", grace="3600")
    assert kinds(problems) == {"PART_LEFT": 1}
    assert [one["done"] for one in done] == ["removed"]


def test_a_folder_that_a_crawler_has_open(verify, data, capsys):
    """It is checked all the same; a repair is refused with one line, and does nothing."""
    half_a_part(data)
    database = Database(data / "catalog.sqlite")
    try:
        assert kinds(verify()[1]) == {"PART_LEFT": 1}
        status = main([f"--data={data}", "--repair"])
    finally:
        database.close()
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    assert err.startswith("error: another crawler uses ")
    assert err.endswith("nothing was repaired: stop the crawler first\n")
    assert (data / "blobs" / "tmp" / "half").exists()


@pytest.mark.parametrize("options", [[], ["--repair"], ["--deep"]])
def test_a_damaged_catalogue_ends_the_check(verify, data, options):
    """What SQLite says of it, and nothing else, as nothing else would mean anything; no repair touches it."""
    path = data / "catalog.sqlite"
    path.write_bytes(path.read_bytes()[:20_000] + b"\x5a" * 30_000 + path.read_bytes()[50_000:])
    half_a_part(data)
    status, problems, done, _ = verify(*options)
    assert (status, set(kinds(problems)), done) == (1, {"CATALOGUE_DAMAGED"}, [])
    assert (data / "blobs" / "tmp" / "half").exists()


def test_a_catalogue_that_is_gone(data, capsys):
    """A store without it is an error that says what to do, and makes none."""
    for path in data.glob("catalog.sqlite*"):
        path.unlink()
    for options in ([], ["--repair"]):
        assert main([f"--data={data}", *options]) == 1
        _, err = capsys.readouterr()
        assert err.count("\n") == 1
        assert "blobs/ is not empty: restore it from a backup" in err
    assert not (data / "catalog.sqlite").exists()


def test_a_folder_that_is_none(tmp_path, capsys):
    """One line."""
    assert main([f"--data={tmp_path / 'none'}"]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none'} is no folder\n"


@pytest.mark.parametrize(
    "options", [["--grace=-1"], ["--grace=nan"], ["--grace=x"], ["--what"], []]
)
def test_a_command_line_that_cannot_be_meant(tmp_path, capsys, options):
    """One line and status 2."""
    given = [f"--data={tmp_path}", *options] if options else []
    with pytest.raises(SystemExit) as caught:
        main(given)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_lines_for_a_person(data, capsys):
    """A line for each problem, no more of a kind than were asked for, and what it came to at the end."""
    for number in range(3):
        (data / "kept" / f"{number}\x1b[31m.txt").write_text("mine")
    sidecar(data, "find-0.png").unlink()
    assert main([f"--data={data}", "--grace=0", "--show=2"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    digest = digest_of("find-0.png")
    assert lines == [
        f"SIDECAR_MISSING blobs/{digest[:2]}/{digest}.json: the sidecar is gone",
        "NAME_FOREIGN kept/0\ufffd[31m.txt: Lodestone knows of no such file",
        "NAME_FOREIGN kept/1\ufffd[31m.txt: Lodestone knows of no such file",
        "NAME_FOREIGN: 1 more (--show 0 prints all)",
    ]
    assert last.startswith("checked 7 images (")
    assert last.endswith(" s: 4 problems (docs/verify.md says what to do)")
    assert main([f"--data={data}", "--repair", "--show=0"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines[-1] == (
        f"repaired SIDECAR_MISSING blobs/{digest[:2]}/{digest}.json: written anew from the catalogue"
    )
    assert last.endswith(" s: 4 problems, 1 of them repaired (docs/verify.md says what to do)")


@pytest.fixture
def embedder(monkeypatch):
    """The embedder that gave the embeddings."""
    with ColourServices() as fakes:
        monkeypatch.setenv("LODESTONE_EMBEDDER", fakes.address)
        yield fakes.embedder


@pytest.mark.usefixtures("embedder")
def test_a_deep_check_of_what_was_mined(verify):
    """Each image decodes to the facts, perceptual hashes and embedding that were recorded."""
    status, problems, _, summary = verify("--deep")
    assert (status, problems) == (0, [])
    assert summary["deep"] == {
        "decoded_count": 7,
        "embedded_count": 7,
        "other_count": 0,
        "away": "",
    }


@pytest.mark.usefixtures("embedder")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "hash64 = 'ffffffffffffffff'",
            {"FACTS_DIFFER": 1, "SIDECAR_DIFFERS": 1, "DISTANCE_WRONG": 1},
        ),
        ("mirrored64 = 'ffffffffffffffff'", {"FACTS_DIFFER": 1}),
        ("flat = NOT flat", {"FACTS_DIFFER": 1}),
        ("width_px = 321", {"FACTS_DIFFER": 1, "SIDECAR_DIFFERS": 1}),
        (
            "embedding = (SELECT embedding FROM candidates WHERE digest = '{}')",
            {"EMBEDDING_DIFFERS": 1},
        ),
        ("embedding = x'00000000'", {"EMBEDDING_DIFFERS": 1}),
    ],
)
def test_facts_that_the_bytes_do_not_bear_out(verify, data, change, expected):
    """Only decoding and embedding tells."""
    change = change.format(digest_of("find-1.png"))
    sql(data, f"UPDATE candidates SET {change} WHERE digest = '{digest_of('find-0.png')}'")
    status, problems, _, _ = verify("--deep")
    assert (status, kinds(problems)) == (1, expected)


def test_bytes_that_no_longer_decode(verify, data):
    """A row that names them, so that only decoding tells."""
    encoded = pictures()["cut.png"]
    digest = hashlib.sha256(encoded).hexdigest()
    path = data / "blobs" / digest[:2] / digest
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encoded)
    old = digest_of("find-0.png")
    for table in ("candidates", "judgements", "images", "kept_images", "listings"):
        sql(data, f"UPDATE {table} SET digest = '{digest}' WHERE digest = '{old}'")
    found = verify("--deep")[1]
    assert [one["digest"] for one in found if one["kind"] == "IMAGE_UNDECODABLE"] == [digest]


def test_embeddings_that_cannot_be_compared(verify, embedder):
    """Those of another precision are counted; they say nothing of the ones that were recorded."""
    embedder.precision = BF16
    status, problems, _, summary = verify("--deep")
    assert (status, problems) == (0, [])
    assert summary["deep"] == {
        "decoded_count": 7,
        "embedded_count": 0,
        "other_count": 7,
        "away": "",
    }


def test_an_embedder_that_is_away(verify, monkeypatch):
    """Images are decoded all the same, and the summary says why nothing was embedded."""
    monkeypatch.setenv("LODESTONE_EMBEDDER", "127.0.0.1:9")
    status, problems, _, summary = verify("--deep")
    assert (status, problems) == (0, [])
    assert summary["deep"]["decoded_count"] == 7
    assert "the embedder is unavailable" in summary["deep"]["away"]
