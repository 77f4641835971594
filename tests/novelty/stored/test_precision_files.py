from __future__ import annotations

import json

import pytest

from services.novelty.stored.precision_files import check_file, encode_check, read_check
from services.novelty.stored.stored_files import UnusableFile
from services.servicekit.embedding import Precision
from tests.novelty.thumbnail_samples import precision_check

BF16, FP16 = Precision.BF16, Precision.FP16
SHA256 = "a" * 64


@pytest.fixture
def path(tmp_path):
    path = tmp_path / check_file(BF16)
    path.write_bytes(encode_check(precision_check(), SHA256))
    return path


def test_a_finding_comes_back(tmp_path, path):
    """Under the name of its precision."""
    assert path.name == "precision-bf16.json"
    assert read_check(tmp_path, BF16, SHA256) == precision_check()
    assert read_check(tmp_path, FP16, SHA256) is None
    bad = precision_check(FP16, moved_count=3, moved_share=0.25, median_shift_nats=0.125)
    (tmp_path / check_file(FP16)).write_bytes(encode_check(bad, SHA256))
    assert read_check(tmp_path, FP16, SHA256) == bad


def test_a_finding_of_other_thumbnails_says_nothing(tmp_path, path):
    """Those of today have to be looked at again."""
    assert read_check(tmp_path, BF16, "b" * 64) is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"admitted": "yes"}, "is wrong in field 'admitted'"),
        ({"moved_count": 1}, "admits what moved 1 verdicts"),
        ({"image_count": 7}, "is wrong in field 'image_count'"),
        ({"max_shift_nats": -1.0}, "is wrong in field 'max_shift_nats'"),
        ({"max_shift_nats": float("nan")}, "is wrong in field 'max_shift_nats'"),
        ({"precision": "FP16"}, "is about FP16"),
        ({"format_version": 2}, "is wrong in field 'format_version'"),
        ({"more": 1}, "is wrong in field 'more'"),
    ],
)
def test_damaged_findings_are_refused(tmp_path, path, changes, problem):
    """One that says what cannot be might admit what it must not."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(UnusableFile, match=f"^precision-bf16.json {problem}"):
        read_check(tmp_path, BF16, SHA256)


def test_files_that_are_none(tmp_path, path):
    """No JSON, too large, a link, a folder."""
    path.write_text("{")
    with pytest.raises(UnusableFile, match="is not valid JSON"):
        read_check(tmp_path, BF16, SHA256)
    path.write_text(" " * 5000)
    with pytest.raises(UnusableFile, match="has more than 4,096 bytes"):
        read_check(tmp_path, BF16, SHA256)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnusableFile, match="is a link"):
        read_check(tmp_path, BF16, SHA256)
    path.unlink()
    path.mkdir()
    with pytest.raises(UnusableFile, match="is no regular file"):
        read_check(tmp_path, BF16, SHA256)
