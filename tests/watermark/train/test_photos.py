from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest
import structlog
from PIL import Image as PillowImage

from services.servicekit.errors import Misconfigured
from services.watermark.train.photos import (
    Photo,
    PhotoFolders,
    PhotoLost,
    Role,
    count_by_source,
    drawn_on,
    find_photos,
    role_of,
)
from tests.fakes.image_files import photo


def folder_of(path, seeds):
    path.mkdir(parents=True)
    for seed in seeds:
        PillowImage.fromarray(photo(40, 30, seed=seed)).save(path / f"{seed:03}.png")
    return path


def test_roles_follow_the_digest():
    """A share of all digests under each bound, the first 32 bits of them."""
    assert role_of("00" * 32, (0.8, 0.9)) is Role.TRAIN
    assert role_of("d0" + "00" * 31, (0.8, 0.9)) is Role.CALIBRATE
    assert role_of("ff" * 32, (0.8, 0.9)) is Role.TEST
    assert role_of("00" * 32, (0.0, 0.5)) is Role.CALIBRATE
    assert role_of("00" * 32, (0.0, 0.0)) is Role.TEST


def test_few_photos_are_worth_a_warning(tmp_path):
    """One, with their number; how many have which role is told in any case."""
    few, many = folder_of(tmp_path / "few", range(40)), folder_of(tmp_path / "many", range(80))
    with structlog.testing.capture_logs() as logs:
        counts = {}
        for folder in (few, many):
            photos = find_photos(PhotoFolders(training=(folder,)))
            counts[folder.name] = len(drawn_on(photos, Role.TRAIN))

    assert counts["few"] < 50 <= counts["many"]
    told = [log["train"] for log in logs if log["event"] == "photos"]
    assert told == list(counts.values())
    [warning] = [log for log in logs if log["log_level"] == "warning"]
    assert warning == {
        "event": "few_photos_to_train_with",
        "count": counts["few"],
        "better_from": 50,
        "log_level": "warning",
    }


def test_held_out_folders_never_train(tmp_path):
    """Training folders give all three roles, held-out ones two, labelled ones three."""
    folders = PhotoFolders(
        training=(folder_of(tmp_path / "a", range(60)),),
        held_out=(folder_of(tmp_path / "b", range(60, 80)),),
        clean=(folder_of(tmp_path / "c", range(80, 120)),),
        marked=(folder_of(tmp_path / "d", range(120, 160)),),
    )

    photos = find_photos(folders)

    roles = {name: {p.role for p in photos if p.source == name} for name in "abcd"}
    assert roles["a"] == roles["c"] == roles["d"] == set(Role)
    assert roles["b"] == {Role.CALIBRATE, Role.TEST}
    assert len(photos) == 160
    assert {p.source for p in photos if p.marked} == {"d"}
    assert {p.source for p in photos if p.labelled} == {"c", "d"}
    assert photos[0].read().shape == (30, 40, 3)


def test_given_photos_calibrate_alone(tmp_path):
    """Those of the sources that are trained on would be told apart too well; held-out ones all test."""
    a, b, c, d = (
        folder_of(tmp_path / name, range(start, start + 60))
        for name, start in (("a", 0), ("b", 60), ("c", 120), ("d", 180))
    )
    without = find_photos(PhotoFolders(training=(a,), held_out=(c,), clean=(d,)))

    photos = find_photos(PhotoFolders(training=(a,), calibrate=(b,), held_out=(c,), clean=(d,)))

    roles = {name: {p.role for p in photos if p.source == name} for name in "abcd"}
    assert roles["a"] == {Role.TRAIN, Role.TEST}
    assert roles["b"] == {Role.CALIBRATE}
    assert roles["c"] == {Role.TEST}
    assert roles["d"] == set(Role)
    kept = [photo for photo in without if photo.source == "a" and photo.role is not Role.CALIBRATE]
    assert [photo for photo in photos if photo.source == "a"] == kept


