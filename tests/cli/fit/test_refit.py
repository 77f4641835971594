"""`lodestone profile refit` against fake services."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lodestone.image.v1.embedding_pb2 import PRECISION_BF16
from lodestone.novelty.v1 import profile_pb2
from tests.cli.conftest import png
from tests.cli.crawler_messages import keep_pictures


@pytest.fixture
def fitted(cli, services, photos):
    """`landscapes@1`, fitted to the ten photos."""
    assert cli("profile", "fit", "landscapes", photos, "--keep-ratio", "0.9").status == 0
    services.crawler.seen.clear()
    services.embedder.embedded.clear()
    return photos


@pytest.fixture
def more(tmp_path):
    """A folder of three other photos."""
    folder = tmp_path / "more"
    folder.mkdir()
    for index in range(3):
        (folder / f"new{index}.png").write_bytes(png(30, 30 + index))
    return folder


def digest_of(path):
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def removed_digests(services):
    """What the last fit was told to leave out by digest."""
    return [label.digest for batch in services.novelty.removed[-1] for label in batch.labels]


def test_refit_adds_and_removes_folders(cli, services, fitted, more):
    """Only added photos are sent and marked; removed ones go by digest, without being embedded."""
    result = cli(
        *("profile", "refit", "landscapes", "--add", more, "--remove", fitted / "more"), "--json"
    )
    assert result.status == 0
    (report,) = result.objects()
    options, liked, _ = services.novelty.fits[-1]
    assert (options.name, options.base_profile) == ("landscapes", "landscapes@1")
    assert len(liked) == 3
    assert [label.name for label in services.novelty.labels[-1]] == [
        "new0.png",
        "new1.png",
        "new2.png",
    ]
    assert removed_digests(services) == [digest_of(fitted / "more" / "last.PNG")]
    assert [name for name, _ in services.crawler.seen] == ["landscapes"] * 3
    assert (fitted / "more" / "last.PNG").read_bytes() not in services.embedder.embedded
    assert (report["added_count"], report["removed_count"]) == (3, 1)
    assert report["profile"]["version"] == 2
    assert report["profile"]["liked_count"] == 12
    assert report["before"]["version"] == 1
    assert report["before"]["threshold_nats"] == 10.0


def test_refit_says_what_changed(cli, services, fitted, more):
    """Counts, the threshold and the shares, each with what it was before, and what to do next."""
    result = cli("profile", "refit", "landscapes", "--add", more)
    lines = result.out.splitlines()
    assert lines[0] == (
        "landscapes@2, from landscapes@1: 13 liked photos (3 added), 0 background photos, 2 components"
    )
    assert lines[1] == "threshold 13.00 nats, before 10.00 nats"
    assert lines[2] == (
        "will keep 90.0% (45.0% to 95.0% with 95% confidence) of photos like the liked, before 90.0%"
    )
    assert lines[3] == "3 liked photos marked as seen: no crawl will keep a copy"
    assert lines[4] == (
        "new crawls use it; `lodestone rejudge --profile landscapes` applies it to what is known"
    )
    assert "warning: 13 photos make a small profile" in result.err


def test_a_plain_refit_fits_the_same_images_again(cli, services, fitted):
    """Nothing is sent but the options; those that are not stated are left to the service."""
    result = cli("profile", "refit", "landscapes@1", "--components", "3", "--keep-ratio", "0.8")
    assert result.status == 0
    options, liked, background = services.novelty.fits[-1]
    assert (liked, background, removed_digests(services)) == ([], [], [])
    assert (options.component_count, options.keep_ratio) == (3, 0.8)
    assert "(none changed)" in result.out
    cli("profile", "refit", "landscapes@1")
    options, _, _ = services.novelty.fits[-1]
    assert (options.component_count, options.keep_ratio, options.seed) == (0, 0.0, 0)
    assert options.covariance == profile_pb2.COVARIANCE_UNSPECIFIED


ASKED = ("--components", "3", "--covariance", "tied", "--seed", "7")
CHOOSE = ("--components", "0", "--covariance", "auto", "--seed", "0")


@pytest.mark.parametrize(
    ("option", "value", "asked"),
    [
        ("--components", "0", "3 components"),
        ("--covariance", "auto", "tied covariances"),
        ("--seed", "0", "seed 7"),
    ],
)
def test_a_refit_cannot_go_back_to_choosing(cli, services, photos, option, value, asked):
    """What the contract takes for `as before` is refused where it would be something else."""
    cli("profile", "fit", "landscapes", photos, *ASKED)
    result = cli("profile", "refit", "landscapes", option, value)
    assert result.status == 1
    assert result.err == (
        f"error: landscapes@1 was asked for {asked}, and a refit cannot go back with {option} {value}: "
        "`lodestone profile fit` or --photos can\n"
    )
    assert len(services.novelty.fits) == 1


def test_a_refit_may_state_what_was_asked_for(cli, services, fitted):
    """Of a version that chose, 0 and `auto` are as before."""
    assert cli("profile", "refit", "landscapes", *CHOOSE).status == 0


def test_photos_embedded_again_are_fitted_as_before(cli, services, photos):
    """Components, form and seed are stated again, unless others are: 0 and `auto` too."""
    cli("profile", "fit", "landscapes", photos, *ASKED)
    assert cli("profile", "refit", "landscapes", "--photos", photos).status == 0
    options, _, _ = services.novelty.fits[-1]
    asked = (options.component_count, options.covariance, options.seed)
    assert asked == (3, profile_pb2.COVARIANCE_TIED, 7)
    assert cli("profile", "refit", "landscapes", "--photos", photos, *CHOOSE).status == 0
    options, _, _ = services.novelty.fits[-1]
    asked = (options.component_count, options.covariance, options.seed)
    assert asked == (0, profile_pb2.COVARIANCE_UNSPECIFIED, 0)


def test_refit_adds_kept_images_by_digest(cli, services, fitted):
    """By the first digits; the recorded embedding is taken."""
    first, second = keep_pictures(services.crawler, [png(40, 40), png(40, 41)])
    result = cli(
        *("profile", "refit", "landscapes", "--add-image", first[:8], "--add-image", second)
    )
    assert result.status == 0
    assert [label.digest for label in services.novelty.labels[-1]] == [first, second]
    assert services.crawler.encoded[first] not in services.embedder.embedded
    assert services.crawler.seen == []
    assert "12 liked photos (2 added)" in result.out
    assert cli("profile", "refit", "landscapes", "--add-image", "0" * 8).status == 1


def test_an_image_that_another_profile_keeps_too_is_not_marked(cli, services, fitted):
    """What the profile keeps itself is known to its crawls, whoever kept it first; what it does not keep is marked."""
    [both] = keep_pictures(services.crawler, [png(40, 40)], profile="cats")
    keep_pictures(services.crawler, [png(40, 40)])
    assert cli("profile", "refit", "landscapes", "--add-image", both).status == 0
    assert services.crawler.seen == []
    [other] = keep_pictures(services.crawler, [png(40, 41)], profile="cats")
    assert cli("profile", "refit", "landscapes", "--add-image", other).status == 0
    assert len(services.crawler.seen) == 1


@pytest.mark.parametrize("text", ["digest", "prefix", "more/last.PNG", "last.PNG"])
def test_refit_removes_an_image_by_digest_or_name(cli, services, fitted, text):
    """What `profile show` and `judge --explain` call it."""
    digest = digest_of(fitted / "more" / "last.PNG")
    named = {"digest": digest.upper(), "prefix": digest[:8]}.get(text, text)
    result = cli("profile", "refit", "landscapes", "--remove-image", named)
    assert result.status == 0
    assert removed_digests(services) == [digest]
    assert "9 liked photos (1 removed)" in result.out


def test_refit_refuses_to_remove_what_is_not_there(cli, services, fitted, more):
    """By name it is found out here, a folder's photos by the service."""
    result = cli("profile", "refit", "landscapes", "--remove-image", "nowhere.jpg")
    assert result.err == "error: landscapes@1 was not fitted to an image 'nowhere.jpg'\n"
    result = cli("profile", "refit", "landscapes", "--remove", more)
    assert result.err == "error: landscapes@1 was not fitted to removed[0]\n"
    assert result.status == 1


