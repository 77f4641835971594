from __future__ import annotations

from pathlib import Path

import pytest

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.sources.folder import FolderSource
from services.crawler.sources.page import PageSource
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource
from services.crawler.sources.urls import UrlListSource
from tests.crawler.sources.listing import source_tools

REGISTRY = SourceRegistry(source_tools())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a folder of photos and lists of every kind."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos:2").mkdir()
    for name in ("list.txt", "list.CSV", "list.jsonl", "list.parquet", "photo.jpg", "notes.doc"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


def test_folders(place: Path) -> None:
    """With or without the word, absolute or relative, and through links: one name."""
    (place / "link").symlink_to(place / "photos")
    uri = f"folder:{place}/photos"
    for text in (
        uri,
        f"{place}/photos",
        "photos",
        "./photos/",
        "folder:photos",
        f"{place}/link",
        " photos ",
    ):
        source = REGISTRY.parse(text)
        assert isinstance(source, FolderSource)
        assert source.uri == uri
        assert REGISTRY.parse(source.uri).uri == uri
    assert REGISTRY.parse(f"{place}/photos:2").uri == f"folder:{place}/photos:2"


def test_files_of_urls(place: Path) -> None:
    """The four suffixes, in any case, with or without the word."""
    for name in ("list.txt", "list.CSV", "list.jsonl", "list.parquet"):
        for text in (name, f"urls:{name}", f"urls:{place}/{name}"):
            source = REGISTRY.parse(text)
            assert isinstance(source, UrlListSource)
            assert source.uri == f"urls:{place}/{name}"
            assert REGISTRY.parse(source.uri).uri == source.uri


def test_pages() -> None:
    """An http or https URL, with or without the word, in its canonical form."""
    for text in (
        "https://Example.org",
        "page:https://example.org:443/#top",
        "HTTPS://example.org/",
    ):
        source = REGISTRY.parse(text)
        assert isinstance(source, PageSource)
        assert source.uri == "page:https://example.org/"
        assert REGISTRY.parse(source.uri).uri == source.uri


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("folder:", "names no path"),
        ("urls:", "names no path"),
        ("page:", "not an http or https URL"),
        ("folder:/no/such/folder", "no such folder"),
        ("folder:list.txt", "no such folder"),
        ("urls:gone.txt", "no such file"),
        ("urls:photos", "ends in one of .txt"),
        ("gone.csv", "no such file"),
        ("gone", "no folder, no file of URLs"),
        ("nowhere:earthporn", "no kind of source"),
        ("ftp://example.org/", "no folder, no file of URLs"),
        ("photo.jpg", "one image"),
        ("notes.doc", "ends in one of .txt"),
        ("https://user:pw@example.org/", "credentials"),
        ("http://", "no valid host"),
        ("page:file:///etc/passwd", "not an http or https URL"),
        ("folder:a\x00b", "cannot be read"),
        ("a\x00b", "cannot be read"),
        ("x" * 5_000, "cannot be read"),
        ("~nobody-has-this-name/photos", "cannot be read"),
    ],
)
def test_what_is_no_source_is_one_clear_error(place: Path, text: str, words: str) -> None:
    """The error names what was given and what is wrong with it, in one line."""
    with pytest.raises(BadSource) as bad:
        REGISTRY.parse(text)
    assert words in bad.value.cause
    assert bad.value.uri == text[:200] + ("…" if len(text) > 200 else "")
    assert "\n" not in str(bad.value)
    assert len(str(bad.value)) < 500


def test_local_sources_can_be_forbidden(place: Path) -> None:
    """A crawler that serves others reads no files of its machine, whatever they are called."""
    registry = SourceRegistry(source_tools(local=LocalAccess(is_allowed=False)))
    for text in (f"folder:{place}/photos", "photos", "list.txt", f"urls:{place}/list.txt"):
        with pytest.raises(BadSource, match="does not read files"):
            registry.parse(text)
    assert registry.parse("https://example.org/").uri == "page:https://example.org/"


def test_local_sources_can_be_kept_to_a_folder(place: Path) -> None:
    """Links followed, and whatever they are called; the folder itself may be named through a link."""
    (place / "photos" / "list.txt").touch()
    (place / "photos" / "way-out").symlink_to(place / "photos:2")
    (place / "way-in").symlink_to(place / "photos")
    registry = SourceRegistry(source_tools(local=LocalAccess(folder=place / "way-in")))
    for text in ("photos", "way-in", "photos/list.txt", f"urls:{place}/way-in/list.txt"):
        assert f"{place}/photos" in registry.parse(text).uri
    for text in (
        *(".", "list.txt", f"urls:{place}/list.txt", "photos:2", f"folder:{place}/photos/way-out"),
        *("photos/../photos:2", "webdataset:photos/../{a,b}.tar", "webdataset:{photos,x}/a.tar"),
        *("pushshift-dump:photos:2", "~", "/"),
    ):
        with pytest.raises(BadSource, match=f"reads files in {place}/way-in alone"):
            registry.parse(text)
    assert registry.parse("https://example.org/").uri == "page:https://example.org/"


def test_every_kind_says_how_it_is_used() -> None:
    """Words, forms and examples agree; what keeps a kind from working is one sentence."""
    for kind, obstacle in REGISTRY.available():
        assert kind.example.startswith(f"{kind.word}:")
        assert any(form.startswith(f"{kind.word}:") for form in kind.forms)
        assert kind.summary.endswith(".")
        assert "\n" not in obstacle


ASKS_THE_WEB = {
    *("reddit", "reddit-rss", "arctic-shift", "flickr", "imgur", "commons"),
    *("feed", "sitemap", "page", "gallery-dl"),
}


def test_kinds_that_ask_the_web_say_that_no_contact_is_set() -> None:
    """Local kinds are ready without one; a missing key is said besides it, and each alone where only it is missing."""

    def obstacles(*, has_contact: bool) -> dict[str, str]:
        registry = SourceRegistry(source_tools(has_contact=has_contact))
        return {kind.word: obstacle for kind, obstacle in registry.available()}

    without, given = obstacles(has_contact=False), obstacles(has_contact=True)
    says_contact = {
        word for word, obstacle in without.items() if "lodestone up --contact" in obstacle
    }
    assert says_contact == ASKS_THE_WEB
    assert {word for word in without if not without[word]} == set(without) - ASKS_THE_WEB
    assert not any("contact" in obstacle for obstacle in given.values())
    for word, setting in (("reddit", "REDDIT_CLIENT_ID"), ("flickr", "FLICKR_KEY")):
        assert setting in without[word]
        assert setting in given[word]
    assert given["commons"] == ""
    assert "nobody but --allow-address" in without["page"]
