"""Another threshold for what is known: real services, a site on loopback that counts what it is asked for."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter

import pytest

from samples.site_server import serve
from tests.e2e.conftest import Lodestone, wait_for

pytestmark = pytest.mark.e2e

COPIES = ("copy-resized.jpg", "copy-exact.jpg")


class Site:
    """A running Lodestone that has crawled a site of pictures under a strict `hills@1`; `hills@2` is looser."""

    def __init__(self, running, server, urls):
        self.running, self.server, self.urls = running, server, urls

    def fetched(self):
        """How often each picture was asked for."""
        names = (path.lstrip("/") for path in self.server.requests)
        return Counter(name for name in names if name.endswith((".jpg", ".png")))

    def kept(self):
        """The names of the pictures that are kept, and that each is there as it should be."""
        images = self.running.ask("images", "list", "--profile", "hills")
        assert len({one["digest"] for one in images}) == len(images)
        folder = self.running.data / "kept" / "hills"
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            one["file_name"] for one in images
        )
        for one in images:
            blob = self.running.data / "blobs" / one["digest"][:2] / one["digest"]
            assert (folder / one["file_name"]).samefile(blob)
            judged = json.loads(blob.with_suffix(".json").read_text())["judgements"]
            assert f"hills@{one['profile_version']}" in judged
        return {name_of(one) for one in images}

    def rejudge(self, *words):
        """What changes, by the picture's name, the summary, and what the crawl printed."""
        objects = self.running.ask("rejudge", "--profile", "hills", *words)
        [place] = [place for place, one in enumerate(objects) if "summary" in one]
        changes = {name_of(one): one for one in objects[:place]}
        return changes, objects[place]["summary"], objects[place + 1 :]


def name_of(one):
    return one["url"].rpartition("/")[2]


@pytest.fixture
def site(tmp_path, pictures):
    folder = tmp_path / "site"
    folder.mkdir()
    names = sorted(
        path.name
        for path in (pictures / "site").iterdir()
        if path.name.startswith(("find-", "graphic-")) or path.name in COPIES
    )
    for name in names:
        shutil.copy(pictures / "site" / name, folder)
    with serve(folder) as server:
        urls = tmp_path / "urls.txt"
        urls.write_text("".join(f"{server.url}{name}\n" for name in names))
        running = Lodestone(tmp_path, "--allow-address", f"127.0.0.1:{server.port}")
        running.start()
        try:
            running.ask("profile", "fit", "hills", str(pictures / "liked"), "--keep-ratio", "0.3")
            running.ask("crawl", str(urls), "--profile", "hills")
            running.ask("profile", "set", "hills", "--keep-ratio", "0.95")
            yield Site(running, server, urls)
        finally:
            running.stop()


def test_a_looser_threshold_and_a_stricter_one(site):
    """What is newly accepted is fetched once more and kept once; what stays out is not asked for again."""
    strict, asked = site.kept(), site.fetched()
    assert set(asked.values()) == {1}
    changes, planned, _ = site.rejudge("--dry-run")
    newly = {name for name, one in changes.items() if one["action"] == "FETCH"}
    assert len(newly) >= 3
    assert not any(name.startswith("graphic-") for name in newly)
    assert planned["fetch_count"] == len(newly)
    assert (site.kept(), site.fetched()) == (strict, asked)

    changes, summary, (_, *settled, last) = site.rejudge()
    assert {name for name, one in changes.items() if one["action"] == "FETCH"} == newly
    assert {name_of(one) for one in settled} == newly
    assert last["crawl"]["state"] == "COMPLETED"
    assert last["crawl"]["sources"] == []
    accepted = {name_of(one) for one in settled if one["verdict"] == "ACCEPTED"}
    assert site.kept() == strict | accepted
    # Of pictures that are the same one is kept, and the other is not even fetched if its copy came first.
    assert newly - accepted <= {"find-0.jpg", "copy-resized.jpg"}
    again = site.fetched() - asked
    assert set(again.values()) == {1}
    assert accepted <= set(again) <= newly
    assert summary["crawl_id"] == last["crawl"]["crawl_id"]

    loose, asked = site.kept(), site.fetched()
    changes, summary, rest = site.rejudge()
    assert (changes, rest, summary["crawl_id"]) == ({}, [], None)
    assert summary["judged_count"] == 0
    site.running.ask("profile", "set", "hills", "--keep-ratio", "0.05")
    changes, summary, rest = site.rejudge()
    stays = {name for name, one in changes.items() if one["action"] == "STAYS_KEPT"}
    assert stays
    assert stays <= loose
    assert summary["dropped_count"] == len(stays)
    assert (rest, site.kept(), site.fetched()) == ([], loose, asked)


def test_killing_the_crawler_while_it_fetches_again(site, tmp_path):
    """`up` starts it again, and the images that are newly accepted are kept once each."""
    strict = site.kept()
    _, planned, _ = site.rejudge("--dry-run")
    with (tmp_path / "rejudge.out").open("wb") as output:
        rejudging = site.running.popen("rejudge", "--profile", "hills", "--json", stdout=output)
        wait_for(lambda: b'{"summary"' in (tmp_path / "rejudge.out").read_bytes())
        first = site.running.pid("crawler")
        os.kill(first, signal.SIGKILL)
        site.running.verify()
        assert rejudging.wait(120) == 0, (tmp_path / "rejudge.out").read_text()
    assert site.running.pid("crawler") not in (None, first)
    kept = site.kept()
    assert strict < kept
    assert len(kept - strict) >= planned["fetch_count"] - 1
    changes, summary, _ = site.rejudge()
    assert (changes, summary["judged_count"]) == ({}, 0)
    assert site.running.verify("--deep")["image_count"] == len(kept)
