from __future__ import annotations

import pytest

from services.novelty.additions import Additions
from services.novelty.stored.addition_files import read_additions
from services.novelty.stored.precision_files import check_file, encode_check
from services.novelty.stored.thumbnail_files import (
    CARRIED,
    GIVEN,
    find_thumbnails,
    write_thumbnails,
)
from services.servicekit.embedding import Precision
from tests.novelty.thumbnail_samples import precision_check, thumbnails

BF16, FP16 = Precision.BF16, Precision.FP16


@pytest.fixture
def version(tmp_path):
    """A version with nine thumbnails, of which those in BF16 were compared."""
    (tmp_path / CARRIED).mkdir()
    write_thumbnails(tmp_path / CARRIED, thumbnails())
    put_check(tmp_path, precision_check(BF16))
    return tmp_path


def put_check(version, check):
    content = encode_check(check, find_thumbnails(version).sha256)
    (version / check_file(check.precision)).write_bytes(content)


def test_what_was_added_is_read(version):
    """The count of thumbnails, and each finding."""
    assert read_additions(version) == Additions(
        thumbnail_count=9, precision_checks=(precision_check(BF16),)
    )
    put_check(version, precision_check(FP16, moved_count=2))
    assert read_additions(version).check_of(FP16).moved_count == 2


def test_nothing_was_added(tmp_path):
    """Which is how a version begins; a finding without thumbnails says nothing."""
    assert read_additions(tmp_path) == Additions()
    (tmp_path / check_file(BF16)).write_bytes(encode_check(precision_check(), "a" * 64))
    assert read_additions(tmp_path) == Additions()


def test_other_thumbnails_make_a_finding_void(version):
    """What a refit carried over was looked at; then others were given."""
    (version / GIVEN).mkdir()
    write_thumbnails(version / GIVEN, thumbnails(range(12)))
    assert read_additions(version) == Additions(thumbnail_count=12)


def test_damage_is_named(version):
    """That of one finding leaves the others, that of the thumbnails none."""
    put_check(version, precision_check(FP16))
    (version / check_file(BF16)).write_text("{")
    additions = read_additions(version)
    assert additions.precision_checks == (precision_check(FP16),)
    assert additions.damaged_checks == {BF16: "precision-bf16.json is not valid JSON"}
    (version / CARRIED / "thumbnails.json").unlink()
    assert read_additions(version) == Additions(
        damage="thumbnails-carried/thumbnails.json is missing"
    )
