from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.candidate import Fingerprint
from services.crawler.crawl.placeholders import BadPlaceholderList, Placeholders
from services.crawler.outcome import FetchFailed, OutcomeReason, OutcomeState
from services.crawler.seen.perceptual_hash import fingerprint
from tests.crawler.pictures import reencode, scene

DIGEST = hashlib.sha256(b"removed").hexdigest()
HASH = 0x0123_4567_89AB_CDEF
LIST = f"""# Pictures that say that a picture is gone.

{DIGEST}  removed.png
{DIGEST.upper()}
0123456789abcdef the blue one
https://Example.org:443/gone.png#top and a remark
"""


def refused(placeholders: Placeholders, seen: Fingerprint) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        placeholders.refuse_picture(seen, final_url="https://example.org/x")
    return failed.value


def seen_hash(hash64: int) -> Fingerprint:
    return Fingerprint(hash64, bytes(32), flat=False)


def test_a_list_of_all_kinds() -> None:
    """Digests as `sha256sum` writes them, perceptual hashes, URLs, remarks; each once."""
    placeholders = Placeholders.parse(LIST)
    assert placeholders.digests == {DIGEST}
    assert placeholders.hashes == {HASH}
    assert placeholders.urls == {"https://example.org/gone.png"}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a remark\n", "  \t \n#\n"])
def test_lists_without_an_entry(text: str) -> None:
    """They know nothing, which is what is known unless told."""
    assert Placeholders.parse(text) == Placeholders()


@pytest.mark.parametrize(
    "word",
    ["removed.png", "0123", DIGEST[:-1], f"{DIGEST}0", "ftp://example.org/x", "http://", "é"],
)
def test_what_is_no_placeholder(word: str) -> None:
    """The error names the line."""
    with pytest.raises(BadPlaceholderList, match="line 3 ") as error:
        Placeholders.parse(f"# a list\n{DIGEST}\n{word}\n")
    assert error.value.line == 3


@given(st.text(max_size=200))
def test_any_text_is_a_list_or_one_error(text: str) -> None:
    """Nothing else is raised, and what is read is canonical."""
    try:
        placeholders = Placeholders.parse(text)
    except BadPlaceholderList:
        return
    assert all(len(digest) == 64 for digest in placeholders.digests)
    assert all(0 <= hash64 < 2**64 for hash64 in placeholders.hashes)


def test_known_bytes_are_refused() -> None:
    """The outcome says where they came from; other bytes pass."""
    placeholders = Placeholders.parse(DIGEST)
    placeholders.refuse_bytes(hashlib.sha256(b"other").hexdigest(), final_url="")
    with pytest.raises(FetchFailed) as failed:
        placeholders.refuse_bytes(DIGEST, final_url="https://example.org/x")
    assert failed.value.reason is OutcomeReason.PLACEHOLDER
    assert failed.value.state is OutcomeState.FAILED
    assert not failed.value.retryable
    assert failed.value.final_url == "https://example.org/x"


@pytest.mark.parametrize(("bits", "is_refused"), [(0, True), (4, True), (5, False), (64, False)])
def test_pictures_within_four_bits_are_refused(bits: int, *, is_refused: bool) -> None:
    """Exactly four bits still are."""
    placeholders = Placeholders.parse(f"{HASH:016x}")
    seen = seen_hash(HASH ^ ((1 << bits) - 1))
    if is_refused:
        assert f"distance {bits} of 64" in str(refused(placeholders, seen))
    else:
        placeholders.refuse_picture(seen, final_url="")


def test_a_placeholder_saved_anew_is_refused_and_other_pictures_are_not() -> None:
    """Real hashes: recompressed hard it is still known; a hundred other pictures and a flat one pass."""
    upright, _ = fingerprint(scene(1))
    placeholders = Placeholders.parse(upright.hex)
    again, _ = fingerprint(reencode(scene(1), quality=40))
    assert refused(placeholders, again).reason is OutcomeReason.PLACEHOLDER
    for seed in range(2, 102):
        other, _ = fingerprint(scene(seed, width_px=160, height_px=120))
        placeholders.refuse_picture(other, final_url="")
    placeholders.refuse_picture(replace(again, flat=True), final_url="")
