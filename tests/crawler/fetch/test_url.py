from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.crawler.fetch.url import (
    URL_MAX_CHARACTERS,
    BadUrl,
    WebUrl,
    _parse_any,
    has_scheme,
    parse_url,
    without_credentials,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTP://EXAMPLE.com:80/A/b#part", "http://example.com/A/b"),
        ("https://example.com:443/?q=1#x", "https://example.com/?q=1"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com./x", "http://example.com/x"),
        ("http://bücher.example/ü?x=ß", "http://xn--bcher-kva.example/%C3%BC?x=%C3%9F"),
        ("http://example.com/a%20b%2Fc", "http://example.com/a%20b%2Fc"),
        ("http://example.com/\udcfc", "http://example.com/%FC"),
        ("http://my_host.example/", "http://my_host.example/"),
        ("http://[2001:DB8::0:1]/", "http://[2001:db8::1]/"),
        ("http://h/w_200,h_300/x;y=(1)!'*", "http://h/w_200,h_300/x;y=(1)!'*"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    """Equal addresses have one form; what is escaped stays as it is."""
    assert parse_url(text).text == canonical
    assert parse_url(canonical).text == canonical


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://127.1/", "127.0.0.1"),
        ("http://0x7f000001/", "127.0.0.1"),
        ("http://0X7F.1/", "127.0.0.1"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://0177.0.0.1/", "127.0.0.1"),
        ("http://①②⑦.0.0.1/", "127.0.0.1"),
        ("http://127。0。0。1/", "127.0.0.1"),
        ("http://127.0.0.1./", "127.0.0.1"),
        ("http://0/", "0.0.0.0"),
        ("http://[::1]/", "::1"),
        ("http://[::ffff:127.0.0.1]/", "::ffff:7f00:1"),
        ("http://[64:ff9b::a9fe:a9fe]/", "64:ff9b::a9fe:a9fe"),
        ("http://example.com/", ""),
    ],
)
def test_every_spelling_of_an_address_is_that_address(text: str, address: str) -> None:
    """Short, hexadecimal, octal and full-width spellings show the address to the guard."""
    assert parse_url(text).address == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.com", "//example.com/", "file:///etc/passwd", "ftp://h/", "data:,x"),
        *(
            "javascript:alert(1)",
            "gopher://h/",
            "http:",
            "http:///x",
            "http://",
            "https:example.com",
        ),
        *("http://user@h/", "http://user:pw@h/", "http://@h/", "http://good.com\\@evil/"),
        *("http://h/\x00", "http://h/a b", " http://h/", "http://h/\r\nX: 1", "http://h/\x7f"),
        *("http://h:99999/", "http://h:0/", "http://h:-1/", "http://h:x/", "http://h:٣/"),
        *("http://a..b/", "http://-a.b/", "http://%31.0.0.1/", "http://[::1/", "http://[h]/"),
        *("http://1.2.3.4.5/", "http://08.1.1.1/", "http://256.1.1.1/", "http://0x/"),
        *("http://[fe80::1%25eth0]/", "http://h/\ud800", f"http://{'a' * 64}.example/"),
        *(f"http://{'a.' * 130}example/", f"http://h/{'x' * URL_MAX_CHARACTERS}"),
        f"http://h/{'ü' * 4_000}",
    ],
)
def test_refuses_what_cannot_be_asked_for(text: str) -> None:
    """One clear error for other schemes, credentials, control characters, bad hosts and ports, and length."""
    with pytest.raises(BadUrl) as refused:
        parse_url(text)
    assert refused.value.cause
    assert len(str(refused.value)) < 1_500


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("x.jpg", "https://h/dir/x.jpg"),
        (" my photo.jpg\n", "https://h/dir/my%20photo.jpg"),
        ("/a\n\t.jpg", "https://h/a.jpg"),
        ("../up.jpg", "https://h/up.jpg"),
        ("../../../up.jpg", "https://h/up.jpg"),
        ("//other/x", "https://other/x"),
        ("?page=2", "https://h/dir/page.html?page=2"),
        ("#top", "https://h/dir/page.html"),
        ("http://other:8080/x#y", "http://other:8080/x"),
    ],
)
def test_joins_as_browsers_do(reference: str, expected: str) -> None:
    """What a page or a Location header says is resolved against where it stands."""
    assert parse_url("https://h/dir/page.html").join(reference).text == expected


