from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from services.novelty.mixture import Covariance
from services.novelty.stored import profile_files
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.profile_arrays import encode_arrays
from services.novelty.stored.profile_files import read_profile, write_profile
from tests.novelty.tastes import mixture, profile, unit_rows

GOOD = {
    "weights": np.array([0.5, 0.5]),
    "means": np.zeros((2, 4)),
    "precisions_cholesky": np.ones((2, 4)),
    "held_out_log_likelihoods": np.arange(5.0),
    "background_log_likelihoods": np.arange(3.0),
}


def write(folder, stored=None):
    folder.mkdir(parents=True, exist_ok=True)
    write_profile(folder, stored or profile(), None, {"numpy": "2"})
    return folder


def forge(folder, content):
    """Puts other arrays in, with the digest that makes them look right."""
    facts = json.loads((folder / "profile.json").read_text())
    facts["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "profile.json").write_text(json.dumps(facts))
    (folder / "profile.npz").write_bytes(content)


@pytest.mark.parametrize("covariance", list(Covariance))
def test_what_is_written_is_read(tmp_path, covariance):
    """A profile comes back with every field, and scores exactly as before."""
    stored = profile(density=mixture(covariance))
    found = read_profile(write(tmp_path, stored))
    assert (str(found), found.request_id) == ("landscapes@1", "request-1")
    assert found.create_time == stored.create_time
    rows = unit_rows(5, 4)
    np.testing.assert_array_equal(
        found.taste.mixture.log_likelihoods(rows), stored.taste.mixture.log_likelihoods(rows)
    )
    for name in ("held_out_log_likelihoods", "background_log_likelihoods"):
        np.testing.assert_array_equal(getattr(found.taste, name), getattr(stored.taste, name))
    for name in (
        "threshold_nats", "keep_ratio", "encoder_id", "precision", "liked_count", "background_count",
        "warnings", "seed", "pass_ratio", "separation", "neighbour_separation", "duplicates",
        "duplicate_count",
    ):  # fmt: skip
        assert getattr(found.taste, name) == getattr(stored.taste, name)


def relative():
    return profile(density=replace(mixture(), background=mixture(components=1, seed=2, scale=0.3)))


def test_a_relative_profile_stays_relative(tmp_path):
    """The density of the background is stored with it; without one there is none."""
    stored = relative()
    found = read_profile(write(tmp_path / "relative", stored))
    rows = unit_rows(5, 4)
    np.testing.assert_array_equal(
        found.taste.mixture.log_likelihoods(rows), stored.taste.mixture.log_likelihoods(rows)
    )
    assert found.taste.mixture.background is not None
    assert read_profile(write(tmp_path / "absolute")).taste.mixture.background is None


def test_a_profile_of_an_older_release(tmp_path):
    """Format version 1 had no separations and no duplicates; such a profile scores as ever."""
    folder = write(tmp_path)
    facts = json.loads((folder / "profile.json").read_text()) | {"format_version": 1}
    for name in (
        "pass_ratio", "separation", "neighbour_separation", "duplicates", "duplicate_count",
    ):  # fmt: skip
        del facts[name]
    (folder / "profile.json").write_text(json.dumps(facts))
    found = read_profile(folder).taste
    assert (found.separation, found.neighbour_separation, found.pass_ratio) == (None, None, None)
    assert (found.duplicates, found.duplicate_count) == ((), 0)
    assert found.score(-2.5) == profile().taste.score(-2.5)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_background_that_is_no_density(tmp_path, value):
    """It is checked as the rest is."""
    folder = write(tmp_path, relative())
    changed = GOOD | {
        "background_mean": np.zeros(4),
        "background_precisions_cholesky": np.array([1.0, 1.0, value, 1.0]),
    }
    forge(folder, encode_arrays(changed))
    with pytest.raises(ProfileDamaged, match="background_precisions_cholesky"):
        read_profile(folder)


@pytest.mark.parametrize("name", ["profile.json", "profile.npz"])
def test_a_missing_file(tmp_path, name):
    """The message names the file by profile and version."""
    folder = write(tmp_path / "landscapes" / "1")
    (folder / name).unlink()
    with pytest.raises(ProfileDamaged, match="is damaged") as caught:
        read_profile(folder)
    assert str(caught.value) == (
        f"profile landscapes@1 is damaged: {name} is missing; restore the file or fit the profile again"
    )
    assert (caught.value.profile, caught.value.problem) == ("landscapes@1", f"{name} is missing")


@pytest.mark.parametrize("name", ["profile.json", "profile.npz"])
def test_a_file_that_cannot_be_read(tmp_path, name):
    """A folder in its place is no file; the path on this machine is not told."""
    folder = write(tmp_path / "landscapes" / "1")
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(ProfileDamaged, match=f"{name} is no regular file;") as caught:
        read_profile(folder)
    assert str(tmp_path) not in str(caught.value)


def test_another_version_to_use_instead():
    """A third way out, if there is one."""
    error = ProfileDamaged("landscapes@2", "profile.json is missing", instead="landscapes@1")
    assert str(error) == (
        "profile landscapes@2 is damaged: profile.json is missing; "
        "restore the file, fit the profile again, or ask for landscapes@1"
    )


def test_another_digest(tmp_path):
    """One flipped bit of the arrays is noticed before they are opened."""
    folder = write(tmp_path)
    content = bytearray((folder / "profile.npz").read_bytes())
    content[-1] ^= 1
    (folder / "profile.npz").write_bytes(content)
    with pytest.raises(
        ProfileDamaged, match=r"profile\.npz has another SHA-256 than profile\.json"
    ):
        read_profile(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04.", bytes(1000)])
def test_arrays_that_are_no_archive(tmp_path, content):
    """Even with the right digest they are one clear error."""
    folder = write(tmp_path)
    forge(folder, content)
    with pytest.raises(ProfileDamaged, match=r"profile\.npz cannot be used: "):
        read_profile(folder)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"weights": np.array([1.5, -0.5])}, "the weights are not over 0"),
        ({"weights": np.array([0.5, 0.6])}, "the weights are not over 0 with the sum 1"),
        ({"precisions_cholesky": np.zeros((2, 4))}, "a diagonal that is not over 0"),
        ({"held_out_log_likelihoods": np.arange(5.0)[::-1]}, "held_out.* not in ascending order"),
        ({"means": np.zeros((2, 5))}, "means"),
    ],
)
def test_arrays_that_make_no_mixture(tmp_path, change, problem):
    """Shapes may be right and the numbers still be none of a mixture."""
    folder = write(tmp_path)
    forge(folder, encode_arrays(GOOD | change))
    with pytest.raises(ProfileDamaged, match=problem):
        read_profile(folder)


