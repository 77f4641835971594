from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.reading import image_suffix, is_on, read_json, second_of, web_url
from services.crawler.resolvers.resolution import Answer, Unanswered


@pytest.mark.parametrize(
    ("host", "domain", "expected"),
    [
        ("imgur.com", "imgur.com", True),
        ("m.imgur.com", "imgur.com", True),
        ("evil-imgur.com", "imgur.com", False),
        ("evilimgur.com", "imgur.com", False),
        ("imgur.com.evil.org", "imgur.com", False),
        ("com", "imgur.com", False),
    ],
)
def test_hosts(host, domain, expected):
    """The domain itself or a name below it."""
    assert is_on(parse_url(f"https://{host}/"), domain) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/a?x=1&amp;y=2", "https://h/a?x=1&y=2"),
        ("https://h/a?x=1&copy=2&amp", "https://h/a?x=1&copy=2&amp"),
        (" https://h/a\n", "https://h/a"),
        ("//h/a", None),
        ("ftp://h/a", None),
        ("https://h/\ud800", None),
        ("", None),
        (None, None),
        (["https://h/"], None),
        ("https://h/" + "a" * 9_000, None),
    ],
)
def test_urls_of_strangers(text, expected):
    """A URL or None; only what HTML escapes in one is unescaped."""
    url = web_url(text)
    assert (url.text if url else None) == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("image/jpeg", ".jpg"),
        ("image/jpg", ".jpg"),
        ("IMAGE/PNG", ".png"),
        ("image/jpeg; charset=utf-8", ".jpg"),
        ("image/gif", ".gif"),
        ("text/html", ""),
        ("image/jpegs", ""),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_types(content_type, expected):
    """Parameters do not count."""
    assert image_suffix(content_type) == expected


@pytest.mark.parametrize("text", ["", "<html>", "{", "[" * 10_000, '{"a":' * 10_000, "9" * 9_000])
def test_what_is_no_json(text):
    """One error, whatever is wrong with it."""
    with pytest.raises(Unanswered):
        read_json(Answer(parse_url("https://h/"), text))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, 1.7e9),
        (1_700_000_000.5, 1_700_000_000.5),
        ("1293840000", 1_293_840_000.0),
        ("9" * 10_000, None),
        ("", None),
        ("٣", None),
        (True, None),
        (0, None),
        (-1, None),
        (1e300, None),
        (float("nan"), None),
        ([1], None),
        (None, None),
    ],
)
def test_times_of_strangers(value, expected):
    """Seconds, or None for what is no time that a calendar has."""
    assert second_of(value) == expected
