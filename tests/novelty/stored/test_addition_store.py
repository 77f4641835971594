from __future__ import annotations

from dataclasses import replace

import pytest

from services.novelty.additions import Additions
from services.novelty.stored.addition_store import AdditionStore
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.profile_store import ProfileStore, RefitBase
from services.servicekit.embedding import Precision
from services.servicekit.errors import NotFound, Unavailable
from tests.novelty.tastes import liked_images, taste
from tests.novelty.thumbnail_samples import contents, precision_check, thumbnails


@pytest.fixture
def store(root):
    return ProfileStore(root, libraries={})


@pytest.fixture
def profile(store):
    return store.save(taste(), name="landscapes", request_id="a", liked=liked_images())


@pytest.fixture
def additions(store):
    return AdditionStore(store)


def sha256(additions, profile):
    return additions.thumbnail_set(profile).sha256


def test_thumbnails_are_given_once(store, additions, profile):
    """Others are not taken in their place."""
    assert additions.thumbnails(profile) == ()
    assert additions.thumbnail_set(profile) is None
    assert additions.put_thumbnails(profile, thumbnails([5, 3]))
    assert not additions.put_thumbnails(profile, thumbnails([7]))
    assert [one.position for one in additions.thumbnails(profile)] == [3, 5]
    assert store.load("landscapes", 1).additions == Additions(thumbnail_count=2)


def test_those_of_a_refit_stay_beside_given_ones(store, additions):
    """Until some are given they serve alone."""
    carried = thumbnails([1, 3], seed=50)
    base = RefitBase("landscapes@1", carried)
    profile = store.save(
        taste(), name="landscapes", request_id="b", liked=liked_images(), base=base
    )
    assert profile.additions == Additions(thumbnail_count=2)
    assert profile.base_profile == "landscapes@1"
    assert contents(additions.thumbnails(profile)) == contents(carried)
    given = thumbnails([2, 3])
    assert additions.put_thumbnails(profile, given)
    expected = [carried[0], *given]
    assert contents(additions.thumbnails(profile)) == contents(expected)


def test_a_variant_has_the_thumbnails_and_none_of_the_findings(store, additions, profile):
    """The images are the same; under another threshold other verdicts move."""
    additions.put_thumbnails(profile, thumbnails())
    additions.keep_check(profile, precision_check(), sha256(additions, profile))
    variant = store.save_variant(profile, taste(threshold_nats=-1.0))
    assert variant.additions == Additions(thumbnail_count=9)
    assert contents(additions.thumbnails(variant)) == contents(thumbnails())


def test_a_finding_is_kept_and_replaced(store, root, additions, profile):
    """One for each precision; a damaged one gives way."""
    additions.put_thumbnails(profile, thumbnails())
    for check in (precision_check(), precision_check(Precision.FP16, moved_count=1)):
        additions.keep_check(profile, check, sha256(additions, profile))
    found = store.load("landscapes", 1).additions
    assert found.check_of(Precision.BF16) == precision_check()
    assert found.check_of(Precision.FP16).moved_count == 1
    path = root / "landscapes" / "1" / "precision-bf16.json"
    path.write_text("{")
    assert store.additions("landscapes", 1).check_of(Precision.BF16) is None
    again = precision_check(median_shift_nats=0.5)
    additions.keep_check(profile, again, sha256(additions, profile))
    assert store.additions("landscapes", 1).check_of(Precision.BF16) == again


def test_damaged_thumbnails_name_the_profile(store, root, additions, profile):
    """The profile itself loads."""
    additions.put_thumbnails(profile, thumbnails())
    (root / "landscapes" / "1" / "thumbnails" / "4.jpg").write_bytes(b"")
    with pytest.raises(ProfileDamaged, match=r"landscapes@1 is damaged: thumbnails/4\.jpg"):
        additions.thumbnails(profile)
    (root / "landscapes" / "1" / "thumbnails" / "thumbnails.json").unlink()
    with pytest.raises(ProfileDamaged, match=r"thumbnails/thumbnails\.json is missing"):
        additions.thumbnail_set(profile)
    loaded = store.load("landscapes", 1)
    assert loaded.additions.damage == "thumbnails/thumbnails.json is missing"
    assert loaded.taste.score(0.0).accepted


def test_nothing_is_added_to_a_deleted_version(store, additions, profile):
    """Its number leads nowhere."""
    store.delete("landscapes", 1)
    for call in (
        lambda: additions.put_thumbnails(profile, thumbnails()),
        lambda: additions.keep_check(profile, precision_check(), "a" * 64),
        lambda: additions.thumbnails(profile),
        lambda: additions.thumbnail_set(profile),
    ):
        with pytest.raises(NotFound, match="landscapes@1"):
            call()


def test_a_disk_that_does_not_take_it(store, root, additions, profile):
    """Nothing is left half-way, and the next try succeeds."""
    folder = root / "landscapes" / "1"
    (folder / "precision-bf16.json").mkdir()
    additions.put_thumbnails(profile, thumbnails())
    with pytest.raises(Unavailable, match="the folder of profiles"):
        additions.keep_check(profile, precision_check(), sha256(additions, profile))
    (folder / "precision-bf16.json").rmdir()
    additions.keep_check(profile, precision_check(), sha256(additions, profile))
    assert store.additions("landscapes", 1).precision_checks == (precision_check(),)


def test_another_dimension(additions, profile):
    """Thumbnails that a person copied from another profile are not scored."""
    some = [
        replace(one, embedding=other.embedding)
        for one, other in zip(thumbnails(), thumbnails(dimension=8), strict=True)
    ]
    additions.put_thumbnails(profile, some)
    with pytest.raises(ProfileDamaged, match="embeddings of 8 values, not 4"):
        additions.thumbnails(profile)
