"""Liked images from the least typical to the most."""

from __future__ import annotations

from lodestone.cli.profile.liked_ranking import image_name, rank_liked
from lodestone.novelty.v1.profile_pb2 import ImageLabel, LikedImage, Profile

PROFILE = Profile(threshold_nats=2.0, held_out_log_likelihoods=[1.0, 2.0, 2.0, 5.0])


def liked(position, score=None, name=""):
    return LikedImage(position=position, label=ImageLabel(name=name), held_out_log_likelihood=score)


def test_images_come_least_typical_first_with_their_percentiles():
    """A percentile is the share of all held-out images that score as low or lower; ties are one."""
    images = [liked(0, 5.0, "d"), liked(1, 2.0, "b"), liked(2, 1.0, "a"), liked(3, 2.0, "c")]
    ranked = rank_liked(PROFILE, images, {2: b"jpeg"})
    assert [one.name for one in ranked] == ["a", "b", "c", "d"]
    assert [one.percentile for one in ranked] == [25.0, 75.0, 75.0, 100.0]
    assert [one.passes for one in ranked] == [False, True, True, True]
    assert [one.jpeg for one in ranked] == [b"jpeg", b"", b"", b""]


def test_images_that_were_not_held_out_have_no_rank():
    """Those that repeat another one, and those that took part in every fit."""
    assert [one.position for one in rank_liked(PROFILE, [liked(0), liked(1, 2.0)])] == [1]


def test_the_least_percentile_is_over_nothing():
    """Also of an image whose score was not among those that the profile lists."""
    assert rank_liked(PROFILE, [liked(0, -3.0)])[0].percentile == 25.0


def test_an_image_is_called_by_what_is_known_of_it():
    """Its name, made harmless; else its digest; else its place."""
    assert image_name(ImageLabel(name="a\n\u202eb.jpg", digest="ab" * 32), 4) == "a �b.jpg"
    assert image_name(ImageLabel(digest="ab" * 32), 4) == "abababababab"
    assert image_name(ImageLabel(), 4) == "number 5"
