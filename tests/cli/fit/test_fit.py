"""`lodestone profile fit` against fake services."""

from __future__ import annotations

import hashlib
import signal

import pytest

from lodestone.image.v1.image_pb2 import Image
from lodestone.novelty.v1 import profile_pb2
from tests.cli.conftest import png
from tests.cli.fake_embedder import embedding_of
from tests.cli.processes import eventually_sync


def digest_of(path):
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_fit_learns_from_every_image_and_marks_it_seen(cli, services, photos):
    """Ten images in the order of their names, none of the other files; all marked under the profile's name."""
    (photos / "notes.txt").write_text("not an image by its name")
    result = cli("profile", "fit", "landscapes", photos, "--json")
    assert result.status == 0
    (fitted,) = result.objects()
    assert fitted["profile"]["name"] == "landscapes"
    assert fitted["profile"]["version"] == 1
    assert fitted["profile"]["liked_count"] == 10
    assert fitted["profile"]["warnings"] == ["10 photos make a small profile"]
    assert fitted["marked_count"] == 10
    assert fitted["left_out"] == []
    paths = [photos / f"{index}.png" for index in range(9)] + [photos / "more" / "last.PNG"]
    assert services.crawler.seen == [("landscapes", path.read_bytes()) for path in paths]


def test_fit_passes_its_options_on(cli, services, photos):
    """Components, covariance, keep ratio, seed and the background reach the novelty service."""
    result = cli(
        *("profile", "fit", "landscapes", photos, "--background", photos / "more"),
        *("--components", "3", "--covariance", "full", "--keep-ratio", "0.9", "--seed", "7"),
    )
    assert result.status == 0
    ((options, liked, background),) = services.novelty.fits
    assert len(liked) == 10
    assert len(background) == 1
    assert options.component_count == 3
    assert options.covariance == profile_pb2.COVARIANCE_FULL
    assert options.keep_ratio == 0.9
    assert options.seed == 7
    assert options.request_id
    assert "landscapes@1" in result.out
    assert "warning: 10 photos make a small profile" in result.err


def test_fit_leaves_the_form_to_the_service(cli, services, photos):
    """Without options no form, number of components or threshold is stated."""
    cli("profile", "fit", "landscapes", photos)
    ((options, _, _),) = services.novelty.fits
    assert options.covariance == profile_pb2.COVARIANCE_UNSPECIFIED
    assert (options.component_count, options.keep_ratio, options.pass_ratio) == (0, 0.0, 0.0)
    assert not options.HasField("threshold_nats")


def test_fit_passes_other_ways_to_set_the_threshold_on(cli, services, photos):
    """A pass ratio with its background, or the threshold itself, 0 too."""
    background = ("--background", photos / "more")
    assert cli("profile", "fit", "a", photos, *background, "--pass-ratio", "0.01").status == 0
    assert cli("profile", "fit", "a", photos, "--threshold", "0").status == 0
    first, second = (options for options, _, _ in services.novelty.fits)
    assert (first.pass_ratio, first.keep_ratio) == (0.01, 0.0)
    assert second.HasField("threshold_nats")
    assert (second.threshold_nats, second.keep_ratio) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--pass-ratio", "0.1"), "needs --background INPUT"),
        (("--pass-ratio", "0"), "must be over 0 and at most 1"),
        (("--threshold", "nan"), "must be a finite number"),
        (("--threshold", "1", "--keep-ratio", "0.9"), "one of them sets the threshold, not two"),
    ],
)
def test_fit_refuses_thresholds_that_are_none(cli, services, photos, options, says):
    """One line, before any work."""
    result = cli("profile", "fit", "landscapes", photos, *options)
    assert result.status == 2
    assert says in result.err
    assert services.novelty.fits == []


def test_fit_states_what_to_expect(cli, services, photos):
    """The share of liked photos that will be kept and, with a background, the share of a crawl that will pass."""
    plain = cli("profile", "fit", "landscapes", photos)
    kept = "will keep 90.0% (45.0% to 95.0% with 95% confidence) of photos like the liked"
    passing = "and 1.0% (0.5% to 50.5% with 95% confidence) of a crawl like the background"
    assert kept in plain.out
    assert passing not in plain.out
    result = cli("profile", "fit", "landscapes", photos, "--background", photos)
    assert kept in result.out
    assert passing in result.out


def test_fit_names_the_photos_that_repeat_another(cli, services, photos):
    """Each with the one that counts, in both forms."""
    services.novelty.sees_duplicates = True
    result = cli("profile", "fit", "landscapes", photos)
    line = f"counts once: {photos / '1.png'} repeats {photos / '0.png'}"
    assert line in result.err.splitlines()
    (fitted,) = cli("profile", "fit", "landscapes", photos, "--json").objects()
    assert fitted["profile"]["duplicate_count"] == 9
    assert fitted["repeated"][0] == {"path": str(photos / "1.png"), "of": str(photos / "0.png")}
    assert len(fitted["repeated"]) == 9


