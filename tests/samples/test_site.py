import hashlib
import json
import re
from collections import Counter

import pytest
from PIL import Image, UnidentifiedImageError

from samples.copies import SCREEN_PX, without_edges
from samples.site import build_site
from samples.site_plan import Kind
from tests.samples.conftest import write_photo


@pytest.fixture(scope="module")
def site(sample_photos, tmp_path_factory):
    return build_site(sample_photos, tmp_path_factory.mktemp("site") / "site")


def of_kind(site, *kinds):
    return [file for file in site.files if file.kind in kinds]


def test_the_photos_are_there_as_they_are(site, sample_photos):
    """Every held-back photo and every other one, byte for byte."""
    for kind, photos in (
        (Kind.HELD_BACK, sample_photos.held_back),
        (Kind.OTHER, sample_photos.other),
    ):
        files = of_kind(site, kind)
        assert [file.made_from for file in files] == [photo.name for photo in photos]
        for file, photo in zip(files, photos, strict=True):
            assert (site.folder / file.path).read_bytes() == photo.read_bytes()


def test_there_is_every_kind_of_copy(site):
    """Four held-back and four liked photos give each kind of copy, and the bad files that every site has."""
    counts = Counter(file.kind for file in site.files)
    assert counts == {
        Kind.HELD_BACK: 4,
        Kind.OTHER: 3,
        Kind.RESIZED_COPY: 4,
        Kind.RECOMPRESSED_COPY: 2,
        Kind.WATERMARKED_COPY: 2,
        Kind.EXACT_COPY: 2,
        Kind.LIKED_COPY: 4,
        Kind.TOO_SMALL: 1,
        Kind.BROKEN: 2,
        Kind.MISSING: 1,
    }


def test_copies_pass_the_size_screen_and_differ_from_their_photo(site, sample_photos):
    """Only the thumbnail is too small; resized copies are smaller than their photo, exact ones the same bytes."""
    originals = {photo.name: photo for photo in (*sample_photos.held_back, *sample_photos.liked)}
    for file in of_kind(
        site, Kind.RESIZED_COPY, Kind.RECOMPRESSED_COPY, Kind.WATERMARKED_COPY, Kind.LIKED_COPY
    ):
        with Image.open(site.folder / file.path) as image:
            width, height = image.size
            image.load()
        assert width * height >= SCREEN_PX
        assert width / height == pytest.approx(1.5, rel=0.01)
        if file.kind is Kind.RESIZED_COPY:
            assert width == 1600
    for file in of_kind(site, Kind.EXACT_COPY):
        assert (site.folder / file.path).read_bytes() == originals[file.made_from].read_bytes()
    [small] = of_kind(site, Kind.TOO_SMALL)
    with Image.open(site.folder / small.path) as image:
        assert image.size == (320, 213)


def test_recompressed_copies_are_smaller(site, sample_photos):
    """Quality 40 loses bytes and keeps the size in pixels."""
    for file in of_kind(site, Kind.RECOMPRESSED_COPY):
        [photo] = [photo for photo in sample_photos.held_back if photo.name == file.made_from]
        assert (site.folder / file.path).stat().st_size < photo.stat().st_size
        with Image.open(site.folder / file.path) as copy, Image.open(photo) as original:
            assert copy.size == original.size


def test_watermarks_are_visible_all_over(site, sample_photos):
    """Every ninth of the picture, the middle of the photo, has pixels that are much brighter than the photo's."""
    for file in of_kind(site, Kind.WATERMARKED_COPY):
        [photo] = [photo for photo in sample_photos.held_back if photo.name == file.made_from]
        with Image.open(site.folder / file.path) as marked, Image.open(photo) as original:
            middle = without_edges(original)
            assert marked.size == middle.size
            pairs = zip(cut_in_nine(marked), cut_in_nine(middle), strict=True)
            for with_mark, without in pairs:
                assert max_difference(with_mark, without) > 40


def cut_in_nine(image):
    width, height = image.size[0] // 3, image.size[1] // 3
    grey = image.convert("L")
    for x in range(3):
        for y in range(3):
            yield grey.crop((x * width, y * height, (x + 1) * width, (y + 1) * height))


def max_difference(one, other):
    return max(a - b for a, b in zip(one.tobytes(), other.tobytes(), strict=True))


def test_bad_files_are_bad(site):
    """One JPEG ends half-way, one file is text, one is not there."""
    cut, text = of_kind(site, Kind.BROKEN)
    with Image.open(site.folder / cut.path) as image, pytest.raises(OSError, match="truncated"):
        image.load()
    with pytest.raises(UnidentifiedImageError):
        Image.open(site.folder / text.path)
    assert text.made_from is None
    [missing] = of_kind(site, Kind.MISSING)
    assert not (site.folder / missing.path).exists()


def test_the_pages_link_to_every_file_once(site):
    """The front page links to the galleries, and they to all that `site.json` lists."""
    galleries = re.findall(r'<a href="([^"]+)">', (site.folder / "index.html").read_text())
    assert galleries == ["nature.html", "graphics.html", "copies.html"]
    linked = [
        link
        for gallery in galleries
        for link in re.findall(r'<a href="([^"]+)">', (site.folder / gallery).read_text())
    ]
    assert sorted(linked) == sorted(file.path for file in site.files)
    assert len(set(linked)) == len(linked)
    listed = json.loads((site.folder / "site.json").read_text())["files"]
    assert [(row["path"], row["kind"], row["made_from"]) for row in listed] == [
        (file.path, file.kind, file.made_from) for file in site.files
    ]


def test_building_again_does_nothing(site, sample_photos):
    """From the same photos not one file is written anew."""
    before = {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")}
    assert build_site(sample_photos, site.folder, progress=pytest.fail) == site
    assert {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")} == before


def test_the_same_photos_give_the_same_site(site, sample_photos, tmp_path):
    """Two builds agree in every byte."""

    def digests(folder):
        return {
            path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }

    again = build_site(sample_photos, tmp_path / "again")
    assert digests(again.folder) == digests(site.folder)


def test_other_photos_build_it_anew(sample_photos, tmp_path):
    """When a photo's bytes change, the old site is replaced."""
    photo = write_photo(tmp_path / "a.jpg", seed=1)
    photos = type(sample_photos)(tmp_path, (), (photo,), (), ())
    first = (build_site(photos, tmp_path / "site").folder / "images" / "a.jpg").read_bytes()
    write_photo(photo, seed=2)
    second = (build_site(photos, tmp_path / "site").folder / "images" / "a.jpg").read_bytes()
    assert first != second


@pytest.mark.parametrize("size", [(1280, 1024), (2000, 700)])
def test_a_photo_too_small_to_shrink_gets_no_smaller_copy(sample_photos, tmp_path, size):
    """A photo just over the screen's size has no smaller copy that the crawl would take."""
    photo = write_photo(tmp_path / "a.jpg", size=size)
    photos = type(sample_photos)(tmp_path, (), (photo,), (), ())
    site = build_site(photos, tmp_path / "site")
    assert not of_kind(site, Kind.RESIZED_COPY)
    assert not of_kind(site, Kind.WATERMARKED_COPY)
    assert of_kind(site, Kind.RECOMPRESSED_COPY)
