from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.licence import is_allowed, licence_id
from services.crawler.post import Post
from services.crawler.post_rules import PostGates, PostReason, PostRules


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # `LicenseShortName`, `License` and `UsageTerms` as Wikimedia Commons has them.
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("CC BY-SA 3.0 de", "cc-by-sa-3.0"),
        ("CC BY 2.5 dk", "cc-by-2.5"),
        ("CC BY-SA 2.5,2.0,1.0", "cc-by-sa-2.5"),
        ("CC BY-SA 1.0+", "cc-by-sa-1.0"),
        ("CC-BY-SA-3.0-migrated", "cc-by-sa-3.0"),
        ("cc-by-sa-4.0", "cc-by-sa-4.0"),
        ("CC SA 1.0", "cc-sa-1.0"),
        ("CC0", "cc0-1.0"),
        ("CC-Zero", "cc0-1.0"),
        ("Public domain", "pd"),
        ("pd", "pd"),
        ("PDM-owner", "pd"),
        ("No restrictions", "no-known-copyright-restrictions"),
        ("Attribution", "attribution"),
        ("Copyrighted free use", "copyrighted-free-use"),
        ("GFDL", "gfdl"),
        ("GFDL 1.2", "gfdl-1.2"),
        ("FAL", "fal"),
        ("OGL 3", "ogl-3"),
        ("GODL-India", "godl-india"),
        ("KOGL Type 1", "kogl-type-1"),
        ("Creative Commons Attribution-Share Alike 4.0", "cc-by-sa-4.0"),
        ("Creative Commons Zero, Public Domain Dedication", "cc0-1.0"),
        # Flickr's, before and since June 2025.
        ("All Rights Reserved", "all-rights-reserved"),
        ("Attribution-NonCommercial-ShareAlike License", "cc-by-nc-sa"),
        ("Attribution-NonCommercial License", "cc-by-nc"),
        ("Attribution-NonCommercial-NoDerivs License", "cc-by-nc-nd"),
        ("Attribution License", "cc-by"),
        ("Attribution-ShareAlike License", "cc-by-sa"),
        ("Attribution-NoDerivs License", "cc-by-nd"),
        ("No known copyright restrictions", "no-known-copyright-restrictions"),
        ("United States Government Work", "united-states-government-work"),
        ("Public Domain Dedication (CC0)", "cc0-1.0"),
        ("Public Domain Mark", "pd"),
        ("CC BY-NC-SA 2.0", "cc-by-nc-sa-2.0"),
        ("CC BY-NC-ND 4.0", "cc-by-nc-nd-4.0"),
        # Addresses and other spellings, as in feeds.
        ("https://creativecommons.org/licenses/by-sa/4.0", "cc-by-sa-4.0"),
        ("http://creativecommons.org/licenses/by-nc-nd/3.0/us/deed.en", "cc-by-nc-nd-3.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "pd"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International", "cc-by-nc-nd-4.0"),
        ("cc_by_sa 4.0", "cc-by-sa-4.0"),
        ("  CC   BY-NC-SA  ", "cc-by-nc-sa"),
        ("CC BY-SA-NC 4.0", "cc-by-nc-sa-4.0"),
        ("by-sa", "cc-by-sa"),
        ("MIT", "mit"),
        ("", ""),
        ("  ", ""),
        ("©", ""),
        # What is no licence of the series, though it has its words.
        ("Photo by Ann", "photo-by-ann"),
        ("stand by 2.0", "stand-by-2.0"),
        ("Creative Commons", "creative-commons"),
        ("This is not in the public domain", "this-is-not-in-the-public-domain"),
        ("All rights reserved, not CC BY", "all-rights-reserved-not-cc-by"),
    ],
)  # fmt: skip
def test_one_form_for_each_licence(name, expected):
    """Names as sources really write them; the form is its own form."""
    assert licence_id(name) == expected
    assert licence_id(expected) == expected


@pytest.mark.parametrize(
    ("licence", "allowed", "passes"),
    [
        ("CC BY 2.0", ("cc-by",), True),
        ("CC BY 2.0", ("CC BY 2.0",), True),
        ("CC BY 2.0", ("cc-by-4.0",), False),
        ("CC BY-SA 4.0", ("cc-by",), False),
        ("CC BY-SA 3.0 de", ("cc-by-sa",), True),
        ("CC BY-NC 4.0", ("cc-by", "cc-by-sa"), False),
        ("CC0 1.0", ("cc0",), True),
        ("CC0", ("cc0-1.0",), True),
        ("Public domain", ("pd",), True),
        ("No restrictions", ("pd",), False),
        ("Attribution", ("cc-by",), False),
        ("GFDL 1.2", ("gfdl",), True),
        ("", ("cc-by",), False),
        ("", (), True),
        ("All Rights Reserved", (), True),
        ("All Rights Reserved", ("cc-by", "cc0", "pd"), False),
    ],
)
def test_what_is_allowed(licence, allowed, passes):
    """An entry without a version allows every version; without a list everything passes, with one nothing unstated."""
    assert is_allowed(licence, allowed) is passes
    gates = PostGates(PostRules(licences=allowed))
    assert (gates.turn_away(Post(licence=licence)) is None) is passes
    assert gates.turn_away(Post(licence=licence)) in (None, PostReason.LICENCE)


@given(st.text(max_size=300))
def test_any_text_has_a_form(text):
    """Whatever a source states, the form is short, of few characters, and its own form."""
    form = licence_id(text)
    assert set(form) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert licence_id(form) == form


def test_a_long_text_takes_no_long_time():
    """A megabyte of parts is read in a blink."""
    began = time.process_time()
    for text in ("by-sa " * 200_000, "cc " * 300_000, "non " * 250_000, "attribution-" * 90_000):
        licence_id(text)
    assert time.process_time() - began < 1.0
