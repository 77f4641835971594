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


def horizon(**fields):
    facts = json.loads(MANIFEST.to_json())
    return {"horizon": facts["horizon"] | fields}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "none that Lodestone wrote"),
        ({"kind": "other"}, "none that Lodestone wrote"),
        ({"format_version": 2}, "version 2, not 1"),
        ({"terms": {}}, "terms.format is missing"),
        ({"terms": 7}, "terms is 7, and should be an object"),
        ({"shards": 7}, "shards is missing, or no list"),
        ({"horizon": None}, "horizon is null, and should be an object"),
        (horizon(time="noon"), "horizon makes no sense"),
        (horizon(sequence=2**70), "horizon makes no sense"),
        (horizon(colour="red"), "horizon has a field that is not known here, .colour"),
        ({"left_out": [1]}, "left_out is missing, or no object of texts"),
        ({"shards": []}, "its image_count is 1, and its shards have 0"),
        (shard(name="../../etc"), "no name of a shard"),
        (shard(name="/etc"), "no name of a shard"),
        (shard(name=".."), "no name of a shard"),
        (shard(name=7), r"shards\[0\].name is 7, and should be a text"),
        (
            shard(image_count="many"),
            r"shards\[0\].image_count is .many., and should be a whole number",
        ),
        (shard(image_count=0), "makes no sense"),
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