def test_a_folder_to_calibrate_with_has_photos_of_its_own(tmp_path):
    """Neither those that train, nor none."""
    a = folder_of(tmp_path / "a", range(60))
    with pytest.raises(Misconfigured, match="a: photos that train cannot calibrate"):
        find_photos(PhotoFolders(training=(a,), calibrate=(a,)))
    b = folder_of(tmp_path / "b", [])
    with pytest.raises(Misconfigured, match="b: no photo in it that was not given before"):
        find_photos(PhotoFolders(training=(a,), calibrate=(b,)))


def test_labelled_images_do_not_stand_in_for_photos(tmp_path):
    """Marks are drawn on photos alone."""
    labelled = folder_of(tmp_path / "c", range(60))
    with pytest.raises(Misconfigured, match="none is left to train"):
        find_photos(PhotoFolders(training=(), clean=(labelled,)))


def test_a_copy_has_no_second_role(tmp_path):
    """A photo that trains does not test under another name."""
    first = folder_of(tmp_path / "a", range(60))
    second = tmp_path / "b"
    shutil.copytree(first, second)
    folder_of(tmp_path / "c", [99])

    photos = find_photos(PhotoFolders(training=(first,), held_out=(second, tmp_path / "c")))

    assert len(photos) == 61
    assert {p.source for p in photos} == {"a", "c"}


def test_what_does_not_decode_is_left_out(tmp_path):
    """And files that are no photos by their names."""
    folder = folder_of(tmp_path / "a", range(60))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (folder / "notes.txt").write_text("notes")

    assert len(find_photos(PhotoFolders(training=(folder,)))) == 60


def test_what_is_no_regular_file_is_left_out(tmp_path):
    """A dangling link, a folder and a pipe with the names of photos: nothing waits for them."""
    folder = folder_of(tmp_path / "a", range(60))
    (folder / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")

    with structlog.testing.capture_logs() as logs:
        assert len(find_photos(PhotoFolders(training=(folder,)))) == 60

    lines = [log for log in logs if log["event"] == "photo_left_out"]
    assert {Path(line["path"]).stem for line in lines} == {"dangling", "folder", "pipe"}
    assert {line["reason"] for line in lines} == {"no regular file"}


def test_a_photo_that_changes_is_an_error_of_its_own(tmp_path):
    """And one that vanishes; it reaches another process as it is."""
    first = find_photos(PhotoFolders(training=(folder_of(tmp_path / "a", range(60)),)))[0]
    shutil.copy(folder_of(tmp_path / "b", [70]) / "070.png", first.path)
    with pytest.raises(PhotoLost, match="when the training began: it has changed") as caught:
        first.read()
    first.path.unlink()
    with pytest.raises(PhotoLost, match="No such file or directory"):
        first.read()

    arrived = pickle.loads(pickle.dumps(caught.value))
    assert (arrived.path, str(arrived)) == (first.path, str(caught.value))


def test_too_few_photos_are_one_line(tmp_path):
    """Naming the role that nothing is left for."""
    with pytest.raises(Misconfigured, match="1 photos are too few: none is left to "):
        find_photos(PhotoFolders(training=(folder_of(tmp_path / "a", [0]),)))
    with pytest.raises(Misconfigured, match="there is no such folder of photos"):
        find_photos(PhotoFolders(training=(tmp_path / "none",)))


def test_marks_are_drawn_on_photos_without_labels_alone():
    """Those of the role that is asked for; all are counted, by source."""
    plain, other, labelled = photos = [
        Photo(Path("a"), "one", Role.TRAIN, "0a"),
        Photo(Path("b"), "two", Role.TEST, "0b"),
        Photo(Path("c"), "one", Role.TRAIN, "0c", labelled=True),
    ]

    assert drawn_on(photos, Role.TRAIN) == [plain]
    assert drawn_on(photos, Role.TEST) == [other]
    assert labelled not in drawn_on(photos, Role.TRAIN)
    assert count_by_source(photos) == {"one": {"train": 2}, "two": {"test": 1}}
