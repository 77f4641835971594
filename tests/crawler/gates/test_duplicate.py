"""The gates that tell copies from better copies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.crawler.gates.better_copy import BetterCopyGate
from services.crawler.gates.duplicate import DuplicateGate
from services.crawler.judgement import Evidence, Verdict
from services.crawler.seen.better_copy import CopyFacts, NearImage, NearImages
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode
from tests.crawler.subjects import detection, random_fingerprint, subject

KEPT = "a" * 64


class Catalogue:
    """Knows of one kept image, and measures detail.

    Attributes:
        ratio: What it measures.
        asked: How many pixels' detail it was asked for.
    """

    def __init__(self, *, size=(1000, 1000), names=("mine",), ratio=1.0, distinct=False):
        self.ratio, self.asked = ratio, []
        self._distinct = distinct
        self._kept = NearImage(KEPT, CopyFacts(*size), frozenset(names), KEPT)
        self.seen = SeenImages()
        self.seen.add_kept(KEPT, random_fingerprint(1))

    async def read_near(self, _digest, look, *, with_facts):
        if self._distinct:
            return NearImages()
        return NearImages(tuple(look()), (self._kept,) if with_facts else ())

    async def detail_ratio(self, encoded, beyond_px):
        assert encoded
        self.asked.append(beyond_px)
        if isinstance(self.ratio, Exception):
            raise self.ratio
        return self.ratio

    def gate(self, *, keep_better=True):
        measure = self.detail_ratio if keep_better else None
        return DuplicateGate(self.seen, self.read_near, profile_name="mine", detail_ratio=measure)

    def last_gate(self):
        return BetterCopyGate(self.seen, self.read_near, profile_name="mine")


def copy(encoded=b"bytes", **changes):
    """Of twice the pixels of what is kept."""
    return replace(subject(1), digest="b" * 64, encoded=encoded, **changes)


async def test_strangers_pass_unasked():
    """Nothing is read or measured for what is near nothing."""
    catalogue = Catalogue()
    assert (await catalogue.gate().judge(subject(2))).verdict is Verdict.ACCEPTED
    assert catalogue.asked == []


async def test_a_copy_with_more_detail_goes_on():
    """With what it was measured against in its evidence; the other gates come first."""
    catalogue = Catalogue(ratio=0.15)
    judged = await catalogue.gate().judge(copy())
    assert (judged.verdict, judged.evidence.detail_px) == (Verdict.ACCEPTED, 1_000_000)
    last = await catalogue.last_gate().judge(copy(evidence=judged.evidence))
    assert last.verdict is Verdict.ACCEPTED
    assert last.reason.startswith(f"a better copy of {KEPT[:12]}: 2000x1000 pixels")


@pytest.mark.parametrize(
    "ratio",
    [0.14, ItemRejected(RejectionCode.DECODER_CRASHED, "the decoder ran out of its memory")],
)
async def test_an_enlargement_is_a_duplicate(ratio):
    """It says why; one whose pixels are too many to be looked at is a duplicate as well."""
    judged = await Catalogue(ratio=ratio).gate().judge(copy())
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, KEPT)
    assert judged.reason.endswith("and no more detail")


@pytest.mark.parametrize(
    ("catalogue", "encoded"),
    [
        (Catalogue(size=(1001, 1000)), b"bytes"),
        (Catalogue(names=("mine", "theirs")), b"bytes"),
        (Catalogue(), b""),
    ],
)
async def test_what_cannot_be_better_is_not_measured(catalogue, encoded):
    """Too few pixels, kept by another profile too, or no bytes at hand."""
    judged = await catalogue.gate().judge(copy(encoded))
    assert judged.verdict is Verdict.DUPLICATE
    assert catalogue.asked == []


async def test_without_better_copies_nothing_is_measured():
    """The setting turns it off; what is called distinct passes all the same."""
    catalogue = Catalogue()
    judged = await catalogue.gate(keep_better=False).judge(copy())
    assert judged.verdict is Verdict.DUPLICATE
    distinct = Catalogue(distinct=True)
    judged = await distinct.gate(keep_better=False).judge(copy())
    assert (judged.verdict, judged.evidence.detail_px) == (Verdict.ACCEPTED, 0)


async def test_what_turns_out_no_better_is_a_duplicate():
    """Larger, and with more of a watermark than the kept one is known to have."""
    catalogue = Catalogue()
    facts = CopyFacts(1000, 1000, 0.1, detection().detector_id)
    catalogue._kept = replace(catalogue._kept, facts=facts)
    evidence = Evidence(detection=detection(0.4), detail_px=1_000_000)
    judged = await catalogue.last_gate().judge(copy(evidence=evidence))
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, KEPT)


async def test_the_last_gate_has_nothing_to_say_of_others():
    """What the duplicate gate did not let pass as perhaps better is not looked up again."""
    judged = await Catalogue().last_gate().judge(copy(evidence=Evidence()))
    assert (judged.verdict, judged.reason) == (Verdict.ACCEPTED, "")
