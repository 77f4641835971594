"""A store on S3 that fails before and after it has stored, under a whole crawler."""

from __future__ import annotations

from tests.faithful.s3_faults import Fault, S3Faults
from tests.faults.rig import working

# Answers that are late by more than a request may take are a matter of `tests/crawler/store/test_s3_store.py`.
FAULTS = (
    Fault.SLOW_DOWN,
    Fault.BROKEN_AFTER,
    Fault.CUT,
    Fault.CUT_AFTER,
    Fault.WRONG_E_TAG,
    Fault.SPOILED,
)


async def test_a_service_that_fails_before_and_after_storing(in_cluster, expected):
    """Bytes, sidecars and names: each fault befalls each of them, and what is kept is there once."""
    with S3Faults(in_cluster.place.s3_server.port) as faults:
        in_cluster.settings = {"LODESTONE_CRAWLER_STORE_ENDPOINT": faults.endpoint}
        in_cluster.start()
        async with working(in_cluster, expected) as work:
            for fault in FAULTS:
                for part in ("blobs/", ".json", "kept/"):
                    faults.plan("PUT", ".json" if part == ".json" else "", fault, part=part)
                await work.more(12)
        befell = {one.fault for one in faults.asked}
    assert befell >= set(FAULTS)