def test_fit_names_no_more_repeated_photos_than_anybody_reads(cli, services, tmp_path):
    """Fifty, and how many there are besides; JSON has all."""
    for index in range(60):
        (tmp_path / f"{index:02}.png").write_bytes(png(8, 8 + index))
    services.novelty.sees_duplicates = True
    result = cli("profile", "fit", "landscapes", tmp_path)
    assert result.err.count("counts once: ") == 50
    assert "and 9 more that repeat another: --json names them" in result.err.splitlines()
    (fitted,) = cli("profile", "fit", "landscapes", tmp_path, "--json").objects()
    assert len(fitted["repeated"]) == 59


def test_fit_lists_what_it_leaves_out(cli, services, photos):
    """A truncated image is named with its reason, in both forms, and is not marked as seen."""
    truncated = photos / "broken.png"
    truncated.write_bytes((photos / "0.png").read_bytes()[:30])
    result = cli("profile", "fit", "landscapes", photos, "--json")
    assert result.status == 0
    (fitted,) = result.objects()
    assert fitted["profile"]["liked_count"] == 10
    assert fitted["left_out"] == [
        {
            "path": str(truncated),
            "verdict": "TRUNCATED",
            "reason": "the file ends before the image does",
        }
    ]
    assert result.err == f"left out {truncated}: the file ends before the image does\n"
    assert len(services.crawler.seen) == 10


def test_fit_says_how_many_files_are_no_images(cli, services, photos):
    """One line with their kinds, the most frequent first; links that lead nowhere or into folders are among them."""
    result = cli("profile", "fit", "landscapes", photos)
    assert "left out" not in result.err
    (photos / "a.heic").touch()
    line = f"left out 1 file of {photos} that is no image Lodestone reads (.heic)"
    assert line in cli("profile", "fit", "landscapes", photos).err.splitlines()
    (photos / "more" / "b.HEIC").touch()
    (photos / "gone.png").symlink_to("nowhere.png")
    (photos / "loop").symlink_to(photos)
    line = (
        f"left out 4 files of {photos} that are no images Lodestone reads "
        "(.heic, linked folder, broken link)"
    )
    result = cli("profile", "fit", "landscapes", photos)
    assert line in result.err.splitlines()
    assert result.status == 0


def test_fit_of_a_folder_without_images_is_one_line(cli, services, tmp_path):
    """A missing folder, a file, an empty folder and one without images each get their own sentence."""
    (tmp_path / "file.png").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    says = {
        "nope": "there is no folder {}",
        "file.png": "{} is neither a folder of photos nor a file of embeddings (.npy or .parquet)",
        "empty": "the folder {} is empty",
        "texts": "the folder {} has no images (jpg, png, webp, gif or avif)",
    }
    for name, sentence in says.items():
        result = cli("profile", "fit", "landscapes", tmp_path / name)
        assert result.status == 1
        assert result.err == f"error: {sentence.format(tmp_path / name)}\n"


@pytest.mark.parametrize("name", ["Bad Name", "", "-x", "a@2", "x" * 65])
def test_fit_refuses_a_bad_name_before_any_work(cli, services, photos, name):
    """A wrong command line: nothing is embedded."""
    result = cli("profile", "fit", "--", name, photos)
    assert result.status == 2
    assert "is no name for a profile: 1 to 64 of a-z, 0-9, - and _" in result.err
    assert services.embedder.embedded == []


def test_fit_refuses_more_components_than_photos_before_any_work(cli, services, photos):
    """The folders tell how many there are at most."""
    result = cli("profile", "fit", "landscapes", photos, "--components", "11")
    assert result.status == 1
    assert result.err == "error: 11 components need as many liked photos, and there are 10\n"
    assert services.embedder.embedded == []
    assert cli("profile", "fit", "landscapes", photos, "--components", "10").status == 0


def test_fit_of_too_few_photos_is_the_servers_sentence(cli, services, photos):
    """INVALID_ARGUMENT, one line."""
    result = cli("profile", "fit", "landscapes", photos / "more")
    assert result.status == 1
    assert result.err == "error: 1 liked embeddings are fewer than 8\n"


def test_fit_of_unreadable_photos_is_one_line_at_the_end(cli, services, tmp_path):
    """When no image can be read there is nothing to fit."""
    (tmp_path / "a.jpg").write_text("no image")
    result = cli("profile", "fit", "landscapes", tmp_path)
    assert result.status == 1
    assert result.err.splitlines()[-1] == "error: none of the 1 image can be read"
    assert services.novelty.fits == []


