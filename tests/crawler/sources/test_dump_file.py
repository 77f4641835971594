from __future__ import annotations

import gzip

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources import dump_file
from services.crawler.sources.dump_file import read_lines


def read_all(path, offset=0):
    """The lines, how many were skipped, and every block's end."""
    blocks = list(read_lines(path, offset))
    lines = [line for block in blocks for line in block.lines]
    return lines, sum(block.skipped_count for block in blocks), [block.end for block in blocks]


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.integers(1, 9),
    st.sampled_from([".jsonl", ".gz", ".zst"]),
)
def test_lines_come_whole_whatever_the_blocks(tmp_path_factory, lines, block_bytes, suffix):
    """But for those that are too long; from each block's end the rest can be read."""
    path = tmp_path_factory.mktemp("dump") / f"a{suffix}"
    data = b"".join(line + b"\n" for line in lines)
    compress = {".gz": gzip.compress, ".zst": zstd.compress, ".jsonl": bytes}[suffix]
    path.write_bytes(compress(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dump_file, "_BLOCK_BYTES", block_bytes)
        patch.setattr(dump_file, "_SKIP_BYTES", 2 * block_bytes)
        patch.setattr(dump_file, "LINE_MAX_BYTES", 20)
        found, skipped_count, ends = read_all(path)
        assert found == [line for line in lines if len(line) <= 20]
        assert skipped_count == sum(len(line) > 20 for line in lines)
        assert ends[-1] == len(data)
        for end in set(ends):
            rest, skipped_count, _ = read_all(path, end)
            expected = data[end:].split(b"\n")[:-1]
            assert rest == [line for line in expected if len(line) <= 20]
            assert skipped_count == sum(len(line) > 20 for line in expected)


def test_a_last_line_without_an_end_is_told(tmp_path):
    """It may not be whole; its block says so and where it ends."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo")
    *_, last = read_lines(path, 0)
    assert (last.lines, last.end, last.is_cut, last.damage) == ([b"two"], 7, True, "")


@pytest.mark.parametrize("suffix", [".zst", ".gz"])
def test_an_offset_behind_the_end_is_the_end(tmp_path, suffix):
    """A file that became shorter has nothing more."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes({".gz": gzip.compress, ".zst": zstd.compress}[suffix](b"one\n"))
    assert read_all(path, 99)[:2] == ([], 0)


def test_skipping_is_done_in_steps(tmp_path, monkeypatch):
    """What lies before the offset is no one long piece of work."""
    monkeypatch.setattr(dump_file, "_BLOCK_BYTES", 1_000)
    monkeypatch.setattr(dump_file, "_SKIP_BYTES", 2_000)
    path = tmp_path / "a.zst"
    path.write_bytes(zstd.compress(b"x" * 9_999 + b"\nlast\n"))
    blocks = list(read_lines(path, 10_000))
    assert [block.end for block in blocks if not block.lines][:5] == [10_000] * 5
    assert [line for block in blocks for line in block.lines] == [b"last"]
