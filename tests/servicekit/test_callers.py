from __future__ import annotations

import pytest

from services.servicekit.callers import CRAWLER, PERSON, Callers, require_methods
from services.servicekit.errors import Misconfigured, PermissionDenied

CALLERS = Callers({"": (CRAWLER, PERSON), "Delete": (PERSON,), "DeleteNothing": ()})


def test_a_caller_on_the_list_may_call():
    """Under the first of its names that is on it."""
    assert CALLERS.require("GetProfile", [CRAWLER]) == CRAWLER
    assert CALLERS.require("GetProfile", ["spiffe://lodestone/other", PERSON]) == PERSON


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("DeleteProfile", [CRAWLER]),
        ("DeleteNothing", [PERSON]),
        ("GetProfile", ["spiffe://lodestone/watermark"]),
        ("GetProfile", [CRAWLER.upper(), CRAWLER + "/", "crawler"]),
        ("GetProfile", []),
    ],
)
def test_nobody_else_may(method, names):
    """The longest beginning decides; a name is one only as a whole."""
    with pytest.raises(PermissionDenied, match=f"may not call {method}") as caught:
        CALLERS.require(method, names)
    assert caught.value.names == tuple(names)


def test_a_method_that_is_on_no_list_is_nobodys():
    """A list of few methods opens no others."""
    with pytest.raises(PermissionDenied):
        Callers({"Get": (PERSON,)}).require("DeleteProfile", [PERSON])


METHODS = ["FitProfile", "GetProfile", "DeleteProfile"]


@pytest.mark.parametrize(
    ("start", "nearest"),
    [
        ("Delte", "DeleteProfile"),
        ("delete", "DeleteProfile"),
        ("DeleteProfiles", "DeleteProfile"),
        ("/lodestone.novelty.v1.NoveltyService/FitProfile", "FitProfile"),
    ],
)
def test_a_beginning_that_no_method_has_is_refused(start, nearest):
    """With the one that was probably meant: what it was to close would be as open as all others."""
    allowed = {"": (PERSON,), "Fit": (), start: ()}
    said = (
        f"ECHO_CALLERS: no method of this service begins with {start!r}; the nearest is {nearest!r}"
    )
    with pytest.raises(Misconfigured) as caught:
        require_methods(allowed, METHODS, setting="ECHO_CALLERS")
    assert str(caught.value) == said


def test_beginnings_that_methods_have_are_taken():
    """All methods, those of a kind, and one alone."""
    require_methods({"": (), "Get": (), "DeleteProfile": ()}, METHODS, setting="ECHO_CALLERS")
    require_methods({}, METHODS, setting="ECHO_CALLERS")