@pytest.mark.parametrize("wrong", [("--remove-image", "nope"), ("--add-image", "0" * 8)])
def test_refit_refuses_unknown_images_before_any_work(cli, services, fitted, more, wrong):
    """Nothing is embedded before both are looked up."""
    assert cli("profile", "refit", "landscapes", "--add", more, *wrong).status == 1
    assert services.embedder.embedded == []


def test_refit_refuses_more_components_than_photos_before_any_work(cli, services, fitted, more):
    """Those of the version, and those of the added folders."""
    result = cli("profile", "refit", "landscapes", "--add", more, "--components", "14")
    assert result.err == "error: 14 components need as many liked photos, and there are 13\n"
    result = cli("profile", "refit", "landscapes", "--photos", fitted, "--components", "11")
    assert result.err == "error: 11 components need as many liked photos, and there are 10\n"
    assert services.embedder.embedded == []


def test_refit_asks_for_the_digest_where_names_are_not_enough(cli, services, photos):
    """Two photos of one name."""
    for folder in ("a", "b"):
        (photos / folder).mkdir()
        (photos / folder / "lake.png").write_bytes(png(50, 50 + ord(folder)))
    cli("profile", "fit", "landscapes", photos)
    result = cli("profile", "refit", "landscapes", "--remove-image", "lake.png")
    assert result.err == (
        "error: 2 images of landscapes@1 are called 'lake.png': name it by its digest\n"
    )
    assert cli("profile", "refit", "landscapes", "--remove-image", "b/lake.png").status == 0


