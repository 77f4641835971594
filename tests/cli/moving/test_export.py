"""`lodestone export` before it asks anybody."""

from __future__ import annotations

import pytest


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
