from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.servicekit.image_settings import ImageSettings
from services.servicekit.inference.buckets import Buckets
from tests.fakes.serving import settings_for_tests


def test_the_largest_batch_is_one_that_pays():
    """What was asked for is the most there may be."""
    settings = settings_for_tests(ImageSettings, max_batch=32)

    fitted = settings.fitted(Buckets({1: 0.01, 2: 0.018, 4: 0.03}))

    assert (fitted.max_batch, fitted.stuck_s) == (4, settings.stuck_s)


def test_a_batch_that_takes_seconds_is_not_stuck():
    """A large network on a small machine."""
    settings = settings_for_tests(ImageSettings, stuck_s=4.0)

    assert settings.fitted(Buckets({1: 3.0})).stuck_s == 12.0


@pytest.mark.parametrize(("name", "least"), [("queue_limit", 64), ("queue_bytes", 64_000_000)])
def test_the_largest_call_always_fits_in_an_empty_queue(name, least):
    """As many images as a call may have, and more bytes than its message."""
    assert getattr(settings_for_tests(ImageSettings, **{name: least}), name) == least
    with pytest.raises(ValidationError, match=name):
        settings_for_tests(ImageSettings, **{name: least - 1})


@pytest.mark.parametrize(
    ("name", "most"), [("queue_limit", 65_536), ("queue_bytes", 64_000_000_000)]
)
def test_a_queue_has_an_end(name, most):
    """One without would take whatever comes, until there is no memory."""
    assert getattr(settings_for_tests(ImageSettings, **{name: most}), name) == most
    with pytest.raises(ValidationError, match=name):
        settings_for_tests(ImageSettings, **{name: most + 1})
