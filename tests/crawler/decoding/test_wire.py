from __future__ import annotations

import json

import numpy as np

from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.decoding.wire import shapes_from_json, shapes_to_json
from services.servicekit.resize import InputShape, ResizeRule, to_input
from tests.crawler.pictures import encode, scene

SHAPES = {
    "embedder": InputShape(32, 24, ResizeRule.CENTER_CROP),
    "watermark": InputShape(32, 32, quartered=True),
}


def test_shapes_arrive_as_they_were_sent():
    """With the rule, and what becomes of panoramas."""
    assert shapes_from_json(json.loads(json.dumps(shapes_to_json(SHAPES)))) == SHAPES


async def test_a_panorama_is_cut_by_the_worker_as_the_detector_wants_it():
    """So that a crawler's input gives what the file itself would."""
    panorama = np.hstack([scene(seed) for seed in range(5)])

    async with Decoder(shapes=SHAPES, worker_limits=WorkerLimits(workers=1)) as decoder:
        candidate = await decoder.decode(encode(panorama, "PNG"))

    assert candidate.width_px > 3 * candidate.height_px
    expected = to_input(panorama, SHAPES["watermark"])
    np.testing.assert_array_equal(candidate.inputs["watermark"], expected)
