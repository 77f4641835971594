from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image as PillowImage

from tests.hostile import image_builders as build
from tests.hostile.image_case import ImageCase
from tests.hostile.image_cases import IMAGE_CASES
from tests.hostile.image_colors_made import gradient_of_16_bits
from tests.hostile.image_format_cases import of_other_formats
from tests.hostile.image_run import ImageRun, SeenImage, image_run, is_near, wrong_colors
from tests.hostile.image_table import image_table
from tests.hostile.security_page import table_in_page

_QUICK_S = 20.0
# Those of web pages and of names, which no decoder sees.
_ELSEWHERE = {71, 74}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quick() -> AsyncIterator[ImageRun]:
    """The run of every image that is not made to be slow."""
    async with image_run(wall_s=_QUICK_S) as run:
        yield run


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """The outcomes seen so far, by the number of the case."""
    return {}


async def seen_in(run: ImageRun, case: ImageCase) -> SeenImage:
    """Runs a case where its limit on time holds."""
    if case.wall_s == _QUICK_S:
        return await run.run(case)
    async with image_run(wall_s=case.wall_s) as slow:
        return await slow.run(case)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", IMAGE_CASES, ids=lambda case: case.number)
async def test_hostile_image(quick: ImageRun, case: ImageCase, outcomes: dict[str, str]) -> None:
    """The expected outcome, in time, in little memory, and the worker lives unless it is told not to."""
    seen = await seen_in(quick, case)
    outcomes[case.number] = seen.outcome
    assert seen.outcome == case.expected, seen.message
    assert "\n" not in seen.message
    assert len(seen.message) < 600
    assert seen.killed == case.kills
    # Killing it takes a moment.
    assert seen.seconds < case.wall_s + (0.5 if case.kills else 0.0)
    if not seen.killed:
        assert seen.grown_bytes is not None
        assert seen.grown_bytes < case.memory_mb * 1_000_000
    if seen.candidate is not None:
        await _check_candidate(quick, case, seen)


async def _check_candidate(run: ImageRun, case: ImageCase, seen: SeenImage) -> None:
    candidate = seen.candidate
    assert candidate is not None
    assert candidate.animated == case.animated
    if case.size_px is not None:
        assert (candidate.width_px, candidate.height_px) == case.size_px
    if case.flat is not None:
        assert candidate.fingerprint.flat == case.flat
    assert not wrong_colors(case, candidate)
    if case.same_as is not None:
        other = await run.run(ImageCase("", "", case.same_as))
        assert other.candidate is not None
        assert is_near(candidate, other.candidate)


@pytest.mark.asyncio(loop_scope="module")
async def test_pictures_that_differ_are_not_near(quick: ImageRun) -> None:
    """The check for near-duplicates can fail: two pictures of the table are none."""
    by_number = {case.number: case for case in IMAGE_CASES}
    one, other = [await quick.run(by_number[number]) for number in ("72", "75")]
    assert one.candidate is not None
    assert other.candidate is not None
    assert not is_near(one.candidate, other.candidate)


@pytest.mark.parametrize("number", of_other_formats())
def test_the_formats_that_are_refused_are_real(number: str) -> None:
    """Pillow itself opens them: that they are refused is our doing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
        image = PillowImage.open(io.BytesIO(of_other_formats()[number]))
    assert image.format in ("ICO", "BMP", "TIFF", "JPEG2000", "EPS")


def test_pillow_would_open_what_is_too_large() -> None:
    """165 megapixels are only warned of by default."""
    by_number = {case.number: case for case in IMAGE_CASES}
    with pytest.warns(PillowImage.DecompressionBombWarning):
        image = PillowImage.open(io.BytesIO(by_number["27"].make()))
    assert image.size == (15_000, 11_000)


def test_pillow_would_clip_16_bits() -> None:
    """A plain conversion makes nearly all of the gradient white: the trap is one."""
    image = PillowImage.open(io.BytesIO(gradient_of_16_bits())).convert("RGB")
    assert (np.asarray(image)[..., 0] == 255).mean() > 0.99


def test_a_metadata_bomb_is_no_os_error_to_pillow() -> None:
    """It raises a ValueError, which a list of expected errors easily lacks."""
    by_number = {case.number: case for case in IMAGE_CASES}
    with pytest.raises(ValueError, match="too large"):
        PillowImage.open(io.BytesIO(by_number["29"].make()))


def test_the_scan_bomb_is_a_valid_image() -> None:
    """A short one decodes: only the number of its scans is hostile."""
    image = PillowImage.open(io.BytesIO(build.jpeg_scan_bomb(64, 64, 50)))
    assert np.asarray(image).mean() == pytest.approx(90, abs=1)


def test_numbers_are_unique_and_all_images_are_there() -> None:
    """Images 1 to 75 each have a case here or elsewhere, and no number stands twice."""
    numbers = Counter(case.number for case in IMAGE_CASES)
    assert numbers.most_common(1)[0][1] == 1
    found = {int(re.sub(r"[a-z]", "", number)) for number in numbers}
    assert found | _ELSEWHERE == set(range(76))


def test_the_page_says_what_was_seen(outcomes: dict[str, str]) -> None:
    """The second table of docs/security.md has these images, what is expected of them, and what was seen."""
    seen = {case.number: outcomes.get(case.number, case.expected) for case in IMAGE_CASES}
    assert table_in_page("images") == image_table(seen), "run python -m tests.hostile.security_page"