def test_fit_says_when_its_photos_could_not_be_marked(cli, services, photos):
    """Crawls by a new version would keep copies of the liked photos: an error, and there is none."""
    services.crawler.forgetful = True
    result = cli("profile", "fit", "landscapes", photos)
    assert result.status == 1
    assert result.err == (
        "error: the photos could not be marked as seen, and nothing is fitted: internal error 1f3a9c\n"
    )
    assert services.novelty.fits == []


def test_fit_waits_for_its_turn(cli, services, photos, monkeypatch):
    """A service that has too many fits is asked again, which is noted once; nothing is embedded again."""
    monkeypatch.setattr("lodestone.cli.fit.steps._BETWEEN_TRIES_S", 0.01)
    services.novelty.full_times = 3
    result = cli("profile", "fit", "landscapes", photos)
    assert result.status == 0
    said = "waiting for a turn: the fit queue is full (4 items); try again later (every 0.01 s)"
    assert result.err.splitlines().count(said) == 1
    assert len(services.novelty.fits) == 1
    assert services.novelty.full_times == 0


@pytest.mark.parametrize("command", [("fit",), ("refit", "--add")])
def test_ctrl_c_during_a_fit_says_that_the_fit_goes_on(
    cli, services, start_cli, photos, tmp_path, command
):
    """The photos are marked by then; one line says what may come and what it will lack, and the status is 130."""
    verb, *option = command
    if option:
        assert cli("profile", "fit", "landscapes", photos).status == 0
        (photos / "new.png").write_bytes(png(31, 31))
    services.crawler.seen.clear()
    services.novelty.fitting.clear()
    services.novelty.may_fit.clear()
    process = start_cli("profile", verb, "landscapes", *option, photos)
    eventually_sync(services.novelty.fitting.is_set)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    (line,) = (tmp_path / "err").read_text().splitlines()
    assert line == (
        "interrupted: the novelty service goes on with a fit that it has begun, and landscapes may get a new version "
        "without new thumbnails (`lodestone profile list` shows it; fit again for them)"
    )
    assert ("landscapes", (photos / "0.png").read_bytes()) in services.crawler.seen
    services.novelty.may_fit.set()


@pytest.mark.parametrize("ratio", ["0", "1.5", "-1"])
def test_fit_refuses_a_keep_ratio_that_is_none(cli, services, photos, ratio):
    """--keep-ratio is in (0, 1]."""
    result = cli("profile", "fit", "landscapes", photos, "--keep-ratio", ratio)
    assert result.status == 2
    assert "--keep-ratio" in result.err
    assert result.err.count("\n") == 1


def test_fit_without_services_is_one_line(cli, photos, monkeypatch):
    """The service that is not there is named, with the way out."""
    monkeypatch.setenv("LODESTONE_EMBEDDER", "127.0.0.1:1")
    result = cli("profile", "fit", "landscapes", photos)
    assert result.status == 1
    assert (
        result.err
        == "error: cannot reach the embedder service at 127.0.0.1:1: is `lodestone up` running?\n"
    )


def test_fit_labels_photos(cli, services, photos):
    """By digest and by the path within the folder."""
    cli("profile", "fit", "landscapes", photos)
    (labels,) = services.novelty.labels
    paths = [f"{index}.png" for index in range(9)] + ["more/last.PNG"]
    assert [label.name for label in labels] == paths
    assert [label.digest for label in labels] == [digest_of(photos / path) for path in paths]


def test_fit_keeps_thumbnails_of_telling_photos(cli, services, photos):
    """Each a JPEG with the embedding of that JPEG itself, in the place of its photo."""
    services.novelty.telling = 4
    (fitted,) = cli("profile", "fit", "landscapes", photos, "--json").objects()
    assert fitted["thumbnail_count"] == 4
    thumbnails = services.novelty.thumbnails["landscapes@1"]
    assert [one.position for one in thumbnails] == [0, 1, 2, 3]
    for one in thumbnails:
        assert one.jpeg.startswith(b"\xff\xd8\xff")
        assert one.embedding == embedding_of(Image(encoded=one.jpeg))


def test_fit_without_thumbnails_is_a_fit(cli, services, photos):
    """What keeps them from being stored is a warning."""
    services.novelty.picky = True
    result = cli("profile", "fit", "landscapes", photos)
    assert result.status == 0
    assert (
        "warning: landscapes@1 gets no new thumbnails: 10 thumbnails are not 1 to 64" in result.err
    )
    assert "10 liked photos marked as seen" in result.out
