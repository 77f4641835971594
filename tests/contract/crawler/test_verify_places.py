"""`lodestone verify` on each kind of catalogue and store: the same breakages, the same words."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from contextlib import closing

import psycopg
import pytest
import structlog

from services.crawler.catalogue.database import Database
from services.crawler.catalogue.postgres_server import parse_server
from services.crawler.config import CrawlerSettings
from services.crawler.store.s3_address import S3Address
from services.crawler.to_postgresql import __main__ as to_postgresql
from services.crawler.verifying.__main__ import main
from services.crawler.verifying.opening import CheckedPlaces
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.contract.crawler import breakages
from tests.contract.crawler.breakages import FILES, ROWS
from tests.contract.crawler.checked_places import BUCKET, InBucket, copy_of
from tests.contract.crawler.mined import digest_of, mine, pictures
from tests.faithful.s3_faults import Fault, S3Faults
from tests.faithful.s3_server import READER
from tests.fakes.canary import has_canary
from tests.fakes.colour_services import ColourServices


@pytest.fixture(scope="session")
def template(mined, postgres):
    """A database with the catalogue of the mined folder, as the command that moves it makes it."""
    with postgres.database() as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LODESTONE_CRAWLER_CATALOGUE", postgres.address(url.database))
            assert to_postgresql.main(["--data", str(mined)]) == 0
            structlog.reset_defaults()
        yield url.database


@pytest.fixture
def place_of(mined, tmp_path, request, monkeypatch):
    """Makes a copy of what was mined, and lets the settings of the process lead there."""
    opened = []

    def make(kind):
        chosen = {}
        if "s3" in kind:
            chosen["server"] = request.getfixturevalue("s3_server")
        if "postgresql" in kind:
            postgres = request.getfixturevalue("postgres")
            database = postgres.database(request.getfixturevalue("template"))
            opened.append(database)
            chosen["database"] = postgres.address(database.__enter__().database)
        place = copy_of(mined, tmp_path / "data", **chosen)
        for name, text in place.environment.items():
            monkeypatch.setenv(name, text)
        return place

    yield make
    for database in opened:
        database.__exit__(None, None, None)


@pytest.fixture
def verify(tmp_path, capsys):
    """Runs the check with `--json`: the exit status, the problems, what was repaired, and the summary."""

    def run(*options, grace="0"):
        capsys.readouterr()
        status = main([f"--data={tmp_path / 'data'}", "--json", f"--grace={grace}", *options])
        *objects, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        problems = [one for one in objects if "kind" in one]
        done = [one for one in objects if "repaired" in one]
        return status, problems, done, last["summary"]

    yield run
    structlog.reset_defaults()


@pytest.fixture
def refused(tmp_path, capsys):
    """Runs a check that cannot be made; the one line that says why."""

    def run(*options):
        capsys.readouterr()
        assert main([f"--data={tmp_path / 'data'}", *options]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert not has_canary(err)
        return err.removeprefix("error: ").rstrip("\n")

    yield run
    structlog.reset_defaults()


def kinds(problems):
    return Counter(problem["kind"] for problem in problems)


def mends_as_told(verify, expected, *, mends):
    """One line of its kind; after a repair, what can be mended is well, and what cannot is told again."""
    status, problems, done, summary = verify()
    assert (status, kinds(problems), done) == (1, expected, [])
    assert summary["problems"] == expected
    assert all(problem["message"] for problem in problems)
    status, problems, done, _ = verify("--repair")
    assert (status, kinds(problems)) == (0 if mends else 1, expected)
    assert (len(done) == len(problems)) is mends
    if done:
        status, left, _, _ = verify()
        assert (status, len(left)) == (0 if mends else 1, len(problems) - len(done))


@pytest.mark.parametrize("kind", ["s3", "postgresql", "postgresql s3"])
def test_what_was_mined_is_well(place_of, verify, kind):
    """Wherever it is, and nothing is written anywhere; the summary is that of the folder."""
    place = place_of(kind)
    before = {path: place.content(path) for path in place.paths()}
    # Decoding takes longest, and is the same for all.
    deep = ["--deep"] if kind == "postgresql s3" else []
    status, problems, done, summary = verify(*deep)
    assert (status, problems, done) == (0, [], [])
    assert (summary["listing_count"], summary["image_count"]) == (len(pictures()), 7)
    blobs = [path for path in before if path.startswith("blobs/") and "." not in path]
    assert summary["byte_count"] == sum(len(before[path]) for path in blobs)
    assert not deep or summary["deep"]["decoded_count"] == 7
    assert {path: place.content(path) for path in place.paths()} == before
    assert not (place.data / "blobs").exists() or "s3" not in kind


@pytest.mark.parametrize("kind", ["folder", "s3"])
@pytest.mark.parametrize(
    ("break_it", "expected", "mends"), [pytest.param(*one, id=one[0].__name__) for one in FILES]
)
def test_files_that_break(place_of, verify, kind, break_it, expected, mends):
    """Each is named, and nothing else."""
    break_it(place_of(kind))
    mends_as_told(verify, expected, mends=mends)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("statements", "expected", "mends"), [pytest.param(*one[1:], id=one[0]) for one in ROWS]
)
def test_rows_that_break(place_of, verify, kind, statements, expected, mends):
    """Each is named, and nothing else."""
    place_of(kind).sql(*statements)
    mends_as_told(verify, expected, mends=mends)


def test_a_repair_loses_nothing(place_of, verify):
    """On S3 as in a folder: what is moved away is there, whole, a second one beside the first; the purged are gone."""
    place = place_of("s3")
    breakages.extra_bytes(place)
    verify("--repair")
    breakages.extra_bytes(place)
    place.overwrite(place.sidecar("find-1.png"), b"scribbled")
    breakages.purged_bytes_left(place)
    _, _, done, _ = verify("--repair")
    name, sidecar = (path.rpartition("/")[2] for path in (place.extra, place.sidecar("find-1.png")))
    aside = {path for path in place.paths() if path.startswith("set-aside/")}
    expected = {name: b"extra", f"{name}.2": b"extra", sidecar: b"scribbled"}
    assert aside == {f"set-aside/{one}" for one in expected}
    assert all(place.content(f"set-aside/{one}") == what for one, what in expected.items())
    assert not {place.blob("find-5.png"), place.extra} & place.paths()
    assert sorted(one["done"].split()[0] for one in done) == ["moved", "removed,", "written"]


def test_counts_that_are_made_anew_are_those_that_were(place_of, verify):
    """On PostgreSQL as on SQLite; the purged one counts as purged."""
    place = place_of("postgresql")
    query = "SELECT outcome_state, outcome_reason, verdict, known, count FROM crawl_counts"
    before = {row[:4]: row[4] for row in place.asked(query)}
    place.sql("DELETE FROM crawl_counts")
    assert verify("--repair")[0] == 0
    before[("FETCHED", "", "ACCEPTED", False)] -= 1
    before[("BLOCKED", "PURGED", "", False)] = 1
    assert {row[:4]: row[4] for row in place.asked(query)} == before


def test_names_that_people_remove_are_respected(place_of, verify):
    """On S3 they are counted, too."""
    place = place_of("s3")
    place.delete(place.kept("find-0.png"))
    status, problems, done, summary = verify("--repair")
    assert (status, problems, done, summary["removed_name_count"]) == (0, [], [], 1)


def test_what_is_young_may_be_on_its_way(place_of, verify):
    """By the clock of the service."""
    breakages.extra_bytes(place_of("s3"))
    status, problems, _, summary = verify(grace="3600")
    assert (status, problems, summary["young_count"]) == (0, [], 1)


def test_a_crawl_that_goes_on(tmp_path, postgres, s3_server):
    """Looked at again and again while it accepts, rejects and purges: nothing is wrong, and nobody waits."""
    looks = []
    bucket = InBucket(s3_server, f"live/{time.time_ns()}")

    with postgres.database() as url, ColourServices() as fakes:
        elsewhere = {"catalogue": postgres.address(url.database), **bucket.settings}

        def look(data):
            places = CheckedPlaces(CrawlerSettings(data=data, **elsewhere))
            places.require_noted()
            terms = CheckTerms(time.time(), grace_s=3600.0)
            with closing(places.open_catalogue()) as catalogue:
                check = Verification(catalogue, places.open_files(catalogue), terms, threads=2)
                assert list(check.check(lambda _: None)) == []
            looks.append(check.counts.image_count)

        data = mine(fakes, tmp_path, beside=look, **elsewhere)
        look(data)
    assert looks[-1] == 7
    assert len(set(looks)) > 2, looks


def test_a_crawler_that_has_the_catalogue(place_of, verify, refused):
    """It is checked all the same; a repair is refused with one line, and does nothing."""
    place = place_of("postgresql s3")
    breakages.extra_bytes(place)
    url = parse_server(place.settings["catalogue"])
    database = Database(url)
    try:
        assert kinds(verify()[1]) == {"ORPHAN": 1}
        said = refused("--repair")
    finally:
        database.close()
    assert said == (
        f"a crawler uses the PostgreSQL database '{url.database}' on 127.0.0.1; nothing was repaired: "
        "stop the crawler first"
    )
    assert place.extra in place.paths()
    assert verify("--repair")[0] == 0


def test_crawlers_that_share_the_catalogue(place_of, refused):
    """Several may have the lock together: the repair still waits for all of them to end."""
    place = place_of("postgresql")
    take = "SELECT pg_advisory_lock_shared(1282368613, hashtext(current_schema()))"
    with psycopg.connect(place.settings["catalogue"]) as crawler:
        crawler.execute(take)
        assert "nothing was repaired" in refused("--repair")


def test_no_crawler_starts_during_a_repair(place_of):
    """The lock is held until it is closed."""
    settings = CrawlerSettings(data=place_of("postgresql").data)
    lock = CheckedPlaces(settings).lock()
    url = parse_server(settings.catalogue.get_secret_value())
    with pytest.raises(Exception, match="somebody has it to himself"):
        Database(url, patience_s=0.0)
    lock.close()
    Database(url, patience_s=5.0).close()


def test_a_table_that_somebody_locks(place_of, refused, monkeypatch):
    """The check does not wait for ever."""
    place = place_of("postgresql")
    module = "services.crawler.verifying.catalogue_server"
    monkeypatch.setattr(f"{module}._SESSION", "SET lock_timeout = '200ms'")
    with psycopg.connect(place.settings["catalogue"]) as stranger:
        stranger.execute("LOCK TABLE listings")
        assert "canceling statement due to lock timeout" in refused()


def test_a_shell_without_the_crawlers_settings(place_of, refused, monkeypatch, mined):
    """The note that the crawler left says where things are; nothing is told as missing, and nothing is repaired."""
    place = place_of("postgresql s3")
    note = place.data / "places.json"
    where = {
        "catalogue": "the PostgreSQL database 'lodestone' on db",
        "store": place.settings["store"],
    }
    note.write_text(json.dumps(where))
    for name in place.environment:
        monkeypatch.delenv(name)
    for options in ([], ["--repair"]):
        assert refused(*options) == (
            f"the crawler of {place.data} has its catalogue in the PostgreSQL database 'lodestone' on db, and the "
            "settings here name catalog.sqlite: set LODESTONE_CRAWLER_CATALOGUE as for that crawler, or delete "
            f"{note} if it is out of date"
        )
    monkeypatch.setenv("LODESTONE_CRAWLER_CATALOGUE", place.settings["catalogue"])
    said = refused()
    assert f"has its images in {place.settings['store']}" in said
    assert "set LODESTONE_CRAWLER_STORE as for that crawler" in said
    # The other way round: the crawler has everything in its folder.
    shutil.rmtree(place.data)
    shutil.copytree(mined, place.data)
    assert "has its catalogue in catalog.sqlite" in refused()
    monkeypatch.delenv("LODESTONE_CRAWLER_CATALOGUE")
    monkeypatch.setenv("LODESTONE_CRAWLER_STORE", place.settings["store"])
    assert "has its images in the data folder" in refused()


def test_secrets_may_be_in_files(place_of, verify, tmp_path, monkeypatch):
    """As for the crawler."""
    place = place_of("postgresql s3")
    for name in ("CATALOGUE", "STORE_SECRET_ACCESS_KEY"):
        (tmp_path / name).write_text(place.settings[name.lower()] + "\n")
        monkeypatch.delenv(f"LODESTONE_CRAWLER_{name}")
        monkeypatch.setenv(f"LODESTONE_CRAWLER_{name}_FILE", str(tmp_path / name))
    assert verify()[:2] == (0, [])


def test_another_bucket(place_of, refused, monkeypatch):
    """One that has none of the images is another one: it is told so once, not for every image."""
    place_of("s3")
    monkeypatch.setenv("LODESTONE_CRAWLER_STORE", str(S3Address(BUCKET, "empty")))
    assert "the store has none of the newest 7 kept images" in refused("--repair")


def test_keys_that_may_only_read(place_of, verify, monkeypatch, capsys):
    """They are enough for a check; a repair says after it what is missing, and everything stays as it is."""
    place = place_of("s3")
    monkeypatch.setenv("LODESTONE_CRAWLER_STORE_ACCESS_KEY_ID", READER.access_key_id)
    monkeypatch.setenv("LODESTONE_CRAWLER_STORE_SECRET_ACCESS_KEY", READER.secret_access_key)
    assert verify()[:2] == (0, [])
    breakages.sidecar_edited(place)
    before = place.content(place.sidecar("find-1.png"))
    assert main([f"--data={place.data}", "--repair"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("SIDECAR_DIFFERS ")
    assert out.count("\n") == 1
    assert err.startswith(f"error: the store {place.settings['store']} ")
    assert "permission is denied" in err
    assert place.content(place.sidecar("find-1.png")) == before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STORE_SECRET_ACCESS_KEY", "another-secret", "the secret access key does not fit"),
        ("STORE_ACCESS_KEY_ID", "nobody", "the access key id is not known there"),
        ("STORE", "s3://no-such-bucket/at-all", "no such bucket"),
        ("STORE", "/a/folder", "the store is s3://bucket/prefix"),
        ("CATALOGUE", "mysql://h/d", "not an address like postgresql://"),
    ],
)
def test_settings_that_lead_nowhere(place_of, refused, monkeypatch, name, value, said):
    """One line each."""
    place_of("postgresql s3")
    monkeypatch.setenv(f"LODESTONE_CRAWLER_{name}", value)
    assert said in refused()


def test_a_server_that_is_away(place_of, refused, monkeypatch):
    """One line with its place, and without the password."""
    place = place_of("postgresql")
    url = parse_server(place.settings["catalogue"]).set(port=1, drivername="postgresql")
    monkeypatch.setenv("LODESTONE_CRAWLER_CATALOGUE", url.render_as_string(hide_password=False))
    assert f"the PostgreSQL database '{url.database}' on 127.0.0.1 cannot be read: " in refused()


def test_a_store_that_goes_away_meanwhile(place_of, s3_server, monkeypatch, capsys):
    """The check ends with one line: what was not looked at is not said to be well."""
    place = place_of("s3")
    with S3Faults(s3_server.port) as faults:
        monkeypatch.setenv("LODESTONE_CRAWLER_STORE_ENDPOINT", faults.endpoint)
        faults.always("GET", place.sidecar("find-3.png"), Fault.TELLS_KEYS)
        assert main([f"--data={place.data}"]) == 1
    out, err = capsys.readouterr()
    assert "all is well" not in out
    assert err.startswith(f"error: the store {place.settings['store']} is unavailable: ")
    assert err.count("\n") == 1


def test_damage_that_the_server_finds(place_of, verify, postgres):
    """A page that was changed on its disk ends the check, as nothing else would mean anything; no repair touches it."""
    place = place_of("postgresql")
    database = parse_server(place.settings["catalogue"]).database
    postgres.damage("candidates", database)
    for options in ([], ["--repair"]):
        status, problems, done, _ = verify(*options)
        assert (status, kinds(problems), done) == (1, {"CATALOGUE_DAMAGED": 1}, [])
        assert "table candidates: " in problems[0]["message"]
        assert "invalid page" in problems[0]["message"]


def test_a_tampered_find(place_of, verify):
    """What is told of an image on PostgreSQL and S3 names it: digest, key and the address that it came from."""
    place = place_of("postgresql s3")
    breakages.cut(place)
    [problem] = verify()[1]
    assert problem["digest"] == digest_of("find-0.png")
    assert problem["path"] == place.blob("find-0.png")
    assert problem["url"].endswith("find-0.png")
