from __future__ import annotations

import numpy as np
import pytest

from services.novelty.fit import refit as refit_module
from services.novelty.fit.liked_set import TooManyImages
from services.novelty.fit.refit import NotInProfile, inherited
from services.novelty.liked_images import ImageLabel
from services.novelty.mixture import Covariance
from services.servicekit.embedding import Precision
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import (
    OTHER_ENCODER_ID,
    liked_images,
    options,
    profile,
    submission,
    taste,
    unit_rows,
)

NOTHING = np.empty((0, 4), np.float32)
NONE = ImageLabel()


def base(**changes):
    """Sixteen images that are no near-duplicates, each with its digest and name."""
    rows = distant(16)
    fields = {
        "embeddings": rows,
        "originals": (None,) * 16,
        "held_out_log_likelihoods": (0.0,) * 16,
    }
    return liked_images(16, **(fields | changes))


def distant(count, seed=5):
    """Unit vectors of which no two are near-duplicates."""
    rng, rows = np.random.default_rng(seed), []
    while len(rows) < count:
        row = rng.normal(size=4)
        row /= np.linalg.norm(row)
        if all(row @ other < 0.97 for other in rows):
            rows.append(row)
    return np.array(rows, np.float32)


def refit(base_profile, liked, sent, max_liked=100):
    return refit_module.refit(base_profile, liked, sent, max_liked=max_liked)


def digest(number):
    return ImageLabel(f"{number:064x}")


def near(row):
    moved = row + np.array([0.03, -0.02, 0.02, 0.01])
    return (moved / np.linalg.norm(moved)).astype(np.float32)


def test_what_is_liked_is_added():
    """At the end, with its labels; the background stays."""
    liked, new = base(), distant(2, seed=9)
    again = refit(profile(), liked, submission(new, labels=[digest(77), digest(78)]))
    np.testing.assert_array_equal(again.liked_set.liked, np.concatenate([liked.embeddings, new]))
    assert again.liked_set.labels == (*liked.labels, digest(77), digest(78))
    np.testing.assert_array_equal(again.liked_set.background, liked.background)
    assert again.kept.tolist() == list(range(16))


def test_a_new_background_takes_the_place_of_the_old():
    """Whole."""
    sent = submission(NOTHING, background=unit_rows(5, 4, seed=8))
    found = refit(profile(), base(), sent).liked_set.background
    np.testing.assert_array_equal(found, unit_rows(5, 4, seed=8))


def test_nothing_sent_is_the_same_again():
    """For other options, for example."""
    liked = base()
    again = refit(profile(), liked, submission(NOTHING))
    np.testing.assert_array_equal(again.liked_set.liked, liked.embeddings)
    assert again.liked_set.labels == liked.labels


def test_what_is_removed_by_digest():
    """No embedding is needed; all that have the digest go, and those that stay keep their order."""
    labels = tuple(digest(number % 15) for number in range(16))
    liked = base(labels=labels)
    again = refit(
        profile(), liked, submission(NOTHING, removed=[(digest(0), None), (digest(4), None)])
    )
    assert again.kept.tolist() == [1, 2, 3, *range(5, 15)]
    np.testing.assert_array_equal(again.liked_set.liked, liked.embeddings[again.kept])
    assert again.liked_set.labels == tuple(labels[place] for place in again.kept)


def test_a_digest_decides_over_an_embedding():
    """What has the digest goes, however like another one it is."""
    liked = base()
    sent = submission(NOTHING, removed=[(digest(3), liked.embeddings[8])])
    assert 3 not in refit(profile(), liked, sent).kept
    assert 8 in refit(profile(), liked, sent).kept


def test_what_is_removed_by_embedding():
    """Where there is no digest: what has a cosine similarity of 0.99 or more is the same picture."""
    liked = base()
    sought = near(liked.embeddings[6])
    assert 0.99 <= sought @ liked.embeddings[6] < 0.9999
    again = refit(profile(), liked, submission(NOTHING, removed=[(NONE, sought)]))
    assert again.kept.tolist() == [*range(6), *range(7, 16)]


def test_liked_images_without_digests():
    """Those of a profile whose client sent none are found by embedding, though a digest is asked for."""
    liked = base(labels=(NONE,) * 16)
    sent = submission(NOTHING, removed=[(digest(1), liked.embeddings[6])])
    assert 6 not in refit(profile(), liked, sent).kept
    some = base(labels=(*[NONE] * 8, *map(digest, range(8, 16))))
    with pytest.raises(NotInProfile):
        refit(profile(), some, submission(NOTHING, removed=[(digest(1), some.embeddings[9])]))


