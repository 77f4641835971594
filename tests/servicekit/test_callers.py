from __future__ import annotations

import pytest

from services.servicekit.callers import CRAWLER, PERSON, Callers
from services.servicekit.errors import PermissionDenied

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