def test_the_arrays_that_the_others_differ_from(tmp_path):
    """The forgery itself is sound: without a change it loads."""
    folder = write(tmp_path)
    forge(folder, encode_arrays(GOOD))
    np.testing.assert_array_equal(read_profile(folder).taste.mixture.weights, GOOD["weights"])


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff" * 9, b"[" * 100_000])
def test_broken_facts(tmp_path, content):
    """A broken profile.json is one clear error that names it."""
    folder = write(tmp_path)
    (folder / "profile.json").write_bytes(content)
    with pytest.raises(
        ProfileDamaged,
        match=r": profile\.json (is not valid JSON|is not a JSON object|has format_version None)",
    ):
        read_profile(folder)


def test_files_over_the_limit(tmp_path, monkeypatch):
    """A file that is too large is not read to its end."""
    folder = write(tmp_path)
    monkeypatch.setattr(profile_files, "_MAX_ARRAYS_BYTES", 100)
    with pytest.raises(ProfileDamaged, match=r"profile\.npz has more than 100 bytes"):
        read_profile(folder)
    (folder / "profile.json").write_bytes(b" " * (1024**2 + 1))
    with pytest.raises(ProfileDamaged, match=r"profile\.json has more than 1,048,576 bytes"):
        read_profile(folder)
