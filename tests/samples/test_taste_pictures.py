from __future__ import annotations

from lodestone.cli.profile.liked import LikedOverview
from lodestone.cli.profile.liked_ranking import RankedImage
from samples.taste_pictures import with_free_pictures


def test_only_photos_under_creative_commons_are_shown():
    """The others, and those whose licence is not known, keep their places and names."""
    licences = {"a.jpg": "CC-BY-4.0", "b.jpg": "GPL-2+ (some: CC-BY-SA-4.0)"}
    ranked = [
        RankedImage(position, name, "", 1.0, 50.0, passes=True, jpeg=b"jpeg")
        for position, name in enumerate(["a.jpg", "b.jpg", "c.jpg"])
    ]
    thumbnails = dict.fromkeys(range(3), b"jpeg")
    shown = with_free_pictures(LikedOverview(ranked, thumbnails=thumbnails), licences)
    assert [(one.name, one.jpeg) for one in shown.ranked] == [
        ("a.jpg", b"jpeg"),
        ("b.jpg", b""),
        ("c.jpg", b""),
    ]
    assert shown.thumbnails == {0: b"jpeg"}
