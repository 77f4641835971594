"""Manifests that somebody changed."""

from __future__ import annotations

import json

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.moving.manifest import (
    Horizon,
    Manifest,
    ShardEntry,
    Terms,
    read_manifest,
)

MANIFEST = Manifest(
    Terms("folder", profile="landscapes"),
    Horizon(9, "a" * 64, "2026-11-26T10:00:00.123456789Z"),
    [ShardEntry("shard-000000", 1, 2, "b" * 64, 3, 4)],
    {"c" * 64: "its stored bytes are gone"},
)


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    """Every field."""
    path = tmp_path / "manifest.json"
    assert read_manifest(path) is None
    path.write_bytes(MANIFEST.to_json())
    assert read_manifest(path) == MANIFEST
    assert MANIFEST.image_count == 1


def shard(**fields):
    facts = json.loads(MANIFEST.to_json())
    return {"shards": [facts["shards"][0] | fields]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "none that Lodestone wrote"),
        ({"kind": "other"}, "none that Lodestone wrote"),
        ({"format_version": 2}, "version 2, not 1"),
        ({"terms": {}}, "a field is missing"),
        ({"shards": 7}, "a field is missing"),
        ({"horizon": None}, "a field is missing"),
        (shard(name="../../etc"), "no name of a shard"),
        (shard(name="/etc"), "no name of a shard"),
        (shard(name=".."), "no name of a shard"),
        (shard(name=7), "a field is missing"),
        (shard(image_count="many"), "makes no sense"),
        ({"shards": shard()["shards"] * 2}, "makes no sense"),
    ],
)
def test_what_cannot_be_read(change, reason, tmp_path):
    """One line that says why."""
    path = tmp_path / "manifest.json"
    facts = json.loads(MANIFEST.to_json())
    path.write_bytes(change if isinstance(change, bytes) else json.dumps(facts | change).encode())
    with pytest.raises(CliError, match=f"manifest.json cannot be read: .*{reason}|{reason}"):
        read_manifest(path)


def test_a_manifest_that_is_a_link(tmp_path):
    """It is not followed."""
    (tmp_path / "manifest.json").symlink_to("/etc/passwd")
    with pytest.raises(CliError, match="cannot be read"):
        read_manifest(tmp_path / "manifest.json")
