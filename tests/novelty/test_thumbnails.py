from __future__ import annotations

from dataclasses import replace

import pytest

from services.novelty.thumbnails import UnfitThumbnail, carried_over, check_thumbnails, joined
from services.servicekit.errors import InvalidInput
from tests.novelty.thumbnail_samples import contents, picture, thumbnails


def refusal(jpeg):
    """What is said of a JPEG beside good ones."""
    some = list(thumbnails())
    some[4] = replace(some[4], jpeg=jpeg)
    with pytest.raises(UnfitThumbnail) as caught:
        check_thumbnails(some, 9)
    assert str(caught.value).startswith("thumbnails[4]: ")
    return caught.value.problem


def test_good_thumbnails_pass():
    """Up to 64, in any order, up to 512 pixels a side and 65,536 bytes."""
    check_thumbnails(thumbnails(range(64)), 64)
    check_thumbnails(thumbnails([8, 3]), 9)
    large = picture(512, 512, noise=20.0, quality=65)
    assert 50_000 < len(large) <= 65_536
    check_thumbnails([replace(thumbnails()[0], jpeg=large)], 9)


def test_there_are_1_to_64():
    """None and 65 are refused before anything is decoded."""
    with pytest.raises(InvalidInput, match="^0 thumbnails; a request has 1 to 64"):
        check_thumbnails([], 9)
    with pytest.raises(InvalidInput, match="^65 thumbnails"):
        check_thumbnails([replace(thumbnails()[0], jpeg=b"")] * 65, 9)


@pytest.mark.parametrize("position", [-1, 9, 2**31 - 1])
def test_positions_are_there(position):
    """Of 9 liked images the last one is 8."""
    with pytest.raises(UnfitThumbnail, match=r"thumbnails\[1\]: there is no liked image -?\d+"):
        check_thumbnails(thumbnails([0, position]), 9)


def test_a_position_comes_once():
    """The second one is named."""
    with pytest.raises(UnfitThumbnail, match=r"thumbnails\[2\]: position 3 comes twice"):
        check_thumbnails(thumbnails([3, 4, 3]), 9)


def test_what_is_no_jpeg():
    """Another format, a file that is cut, and no file at all."""
    assert refusal(picture(file_format="PNG")) == refusal(b"") == "it is no JPEG"
    whole = picture(200, 200, noise=20.0)
    assert "does not decode" in refusal(whole[: len(whole) // 2])
    assert "not a JPEG" in refusal(b"\xff\xd8\xff" + bytes(1000))


def test_what_is_too_large():
    """In bytes, in pixels, and on one side alone."""
    assert "over the limit of 65,536" in refusal(picture(512, 512, noise=60.0, quality=98))
    assert "pixels" in refusal(picture(513, 512))
    assert refusal(picture(600, 10)) == "600x10 pixels, over 512 a side"


def test_what_was_given_comes_before_what_was_carried_over():
    """Of one image the given thumbnail is kept, and 64 are in all; by position."""
    given, carried = thumbnails([5, 1]), thumbnails([7, 1, 3], seed=100)
    expected = [given[1], carried[2], given[0], carried[0]]
    assert contents(joined(given, carried)) == contents(expected)
    many = joined(thumbnails(range(10)), thumbnails(range(8, 70), seed=100))
    assert [one.position for one in many] == list(range(64))
    assert contents(joined(given, ())) == contents([given[1], given[0]])


def test_a_refit_carries_over_those_of_images_that_stay():
    """Under their new positions, by these; of the others nothing."""
    old = thumbnails(range(0, 18, 2))
    moved = carried_over(old, {0: 3, 1: 0, 4: 1, 16: 2})
    expected = [replace(old[at], position=position) for at, position in ((2, 1), (8, 2), (0, 3))]
    assert contents(moved) == contents(expected)
    assert carried_over(old, {1: 0}) == ()
