"""`lodestone profile set` against fake services."""

from __future__ import annotations

import pytest


@pytest.fixture
def fitted(cli, services, photos):
    """`landscapes@1`, fitted to ten photos: a threshold of 10."""
    assert cli("profile", "fit", "landscapes", photos).status == 0


def test_set_makes_a_new_version_and_says_what_changes(cli, services, fitted):
    """The threshold and the shares before and after, and how to apply it."""
    result = cli("profile", "set", "landscapes", "--keep-ratio", "0.8")
    assert result.status == 0
    assert result.out.splitlines() == [
        "landscapes@2, from landscapes@1",
        "threshold 80.00 nats, before 10.00 nats",
        "will keep 80.0% (40.0% to 90.0% with 95% confidence) of photos like the liked, before 90.0%",
        "new crawls use it; `lodestone rejudge --profile landscapes` applies it to what is known",
    ]
    (request,) = services.novelty.updates
    assert request.profile == "landscapes@1"
    assert (request.WhichOneof("threshold"), request.keep_ratio) == ("keep_ratio", 0.8)


def test_set_as_json(cli, services, fitted):
    """The new version, and the one before."""
    (facts,) = cli("profile", "set", "landscapes@1", "--threshold", "0", "--json").objects()
    assert (facts["profile"]["version"], facts["profile"]["threshold_nats"]) == (2, 0.0)
    assert (facts["before"]["version"], facts["before"]["threshold_nats"]) == (1, 10.0)
    assert services.novelty.updates[0].WhichOneof("threshold") == "threshold_nats"


def test_set_to_what_it_is_changes_nothing(cli, services, fitted):
    """No new version."""
    result = cli("profile", "set", "landscapes", "--threshold", "10")
    assert result.out == "landscapes@1 has this threshold already: nothing is changed\n"


def test_set_to_the_same_threshold_by_another_ratio_says_what_refits_go_by(cli, services, photos):
    """The ratio that was asked for is not kept: the old one is inherited."""
    cli("profile", "fit", "landscapes", photos, "--keep-ratio", "0.95")
    result = cli("profile", "set", "landscapes", "--keep-ratio", "0.1")
    assert result.out == (
        "landscapes@1 has this threshold already: nothing is changed, and a refit goes by what it was set to before "
        "(keep 95% of liked photos) unless it is told\n"
    )


def test_set_by_a_pass_ratio_needs_a_background(cli, services, fitted):
    """The service's sentence."""
    result = cli("profile", "set", "landscapes", "--pass-ratio", "0.01")
    assert result.status == 1
    assert result.err == "error: landscapes@1 has no background sample\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "say where the threshold goes: --keep-ratio, --pass-ratio or --threshold"),
        (("--keep-ratio", "0"), "must be over 0 and at most 1"),
        (("--keep-ratio", "0.5", "--threshold", "1"), "one of them sets the threshold, not two"),
    ],
)
def test_set_needs_one_threshold(cli, services, fitted, options, says):
    """One line, before anything is changed."""
    result = cli("profile", "set", "landscapes", *options)
    assert result.status == 2
    assert says in result.err
    assert services.novelty.updates == []
