from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.conftest import WORDS, Lodestone, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def undisturbed(lodestone, pictures):
    """What a crawl that nobody disturbs keeps."""
    lodestone.ask("crawl", str(pictures / "site"), "--profile", "hills")
    return sorted(image["digest"] for image in lodestone.ask("images", "list"))


@pytest.mark.parametrize("word", WORDS)
def test_sigkill_during_a_crawl_changes_nothing(word, tmp_path, pictures, undisturbed):
    """Killing a service in the middle, which `up` starts again, ends with the same images."""
    running = Lodestone(tmp_path)
    running.start()
    try:
        running.ask("profile", "fit", "hills", str(pictures / "liked"))
        with (tmp_path / "crawl.out").open("wb") as output:
            crawl = running.popen(
                "crawl", str(pictures / "site"), "--profile", "hills", "--json", stdout=output
            )
            wait_for(lambda: (tmp_path / "crawl.out").stat().st_size > 0)
            first = running.pid(word)
            os.kill(first, signal.SIGKILL)
            running.verify()
            wait_for(lambda: running.pid(word) not in (None, first))
            assert crawl.wait(120) == 0, (tmp_path / "crawl.out").read_text()
        kept = sorted(image["digest"] for image in running.ask("images", "list"))
        checked = running.verify("--deep")
    finally:
        running.stop()
    assert checked["image_count"] == checked["deep"]["embedded_count"] == len(kept)
    assert running.verify()["image_count"] == len(kept)
    # Which of two near copies comes first may differ; that there is one of each may not.
    assert len(kept) == len(undisturbed)
    assert len(set(kept) & set(undisturbed)) >= len(undisturbed) - 2