def test_many_rows_are_compared_block_by_block(monkeypatch):
    """The positions are those of the whole."""
    monkeypatch.setattr(refit_module, "_ROWS_AT_ONCE", 3)
    liked = base()
    removed = [(NONE, liked.embeddings[place]) for place in (15, 0, 7)]
    kept = refit(profile(), liked, submission(NOTHING, removed=removed)).kept
    assert kept.tolist() == [place for place in range(16) if place not in {0, 7, 15}]


@pytest.mark.parametrize(
    ("label", "called"),
    [
        (ImageLabel("f" * 64, "summer/1.jpg"), "'summer/1.jpg'"),
        (ImageLabel("f" * 64), "f" * 64),
        (NONE, "an image without a name"),
    ],
)
def test_something_to_remove_that_is_not_there(label, called):
    """Is named, with its place, and the profile."""
    liked = base()
    values = None if label.digest else far_from(liked.embeddings)
    sent = submission(NOTHING, removed=[(digest(2), None), (label, values)])
    with pytest.raises(NotInProfile) as caught:
        refit(profile(), liked, sent)
    assert str(caught.value) == f"removed[1]: {called} is not among the images of landscapes@1"
    assert (caught.value.profile, caught.value.position) == ("landscapes@1", 1)


def far_from(rows):
    return next(row for row in distant(30, seed=11) if (rows @ row < 0.98).all())


def test_too_many_to_look_for(monkeypatch):
    """By their embeddings; digests are no trouble."""
    monkeypatch.setattr(refit_module, "REMOVED_BY_EMBEDDING", 1)
    liked = base()
    by_digest = [(digest(place), None) for place in range(4)]
    by_embedding = [(NONE, liked.embeddings[place]) for place in (5, 6)]
    refit(profile(), liked, submission(NOTHING, removed=by_digest + by_embedding[:1]))
    with pytest.raises(InvalidInput, match="2 images to remove have no digest .* at most 1 "):
        refit(profile(), liked, submission(NOTHING, removed=by_digest + by_embedding))


def test_too_few_are_left():
    """The message says how many there are, and of what."""
    sent = submission(NOTHING, removed=[(digest(place), None) for place in range(9)])
    with pytest.raises(
        InvalidInput, match="needs 8 liked images at least, and 7 are left of landscapes@1"
    ):
        refit(profile(), base(), sent)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"encoder_id": OTHER_ENCODER_ID}, "its encoder id is 'aaa.*', and 'bbb.*' in profile"),
        ({"precision": Precision.FP16}, "its precision is FP32, and FP16 in profile landscapes@1"),
    ],
)
def test_embeddings_of_another_kind(change, problem):
    """They are not comparable with those of the profile."""
    with pytest.raises(InvalidInput, match=f"cannot join the others: {problem}"):
        refit(profile(**change), base(), submission())


def test_embeddings_of_another_length():
    """Both lengths are said."""
    with pytest.raises(InvalidInput, match="it has 5 values, and 4 in profile landscapes@1"):
        refit(profile(), base(), submission(unit_rows(8, 5)))


def test_options_that_are_not_set_are_inherited():
    """The form, the count, the seed and where the threshold goes."""
    asked = taste(asked_component_count=3, asked_covariance=Covariance.TIED, keep_ratio=0.8)
    found = inherited(options(), asked)
    assert (found.component_count, found.covariance, found.seed) == (3, Covariance.TIED, 7)
    assert (found.keep_ratio, found.pass_ratio, found.threshold_nats) == (0.8, None, None)
    by_background = inherited(options(), taste(keep_ratio=None, pass_ratio=0.1))
    assert (by_background.keep_ratio, by_background.pass_ratio) == (None, 0.1)
    stated = inherited(options(), taste(keep_ratio=None))
    assert (stated.keep_ratio, stated.threshold_nats) == (None, -2.5)


def test_options_that_are_set_stay():
    """One way to set the threshold replaces any other."""
    own = options(component_count=2, covariance=Covariance.FULL, seed=5, pass_ratio=0.2)
    assert inherited(own, taste(asked_component_count=3, asked_covariance=Covariance.TIED)) == own


def test_what_was_chosen_is_chosen_again():
    """Only what was asked for is inherited, not what came of it."""
    found = inherited(options(), taste())
    assert (found.component_count, found.covariance) == (0, None)


def test_the_limit_of_liked_images_holds_after_a_refit():
    """Those that stay count with those that are added; exactly the limit is taken."""
    sent = submission(unit_rows(8, 4))
    assert len(refit(profile(), base(), sent, max_liked=24).liked_set.liked) == 24
    with pytest.raises(TooManyImages, match="a fit takes at most 23 liked embeddings here"):
        refit(profile(), base(), sent, max_liked=23)
