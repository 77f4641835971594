"""A profile from its first fit to its deletion, with the real services."""

from __future__ import annotations

import asyncio
import hashlib
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lodestone.client import EmbedderClient
from lodestone.image.v1.image_pb2 import Image

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folders(pictures, tmp_path_factory):
    """Twenty of the liked hills, five others, and ten graphics as a background."""
    folder = tmp_path_factory.mktemp("refit")
    liked = sorted((pictures / "liked").iterdir())
    for name, paths in (
        ("liked", liked[:20]),
        ("more", liked[20:25]),
        ("ordinary", sorted((pictures / "site").glob("graphic-*"))),
    ):
        (folder / name).mkdir()
        for path in paths:
            shutil.copy(path, folder / name)
    return folder


@pytest.fixture(scope="module")
def fitted(lodestone, folders):
    """`slopes@1`."""
    (report,) = lodestone.ask(
        "profile",
        "fit",
        "slopes",
        str(folders / "liked"),
        "--background",
        str(folders / "ordinary"),
    )
    return report


def test_photos_become_a_profile_with_thumbnails(fitted):
    """One for each of twenty."""
    assert fitted["profile"]["version"] == 1
    assert fitted["marked_count"] == fitted["thumbnail_count"] == 20
    assert fitted["unmarked_count"] == 0


def test_a_refit_adds_and_removes(lodestone, folders, fitted, tmp_path):
    """Five come, one goes by its file and one by its name; the background stays; a second refit is the first's like."""
    shutil.copy(folders / "liked" / "hill-00.jpg", tmp_path)
    options = ("--add", str(folders / "more"), "--remove", str(tmp_path))
    named = ("--remove-image", "hill-01.jpg")
    (report,) = lodestone.ask("profile", "refit", "slopes@1", *options, *named)
    assert (report["added_count"], report["removed_count"]) == (5, 2)
    profile = report["profile"]
    assert (profile["liked_count"], profile["background_count"]) == (23, 8)
    assert report["marked_count"] == 5
    assert report["thumbnail_count"] == 23
    (again,) = lodestone.ask("profile", "refit", "slopes@1", *options, *named)
    assert again["profile"]["version"] == profile["version"] + 1
    assert again["profile"]["threshold_nats"] == profile["threshold_nats"]
    refused = lodestone.run("profile", "refit", f"slopes@{profile['version']}", *named)
    assert refused.returncode == 1
    assert refused.stderr.endswith("was not fitted to an image 'hill-01.jpg'\n")


def test_the_same_photos_embedded_again_are_the_same_profile(lodestone, folders, fitted):
    """The encoder has not changed: neither has the taste."""
    (report,) = lodestone.ask(
        *("profile", "refit", "slopes@1", "--photos", str(folders / "liked")),
        *("--background", str(folders / "ordinary")),
    )
    assert report["embedded_again_count"] == 20
    assert report["profile"]["threshold_nats"] == pytest.approx(fitted["profile"]["threshold_nats"])


def test_another_threshold_is_another_version(lodestone, fitted):
    """Set once; setting it again changes nothing."""
    (first,) = lodestone.ask("profile", "set", "slopes@1", "--keep-ratio", "0.7")
    version = f"slopes@{first['profile']['version']}"
    assert first["before"]["version"] == 1
    assert first["profile"]["threshold_nats"] > first["before"]["threshold_nats"]
    (second,) = lodestone.ask("profile", "set", version, "--keep-ratio", "0.7")
    assert second["profile"]["version"] == first["profile"]["version"]


async def embedded(lodestone, folder):
    """The embeddings of a folder's photos, and their digests, by the embedder itself."""
    rows, digests = [], []
    async with EmbedderClient(lodestone.environment["LODESTONE_EMBEDDER"]) as embedder:
        for path in sorted(folder.iterdir()):
            encoded = path.read_bytes()
            result = await embedder.embed(Image(encoded=encoded))
            rows.append(list(result.value.values))
            digests.append(hashlib.sha256(encoded).hexdigest())
    return np.array(rows, np.float32), digests


def test_embeddings_from_files_are_the_same_taste(lodestone, folders, tmp_path):
    """`.npy` and Parquet, scaled, give the threshold that the photos give; a row goes by its photo."""
    rows, digests = asyncio.run(embedded(lodestone, folders / "liked"))
    np.save(tmp_path / "liked.npy", rows * 7)
    columns = {
        "embedding": pa.array((rows * 7).tolist(), pa.list_(pa.float32())),
        "digest": digests,
    }
    pq.write_table(pa.table(columns), tmp_path / "liked.parquet")
    said = ("--encoder-id", "served")
    (photos,) = lodestone.ask("profile", "fit", "photos", str(folders / "liked"))
    for name in ("liked.npy", "liked.parquet"):
        (report,) = lodestone.ask("profile", "fit", "files", str(tmp_path / name), *said)
        wanted = photos["profile"]["threshold_nats"]
        assert report["profile"]["threshold_nats"] == pytest.approx(wanted, abs=0.1)
        assert (report["unmarked_count"], report["thumbnail_count"]) == (20, 0)
        one = folders / "one"
        one.mkdir(exist_ok=True)
        shutil.copy(folders / "liked" / "hill-07.jpg", one)
        (refitted,) = lodestone.ask("profile", "refit", "files", "--remove", str(one))
        assert refitted["removed_count"] == 1


def test_what_was_kept_is_liked(lodestone, pictures, fitted):
    """All of it as a profile, one of it added to another and taken out again."""
    lodestone.ask("crawl", str(pictures / "site"), "--profile", "slopes@1")
    kept = lodestone.ask("images", "list", "--profile", "slopes")
    assert kept
    digest = kept[0]["digest"]
    (added,) = lodestone.ask("profile", "refit", "slopes@1", "--add-image", digest[:8])
    assert (added["added_count"], added["marked_count"]) == (1, 0)
    assert added["thumbnail_count"] == 21
    version = f"slopes@{added['profile']['version']}"
    (removed,) = lodestone.ask("profile", "refit", version, "--remove-image", digest)
    assert removed["profile"]["liked_count"] == 20
    (both,) = lodestone.ask("profile", "fit", "slopes", str(pictures / "liked"), "kept:slopes")
    assert both["profile"]["liked_count"] == 30 + len(kept)


def test_versions_are_deleted(lodestone, folders):
    """One, then the others; a number is not given out again."""
    fit = ("profile", "fit", "brief", str(folders / "liked"))
    for version in (1, 2):
        (report,) = lodestone.ask(*fit)
        assert report["profile"]["version"] == version
    (one,) = lodestone.ask("profile", "delete", "brief@2", "--yes")
    assert one == {"name": "brief", "versions": [2], "newest_version": 1}
    (report,) = lodestone.ask(*fit)
    assert report["profile"]["version"] == 3
    (others,) = lodestone.ask("profile", "delete", "brief", "--yes")
    assert (others["versions"], others["newest_version"]) == ([1, 3], None)
    assert lodestone.run("profile", "show", "brief").returncode == 1


def test_too_few_are_refused_and_few_are_warned_of(lodestone, folders):
    """Under 8 the number that is needed; under 30 what that does to the interval."""
    refused = lodestone.run("profile", "fit", "few", str(folders / "more"))
    assert refused.returncode == 1
    assert refused.stderr == ("error: a profile needs 8 liked images at least, and there are 5\n")
    warned = lodestone.run("profile", "fit", "few", str(folders / "liked"))
    assert "warning: 20 liked images make a small profile: of new ones like them " in warned.stderr
    assert "30 or more make that narrower" in warned.stderr