def test_refit_removes_rows_of_a_file(cli, services, tmp_path):
    """Embeddings without digests go by themselves."""
    rows = np.random.default_rng(7).normal(size=(12, 4)).astype(np.float32)
    np.save(tmp_path / "clip.npy", rows)
    np.save(tmp_path / "stray.npy", rows[3:5])
    said = ("--encoder-id", "0" * 64)
    cli("profile", "fit", "clip", tmp_path / "clip.npy", *said)
    result = cli("profile", "refit", "clip", "--remove", tmp_path / "stray.npy", *said)
    assert "10 liked photos (2 removed)" in result.out
    result = cli("profile", "refit", "clip", "--remove-image", "clip.npy[0]")
    assert result.err == (
        "error: the digest of 'clip.npy[0]' is not known: `--remove FILE` takes out a file of embeddings\n"
    )


def test_refit_removes_what_was_kept(cli, services):
    """`kept:` by the digests of what is kept."""
    digests = keep_pictures(services.crawler, [png(40, 40 + number) for number in range(9)])
    keep_pictures(services.crawler, [png(40, 40)], profile="strays")
    cli("profile", "fit", "landscapes", "kept:landscapes")
    result = cli("profile", "refit", "landscapes", "--remove", "kept:strays")
    assert removed_digests(services) == digests[:1]
    assert "8 liked photos (1 removed)" in result.out


def test_refit_replaces_the_background(cli, services, fitted, more):
    """It is embedded and sent."""
    assert cli("profile", "refit", "landscapes", "--background", more).status == 0
    _, liked, background = services.novelty.fits[-1]
    assert (len(liked), len(background)) == (0, 3)
    assert services.crawler.seen == []


def test_refit_has_thumbnails_of_old_and_new_photos(cli, services, fitted, more):
    """Those of the older version come along; added photos get theirs, and older ones that the store keeps."""
    keep_pictures(services.crawler, [(fitted / "0.png").read_bytes()])
    del services.novelty.thumbnails["landscapes@1"][0]
    older = {one.position: one.jpeg for one in services.novelty.thumbnails["landscapes@1"]}
    (report,) = cli("profile", "refit", "landscapes", "--add", more, "--json").objects()
    assert report["thumbnail_count"] == 13
    thumbnails = {one.position: one.jpeg for one in services.novelty.thumbnails["landscapes@2"]}
    assert {place: thumbnails[place] for place in older} == older
    assert set(thumbnails) == set(range(13))


def test_refit_under_another_precision_has_no_new_thumbnails(cli, services, fitted):
    """Their embeddings would be of what is served: a warning, and a version all the same."""
    keep_pictures(services.crawler, [(fitted / "0.png").read_bytes()])
    services.embedder.precision = PRECISION_BF16
    result = cli("profile", "refit", "landscapes", "--remove-image", "1.png")
    assert result.status == 0
    assert (
        "warning: landscapes@2 gets no new thumbnails: the embedder serves precision bf16, and it is of precision fp32"
        in result.err
    )


def test_refit_names_what_counts_once(cli, services, fitted, more):
    """By the names that the new version knows; of the older images that was said before."""
    services.novelty.sees_duplicates = True
    result = cli("profile", "refit", "landscapes", "--add", more)
    assert "counts once: new2.png repeats 0.png" in result.err.splitlines()
    assert "counts once: 1.png" not in result.err
    assert "1 liked photo (3 added, 12 repeat another)" in result.out


def test_refit_of_another_precision_names_the_cure(cli, services, fitted, more):
    """What is added would not go together with what is there: one line before any work, and the cure cures."""
    services.embedder.precision = PRECISION_BF16
    result = cli("profile", "refit", "landscapes", "--add", more)
    assert result.status == 1
    assert result.err == (
        "error: the embedder serves precision bf16, and landscapes@1 is of precision fp32: "
        "`lodestone profile refit landscapes --photos DIR` embeds its photos again\n"
    )
    assert cli("profile", "refit", "landscapes", "--photos", fitted).status == 0
    assert cli("profile", "refit", "landscapes", "--add", more).status == 0


