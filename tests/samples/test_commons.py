import json

import pytest

from samples import commons
from samples.commons import fetch_commons_photos
from samples.commons_client import CommonsClient
from samples.errors import DownloadError, TooFewPhotosError
from tests.samples.mediawiki import page, running


@pytest.fixture
def wiki():
    with running() as wiki:
        for i, category in enumerate((*commons._NATURE, *commons._THINGS)):
            wiki.categories[category] = [page(100 * i + n, host=wiki.host) for n in range(45)]
        yield wiki


def fetch(cache, wiki, lines=None):
    lines = [] if lines is None else lines
    client = CommonsClient(wiki.api, sleep=pytest.fail)
    return fetch_commons_photos(cache, progress=lines.append, client=client)


def names(paths):
    return [path.name for path in paths]


def test_the_four_roles_come_from_the_categories(tmp_path, wiki):
    """As many of each as out of the Debian packages: nature to like and find, things to tell it from."""
    lines = []
    photos = fetch(tmp_path, wiki, lines)
    sizes = [len(p) for p in (photos.liked, photos.held_back, photos.background, photos.other)]
    assert sizes == [18, 10, 21, 38]
    assert photos.liked[0].name == "Photo_000_é_ü__1000.jpg"
    assert photos.liked[0].read_bytes() == b"/thumb/0.jpg"
    assert "downloaded 80 of 87 photos" in lines
    nature = {path.read_bytes() for path in (*photos.liked, *photos.held_back)}
    things = {path.read_bytes() for path in (*photos.background, *photos.other)}
    assert len(nature) == 28
    assert len(things) == 59
    assert not nature & things


def test_the_index_keeps_licence_author_and_page(tmp_path, wiki):
    """Without HTML, as the free licences ask."""
    photos = fetch(tmp_path, wiki)
    rows = json.loads((photos.folder / "photos.json").read_text())["photos"]
    assert rows[0] == {
        "role": "liked",
        "name": "Photo_000_é_ü__1000.jpg",
        "licence": "CC BY-SA 4.0",
        "author": "Author 0 & co",
        "source": "https://commons.example/wiki/File:0",
    }
    assert len(rows) == 87


def test_requests_are_as_the_api_asks(tmp_path, wiki):
    """One at a time, named, with maxlag, and 50 renditions a request at most."""
    fetch(tmp_path, wiki)
    assert wiki.at_once == 1
    assert all(agent.startswith("lodestone-samples/") for _, _, agent in wiki.requests)
    _, parameters, _ = wiki.requests[0]
    expected = {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "maxlag": "5",
        "generator": "categorymembers",
        "gcmtitle": "Category:Quality images of landscapes",
        "gcmtype": "file",
        "gcmlimit": "50",
        "prop": "imageinfo",
        "iiprop": "url|size|mime|extmetadata",
        "iiurlwidth": "1920",
    }
    assert parameters.items() >= expected.items()


def test_a_second_call_asks_no_one(tmp_path, wiki):
    """What is there is there."""
    first = fetch(tmp_path, wiki)
    asked = len(wiki.requests)
    assert fetch(tmp_path, wiki) == first
    assert len(wiki.requests) == asked


def test_pictures_that_the_crawl_would_refuse_are_passed_over(tmp_path, wiki):
    """Too small, too wide, too tall, not a photo's format, no imageinfo, and a series by one author."""
    bad = [
        page(900, host=wiki.host, width=1280, height=1000),
        page(901, host=wiki.host, width=1920, height=600),
        page(902, host=wiki.host, width=1000, height=2100),
        page(903, host=wiki.host, mime="image/svg+xml"),
        {"pageid": 904, "ns": 6, "title": "File:A.jpg"},
    ]
    series = [page(910 + n, host=wiki.host, author="One") for n in range(5)]
    for n, first in enumerate([*bad, *series]):
        first["title"] = f"File:A photo that comes first {n:02d}.jpg"
    for category in commons._NATURE:
        wiki.categories[category] = [*bad, *series, *wiki.categories[category]]
    photos = fetch(tmp_path, wiki)
    got = [path.read_bytes() for path in (*photos.liked, *photos.held_back)]
    assert len(got) == 28
    assert [content for content in got if content >= b"/thumb/90"] == [b"/thumb/910.jpg"]


def test_a_category_goes_on_after_a_batch(tmp_path, wiki):
    """The answer's `continue` is followed where the first batch is not enough."""
    first, *rest = commons._NATURE
    wiki.categories[first] = [page(n, host=wiki.host) for n in range(80)]
    for category in rest:
        wiki.categories[category] = []
    for n in range(40):
        wiki.categories[first][n]["imageinfo"] = []
    photos = fetch(tmp_path, wiki)
    assert min(path.read_bytes() for path in photos.liked) == b"/thumb/40.jpg"
    assert any("gcmcontinue" in parameters for _, parameters, _ in wiki.requests)


def test_too_few_is_an_error(tmp_path, wiki):
    """Empty categories do not make an empty run."""
    wiki.categories.clear()
    with pytest.raises(TooFewPhotosError, match="only 0 liked"):
        fetch(tmp_path, wiki)
    assert not (tmp_path / commons.FOLDER).exists()


def test_an_interrupted_run_goes_on(tmp_path, wiki):
    """What was downloaded before Commons failed is not asked for again."""
    downloads = [5]

    class Failing(CommonsClient):
        def download(self, url, path):
            downloads[0] -= 1
            if downloads[0] < 0:
                raise DownloadError(url, "HTTP 404")
            super().download(url, path)

    with pytest.raises(DownloadError, match="HTTP 404"):
        fetch_commons_photos(tmp_path, progress=lambda _: None, client=Failing(wiki.api))
    assert not (tmp_path / commons.FOLDER).exists()
    photos = fetch(tmp_path, wiki)
    assert len(photos.other) == 38
    thumbs = [path for path in wiki.paths() if path.startswith("/thumb/")]
    assert len(thumbs) == len(set(thumbs)) == 87
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [commons.FOLDER, f"{commons.FOLDER}.lock"]
