"""A crawl that follows its sources: what comes later is found, restarts lose nothing, sources are added."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest

from tests.e2e.conftest import Lodestone, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def running(tmp_path, pictures):
    running = Lodestone(tmp_path)
    running.start()
    try:
        running.ask("profile", "fit", "hills", str(pictures / "liked"))
        yield running
    finally:
        running.stop()


def kept_urls(running):
    return {image["url"].rpartition("/")[2] for image in running.ask("images", "list")}


def test_what_comes_later_is_found(running, tmp_path, pictures):
    """A watched folder, a crawler killed in between, and a folder that is added: each picture is found once."""
    watched, added = tmp_path / "watched", tmp_path / "added"
    for folder, name in ((watched, "find-0.jpg"), (added, "find-1.jpg")):
        folder.mkdir()
        shutil.copy(pictures / "site" / name, folder)
    started = running.ask(
        *("crawl", str(watched), "--profile", "hills"), *("--follow", "--poll", "1", "--detach")
    )
    crawl_id = started[-1]["crawl"]["crawl_id"]
    wait_for(lambda: kept_urls(running) == {"find-0.jpg"})

    first = running.pid("crawler")
    os.kill(first, signal.SIGKILL)
    running.verify()
    shutil.copy(pictures / "site" / "find-2.jpg", watched)
    wait_for(lambda: running.pid("crawler") not in (None, first))
    wait_for(lambda: running.run("images", "list", "--json").returncode == 0)
    wait_for(lambda: kept_urls(running) == {"find-0.jpg", "find-2.jpg"})

    running.ask("crawl", str(added), "--add-to", crawl_id, "--detach")
    wait_for(lambda: "find-1.jpg" in kept_urls(running))
    shutil.copy(pictures / "site" / "find-4.jpg", watched)
    wait_for(lambda: "find-4.jpg" in kept_urls(running))

    crawl = pause(running, crawl_id, tmp_path)
    first_source, second_source = crawl["source_statuses"]
    assert (first_source["follow"], second_source["follow"]) == (True, False)
    assert (first_source["listed_count"], second_source["state"]) == (3, "DONE")
    assert (crawl["found_count"], crawl["repeated_count"]) == (4, 0)
    assert running.verify()["image_count"] == 4


def pause(running, crawl_id, folder):
    """Watches the crawl, presses Ctrl-C, and returns what is left standing."""
    with (folder / "watch.out").open("wb") as output:
        watch = running.popen("crawl", "--resume", crawl_id, "--json", stdout=output)
        # The first line shows that it has begun: from then on Ctrl-C pauses.
        wait_for(lambda: (folder / "watch.out").stat().st_size > 0)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 130
    lines = [line for line in (folder / "watch.out").read_text().splitlines() if line[:1] == "{"]
    return json.loads(lines[-1])["crawl"]