def test_photos_are_embedded_again(cli, services, fitted):
    """Those of the older version and no others, under what is served now; the threshold goes where it was."""
    (fitted / "extra.png").write_bytes(png(60, 60))
    services.embedder.precision = PRECISION_BF16
    result = cli("profile", "refit", "landscapes", "--photos", fitted)
    assert result.status == 0
    options, liked, _ = services.novelty.fits[-1]
    assert (options.base_profile, options.keep_ratio) == ("", 0.9)
    assert len(liked) == 10
    assert {one.precision for one in liked} == {PRECISION_BF16}
    assert "extra.png" not in [label.name for label in services.novelty.labels[-1]]
    assert (
        f"left out 1 photo of {fitted} that landscapes@1 was not fitted to: a refit with --add takes them in"
        in result.err
    )
    assert "landscapes@2, from landscapes@1: 10 liked photos (10 embedded again)" in result.out


def test_photos_are_found_in_the_store_too(cli, services, fitted, tmp_path):
    """What is neither in the folder nor in the store is named."""
    names = ["0.png", "1.png", "2.png"]
    keep_pictures(services.crawler, [(fitted / name).read_bytes() for name in names[:2]])
    for name in names:
        (fitted / name).unlink()
    services.embedder.precision = PRECISION_BF16
    result = cli("profile", "refit", "landscapes", "--photos", fitted)
    assert "left out 2.png: it is nowhere to be found" in result.err.splitlines()
    assert "9 liked photos (9 embedded again, 1 removed)" in result.out
    _, liked, _ = services.novelty.fits[-1]
    assert {one.precision for one in liked} == {PRECISION_BF16}


def test_photos_need_their_background_again(cli, services, photos, more):
    """The older embeddings of it are of no use."""
    cli("profile", "fit", "landscapes", photos, "--background", more)
    result = cli("profile", "refit", "landscapes", "--photos", photos)
    assert result.err == (
        "error: the background of landscapes@1 must be embedded again too: give it with --background INPUT\n"
    )
    again = ("--photos", photos, "--background", more)
    assert cli("profile", "refit", "landscapes", *again).status == 0


@pytest.mark.parametrize("others", [("--add", "more"), ("--remove-image", "0.png")])
def test_photos_go_alone(cli, services, fitted, more, others):
    """Other changes are for another refit."""
    option, value = others
    value = more if value == "more" else value
    result = cli("profile", "refit", "landscapes", "--photos", fitted, option, value)
    assert result.status == 2
    assert "--photos embeds the same photos again: add and remove in another refit" in result.err


def test_photos_of_nothing_are_one_line(cli, services, fitted, more, tmp_path):
    """No photo of the version is there; a file of embeddings has none at all."""
    result = cli("profile", "refit", "landscapes", "--photos", more)
    assert result.err.splitlines()[-1] == "error: none of the photos of landscapes@1 is there"
    np.save(tmp_path / "clip.npy", np.ones((3, 4), np.float32))
    result = cli("profile", "refit", "landscapes", "--photos", tmp_path / "clip.npy")
    assert result.status == 2
    assert result.err.endswith("clip.npy holds no photos: --photos takes folders\n")


def test_a_threshold_in_nats_does_not_outlive_its_encoder(cli, services, photos):
    """Under another one it means nothing; under another precision it stays."""
    cli("profile", "fit", "landscapes", photos, "--threshold", "3")
    services.embedder.precision = PRECISION_BF16
    assert cli("profile", "refit", "landscapes", "--photos", photos).status == 0
    options, _, _ = services.novelty.fits[-1]
    assert options.threshold_nats == 10.0  # what the fake made of it
    services.novelty._profiles["landscapes"][-1].encoder_id = "0" * 64
    result = cli("profile", "refit", "landscapes", "--photos", photos)
    assert "mean nothing under another encoder: say --keep-ratio" in result.err
    assert (
        cli(*("profile", "refit", "landscapes", "--photos", photos, "--keep-ratio", "0.9")).status
        == 0
    )


def test_refit_of_an_unknown_profile_is_one_line(cli, services):
    """The service's sentence."""
    result = cli("profile", "refit", "cats")
    assert result.status == 1
    assert result.err == "error: there is no profile 'cats'\n"
