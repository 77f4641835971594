"""`lodestone export` before it asks anybody."""

from __future__ import annotations

import json

import pytest

from tests.cli.moving.made import exported


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--format", "zip"), "zip"),
        (("--without-bytes",), "--format parquet"),
        (("--since", "yesterday"), "'yesterday' is no time"),
        (("--until", "0001-01-01T00:00+14:00"), "is no time"),
        (("--shard-images", "0"), "--shard-images"),
    ],
)
def test_a_command_that_cannot_be_meant(options, reason, cli, tmp_path):
    """One line, status 2, and no folder."""
    refused = cli("export", tmp_path / "out", *options)
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert reason in refused.err
    assert not (tmp_path / "out").exists()


def test_no_crawler(cli, tmp_path, monkeypatch):
    """It says so, and makes no folder."""
    monkeypatch.setenv("LODESTONE_CRAWLER", "127.0.0.1:9")
    refused = cli("export", tmp_path / "out")
    assert refused.status == 1
    assert "cannot reach the crawler service" in refused.err
    assert not (tmp_path / "out").exists()


def test_a_source_is_given_as_to_a_crawl(cli, services, tmp_path, monkeypatch):
    """A path is made absolute; a first export without images has nothing that could be old."""
    monkeypatch.chdir(tmp_path)
    done = cli("export", tmp_path / "out", "--source", "photos")
    assert (done.status, services.crawler.exports[0].source) == (0, str(tmp_path / "photos"))
    assert done.out.startswith("nothing to export; ")
    terms = json.loads((tmp_path / "out" / "manifest.json").read_text())["terms"]
    assert terms["source"] == str(tmp_path / "photos")


def test_what_was_left_out_is_tried_again(cli, services, tmp_path):
    """Until it is whole, or purged, each export says so and ends with status 1."""
    _, second, third = services.crawler.exported = [exported(seed) for seed in range(3)]
    encoded = second.encoded
    for image in (second, third):
        image.encoded = b"other bytes"
    digests = sorted(image.record.digest for image in (second, third))
    done = cli("export", tmp_path)
    assert (done.status, done.out.partition(";")[0]) == (
        1,
        "1 image exported, 2 left out, to be tried again next time",
    )
    again = cli("export", tmp_path)
    assert list(services.crawler.exports[-1].left_out_digests) == digests
    assert (again.status, again.err.count("left out")) == (1, 2)
    second.encoded = encoded
    done = cli("export", tmp_path, "--json")
    assert done.status == 1
    assert done.objects()[-1]["summary"] == {
        "image_count": 1,
        "left_out_count": 1,
        "exported_count": 2,
        "shard_count": 2,
    }
    assert list(services.crawler.exports[-1].left_out_digests) == digests
    services.crawler.exported = []
    done = cli("export", tmp_path)
    assert (done.status, done.out.partition(";")[0]) == (0, "nothing new")
    cli("export", tmp_path)
    assert list(services.crawler.exports[-1].left_out_digests) == []


def test_more_left_out_than_can_be_asked_for(cli, services, tmp_path):
    """Nothing is dropped in silence: another folder is needed."""
    assert cli("export", tmp_path).status == 0
    path = tmp_path / "manifest.json"
    facts = json.loads(path.read_text())
    facts["left_out"] = {f"{number:064x}": "gone" for number in range(100_001)}
    path.write_text(json.dumps(facts))
    refused = cli("export", tmp_path)
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    assert "100,001 images were left out of this export" in refused.err
