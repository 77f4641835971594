"""Inputs of all kinds, through `lodestone profile fit`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lodestone.crawler.v1.kept_image_pb2 import FILE_STATE_REMOVED
from lodestone.image.v1.embedding_pb2 import PRECISION_BF16, PRECISION_FP16, PRECISION_FP32
from lodestone.novelty.v1 import profile_pb2
from tests.cli.conftest import png
from tests.cli.crawler_messages import keep_pictures
from tests.cli.fake_embedder import ENCODER_ID

OTHER_ID = "0" * 64


def keep(services, count, *, profile="landscapes", first=0):
    """Lays so many pictures into the store; returns their digests."""
    pictures = [png(20, 20 + number) for number in range(first, first + count)]
    return keep_pictures(services.crawler, pictures, profile=profile)


@pytest.fixture
def rows():
    """Twelve rows of four numbers."""
    return np.random.default_rng(7).normal(size=(12, 4)).astype(np.float32)


@pytest.fixture
def npy(tmp_path, rows):
    """The rows in a file."""
    np.save(tmp_path / "clip.npy", rows)
    return tmp_path / "clip.npy"


def test_fit_takes_embeddings_from_npy(cli, services, npy, rows):
    """Normed, of the stated encoder and precision; labelled by their place; nothing to mark or to show."""
    result = cli("profile", "fit", "clip", npy, "--encoder-id", OTHER_ID, "--precision", "fp16")
    assert result.status == 0
    ((_, liked, _),) = services.novelty.fits
    wanted = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose([one.values for one in liked], wanted, atol=1e-6)
    assert {(one.encoder_id, one.precision) for one in liked} == {(OTHER_ID, PRECISION_FP16)}
    assert [label.name for label in services.novelty.labels[0]][:2] == [
        "clip.npy[0]",
        "clip.npy[1]",
    ]
    assert services.crawler.seen == []
    assert services.novelty.thumbnails == {"clip@1": []}
    assert result.out.splitlines()[-1] == (
        "12 embeddings without a photo at hand: a crawl may keep copies of these"
    )


def test_fit_from_files_needs_the_novelty_service_alone(cli, services, npy, monkeypatch):
    """Neither embedder nor crawler."""
    for name in ("EMBEDDER", "CRAWLER"):
        monkeypatch.setenv(f"LODESTONE_{name}", "127.0.0.1:1")
    assert cli("profile", "fit", "clip", npy, "--encoder-id", OTHER_ID).status == 0
    ((_, liked, _),) = services.novelty.fits
    assert liked[0].precision == PRECISION_FP32


def test_fit_from_npy_must_say_the_encoder(cli, services, npy):
    """One line, with the way out; `served` asks the embedder, and any name but those of encoders is refused."""
    result = cli("profile", "fit", "clip", npy)
    assert result.status == 1
    assert result.err == (
        f"error: {npy} does not say which encoder made it: --encoder-id does, by an encoder's id or name, "
        "or `served`\n"
    )
    assert cli("profile", "fit", "clip", npy, "--encoder-id", "served").status == 0
    assert services.novelty.fits[0][1][0].encoder_id == ENCODER_ID
    result = cli("profile", "fit", "clip", npy, "--encoder-id", "efficientnet-lite0")
    assert "has rows of 4 numbers, and the encoder b429d42dd712… makes 1,280" in result.err
    result = cli("profile", "fit", "clip", npy, "--encoder-id", "clap")
    assert "not 'clap'; there is efficientnet-lite0" in result.err
    assert len(services.novelty.fits) == 1


def test_fit_takes_embeddings_from_parquet(cli, services, tmp_path, rows):
    """As liked ones and as a background, each with its own word on the encoder."""
    path = tmp_path / "clip.parquet"
    columns = {
        "embedding": pa.array(rows.tolist(), pa.list_(pa.float32())),
        "encoder_id": pa.array([OTHER_ID] * 12),
        "precision": pa.array(["bf16"] * 12),
        "digest": pa.array(["ab" * 32] * 12),
        "name": pa.array([f"{row}.jpg" for row in range(12)]),
    }
    pq.write_table(pa.table(columns), path)
    assert cli("profile", "fit", "clip", path, "--background", path).status == 0
    ((_, liked, background),) = services.novelty.fits
    assert len(liked) == len(background) == 12
    assert {(one.encoder_id, one.precision) for one in liked} == {(OTHER_ID, PRECISION_BF16)}
    assert services.novelty.labels[0][3] == profile_pb2.ImageLabel(digest="ab" * 32, name="3.jpg")


def test_fit_names_the_row_that_is_none(cli, services, tmp_path, rows):
    """The stream to the service is given up."""
    rows[7] = 0
    np.save(tmp_path / "clip.npy", rows)
    result = cli("profile", "fit", "clip", tmp_path / "clip.npy", "--encoder-id", OTHER_ID)
    assert result.status == 1
    assert result.err == (
        f"error: {tmp_path / 'clip.npy'}: row 7 has only zeros (rows count from 0)\n"
    )
    assert cli("profile", "list", "--json").objects() == []


def test_fit_takes_several_inputs_together(cli, services, photos, npy):
    """In the order of the command line."""
    keep(services, 3)
    result = cli(
        *("profile", "fit", "all", photos, npy, "kept:landscapes", "--encoder-id", "served"),
        "--json",
    )
    (fitted,) = result.objects()
    assert fitted["profile"]["liked_count"] == 25
    assert fitted["unmarked_count"] == 12
    names = [label.name for label in services.novelty.labels[0]]
    assert names[9:11] == ["more/last.PNG", "clip.npy[0]"]
    assert names[22:] == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--encoder-id", OTHER_ID),
            "is of encoder 000000000000…, and {} of encoder eeeeeeeeeeee…",
        ),
        (
            ("--encoder-id", "served", "--precision", "bf16"),
            "is of precision bf16, and {} of precision fp32",
        ),
    ],
)
def test_fit_refuses_embeddings_that_do_not_go_together(cli, services, photos, npy, options, says):
    """One line that names both inputs, before anything is sent."""
    result = cli("profile", "fit", "clip", photos, npy, *options)
    assert result.status == 1
    assert f"error: {npy} {says.format(photos)}: embeddings of one profile are" in result.err
    assert services.novelty.fits == []


def test_fit_takes_kept_images(cli, services):
    """Recorded embeddings, nothing embedded but the thumbnails; they count as seen under their own profile."""
    digests = keep(services, 9)
    keep(services, 2, profile="cats", first=50)
    (fitted,) = cli("profile", "fit", "landscapes", "kept:landscapes", "--json").objects()
    assert fitted["profile"]["liked_count"] == 9
    assert (fitted["marked_count"], fitted["thumbnail_count"]) == (0, 9)
    labels = [(label.digest, label.name) for label in services.novelty.labels[0]]
    assert labels == [(digest, f"{number}.png") for number, digest in enumerate(digests)]
    assert not set(services.embedder.embedded) & set(services.crawler.encoded.values())
    assert services.crawler.seen == []


def test_fit_marks_kept_images_of_another_profile_as_seen(cli, services):
    """A crawl for the new one would keep them again."""
    keep(services, 9)
    result = cli("profile", "fit", "lakes", "kept:landscapes")
    assert "9 liked photos marked as seen" in result.out
    encoded = list(services.crawler.encoded.values())
    assert services.crawler.seen == [("lakes", one) for one in encoded]


def test_fit_leaves_out_what_was_removed_by_hand(cli, services):
    """Somebody did not like it after all."""
    keep(services, 10)
    services.crawler.kept[3].file_state = FILE_STATE_REMOVED
    result = cli("profile", "fit", "landscapes", "kept:landscapes")
    assert "left out of kept:landscapes: 1 image that was removed by hand" in result.err
    assert "3.png" not in [label.name for label in services.novelty.labels[0]]


def test_fit_embeds_kept_images_that_have_no_embedding_of_what_is_served(cli, services):
    """None recorded, one of another precision, and one whose bytes are lost too."""
    first, second, third, *_ = keep(services, 12)
    del services.crawler.embeddings[first]
    services.crawler.embeddings[second].precision = PRECISION_BF16
    del services.crawler.embeddings[third], services.crawler.encoded[third]
    (fitted,) = cli("profile", "fit", "landscapes", "kept:landscapes", "--json").objects()
    assert fitted["profile"]["liked_count"] == 11
    assert fitted["left_out"] == [
        {
            "path": "kept:landscapes/2.png",
            "verdict": "UNREADABLE",
            "reason": "its stored bytes are gone",
        }
    ]
    embedded = set(services.embedder.embedded) & set(services.crawler.encoded.values())
    assert embedded == {services.crawler.encoded[first], services.crawler.encoded[second]}


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ("kept:cats", 1, "there is no profile 'cats'"),
        ("kept:landscapes", 1, "nothing is kept under the name 'landscapes'"),
        ("kept:landscapes@2", 2, "kept: takes a profile's name without a version"),
        ("kept:", 2, "kept: takes a profile's name without a version, not ''"),
        ("nowhere.npy", 1, "there is no file nowhere.npy"),
        ("nowhere.parquet", 1, "there is no file nowhere.parquet"),
    ],
)
def test_fit_of_what_is_not_there_is_one_line(cli, services, given, status, says):
    """A profile without kept images, and inputs that are none."""
    result = cli("profile", "fit", "landscapes", given)
    assert result.status == status
    assert result.err.count("\n") == 1
    assert says in result.err


def test_fit_of_a_folder_that_ends_like_a_file(cli, services, photos):
    """What it is decides, not what it is called."""
    folder = photos.rename(photos.with_name("photos.npy"))
    assert cli("profile", "fit", "landscapes", folder).status == 0
    assert Path(folder).is_dir()