@pytest.mark.parametrize(
    "reference",
    [
        *("\\\\evil\\x", "/\\evil", "data:,x", "file:///etc/passwd", "http://[bad", "mailto:a@b"),
        *("http://u:p@h/", "x" * (URL_MAX_CHARACTERS + 1), "a\x00b"),
    ],
)
def test_refuses_references_to_no_web_url(reference: str) -> None:
    """A reference cannot lead to another scheme, to credentials or past a backslash."""
    with pytest.raises(BadUrl):
        parse_url("https://h/dir/page.html").join(reference)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_one_error(text: str) -> None:
    """Nothing but BadUrl comes out, and a canonical form is stable ASCII without blanks."""
    for candidate in (text, f"http://{text}", f"http://h/{text}"):
        try:
            parsed = parse_url(candidate)
        except BadUrl:
            continue
        assert parsed.text.isascii()
        assert parsed.text.isprintable()
        assert " " not in parsed.text
        assert parse_url(parsed.text) == parsed


def test_tells_a_scheme() -> None:
    """`ftp:` is a scheme, a path or a sentence has none."""
    assert has_scheme("ftp://x")
    assert has_scheme("HTTP:x")
    assert not has_scheme("/a:b")
    assert not has_scheme("1http://x")
    assert not has_scheme("some text: here")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host/a", "http://…@host/a"),
        ("http://user@host", "http://…@host"),
        ("http://a@b:pw@host/x@y", "http://…@host/x@y"),
        ("//user:pw@host/", "//…@host/"),
        ("ftp://user:p%40w@host/", "ftp://…@host/"),
        ("http://host/user:pw@host", "http://host/user:pw@host"),
        ("http://host?a=b@c", "http://host?a=b@c"),
        ("mailto:me@example.org", "mailto:me@example.org"),
    ],
)
def test_credentials_are_not_shown(text: str, shown: str) -> None:
    """A password in a list that somebody made is in no message and no log."""
    assert without_credentials(text) == shown
    assert "pw" not in str(BadUrl("http://user:pw@host/", "it has credentials"))


PARTS = st.lists(
    st.sampled_from(
        [
            "/a.jpg",
            "/./",
            "/../",
            "%2e",
            *"aZ09-_.:/?#[]@!$&'()*+,;=%~|^`{}\"\\ é\n",
            "http://",
            "0x1",
            "127",
            "www.",
            "//",
        ]
    ),
    max_size=14,
).map("".join)


def url_or_cause(parse, text):
    try:
        return parse(text)
    except BadUrl as error:
        return error.cause


@given(st.sampled_from(["http://", "https://", "HTTP://", ""]), PARTS)
@example("https://", "a.b/x?")
@example("https://", "a.0x1/")
@example("https://", "a.1/x")
@example("https://", f"{'a.' * 126}ab/")
@example("https://", f"{'a.' * 127}a/")
@example("https://", f"{'a' * 64}.b/")
def test_the_short_way_gives_what_the_long_way_gives(scheme, rest):
    """An address that needs no work is found to be in canonical form already, and none else is."""
    text = scheme + rest
    expected = url_or_cause(_parse_any, text)
    assert url_or_cause(parse_url, text) == expected
    if isinstance(expected, WebUrl):
        assert expected.path == urlsplit(expected.text).path
        assert parse_url(expected.text) == expected


@given(st.sampled_from(["http://h.example/a/b;c/d?x", "https://[::1]:8/", "http://h"]), PARTS)
@example("http://h/", "/a;")
@example("http://h/", "//evil/x")
@example("http://h/a/", "/b/./c")
@example("http://h/a/", "/b/..")
@example("http://h/a/", "https://other/a/../b")
def test_a_reference_that_needs_no_work_is_joined_as_any(base, reference):
    """The short way for whole addresses and rooted paths gives what the long way gives."""
    page = parse_url(base)
    cleaned = re.sub(r"[\t\r\n]", "", reference.strip("\x00\t\n\f\r ")).replace(" ", "%20")
    expected = url_or_cause(page._join_any, cleaned)
    assert url_or_cause(page.join, reference) == expected


@given(PARTS)
@example("a.jpg/")
@example("a.jpg/.")
@example("a.jpg/..")
@example(".jpg")
@example("a.")
@example("a%2Fb%2eJPG")
@example("a..b")
def test_file_names_are_those_of_paths(rest):
    """Name and suffix are what `PurePosixPath` finds."""
    url = url_or_cause(parse_url, f"http://h/{rest}")
    if isinstance(url, WebUrl):
        path = PurePosixPath(unquote(url.path))
        assert url.file_name == path.name
        assert url.suffix == path.suffix.lower()
