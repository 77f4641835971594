from __future__ import annotations

import json

import pytest

from services.novelty.stored.profile_facts import ProfileFacts
from tests.novelty.tastes import profile


def facts():
    return ProfileFacts.of(profile(), sha256="c" * 64, liked=None, libraries={"numpy": "2.4"})


def changed(**changes):
    content = json.loads(facts().to_json()) | changes
    return json.dumps(
        {name: value for name, value in content.items() if value != "absent"}
    ).encode()


def test_what_is_written_is_read():
    """Every field comes back as it was."""
    assert ProfileFacts.from_json(facts().to_json()) == facts()


def test_a_person_can_read_it():
    """Plain JSON with the fields' names, the time with its zone."""
    content = json.loads(facts().to_json())
    assert content["name"] == "landscapes"
    assert content["covariance"] == "DIAG"
    assert content["create_time"] == "2026-11-22T10:30:00Z"
    assert content["libraries"] == {"numpy": "2.4"}


def test_array_shapes_follow_from_the_facts():
    """The sizes of all arrays are known before the file with the arrays is opened."""
    assert facts().array_shapes() == {
        "weights": (2,),
        "means": (2, 4),
        "precisions_cholesky": (2, 4),
        "held_out_log_likelihoods": (5,),
        "background_log_likelihoods": (3,),
    }


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"3", b"[" * 100_000])
def test_what_is_no_json_object(content):
    """Anything else is one sentence that quotes no parser."""
    with pytest.raises(ValueError, match=r"^is not (valid JSON|a JSON object)$"):
        ProfileFacts.from_json(content)


def test_another_format_version():
    """A file of a later format is refused by its version, whatever else it holds."""
    with pytest.raises(ValueError, match="^has format_version 4, not 1 or 2 or 3$"):
        ProfileFacts.from_json(b'{"format_version": 4}')
    with pytest.raises(ValueError, match="^has format_version None, not 1 or 2 or 3$"):
        ProfileFacts.from_json(changed(format_version="absent"))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../etc"},
        {"name": "landscapes\n"},
        {"version": 0},
        {"version": "1"},
        {"threshold_nats": None},
        {"threshold_nats": "absent"},
        {"keep_ratio": 1.5},
        {"pass_ratio": 0.0},
        {"separation": 1.1},
        {"neighbour_separation": -0.1},
        {"duplicates": 3},
        {"duplicate_count": -1},
        {"liked": "c"},
        {"base_profile": "landscapes"},
        {"base_profile": "../up@1"},
        {"asked_component_count": 257},
        {"asked_covariance": "SPHERICAL"},
        {"gap_nats": "0.1"},
        {"is_degenerate": 1},
        {"simplified_from": None},
        {"encoder_id": "A" * 64},
        {"precision": "FP8"},
        {"dimension": 10**9},
        {"component_count": 257},
        {"covariance": "SPHERICAL"},
        {"scale": 0.0},
        {"held_out_count": 0},
        {"background_score_count": 2001},
        {"sha256": "c" * 63},
        {"create_time": "2026-11-22T10:30:00"},
        {"extra": 1},
    ],
)
def test_a_wrong_field_is_named(change):
    """Missing, unknown, of another type or out of range: the message names the field."""
    (field,) = change
    with pytest.raises(ValueError, match=f"^is wrong in field '{field}': "):
        ProfileFacts.from_json(changed(**change))


def test_numbers_that_json_does_not_have():
    """NaN and Infinity, which Python's writer would let through, are refused."""
    for value in (float("nan"), float("inf")):
        with pytest.raises(
            ValueError, match=r"^is (not valid JSON|wrong in field 'threshold_nats')"
        ):
            ProfileFacts.from_json(changed(threshold_nats=value))
