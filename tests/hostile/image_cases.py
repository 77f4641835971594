"""The table of hostile and odd images."""

from __future__ import annotations

import re

from tests.hostile.image_bound_cases import BOUND_CASES
from tests.hostile.image_case import ImageCase
from tests.hostile.image_damage_cases import DAMAGE_CASES
from tests.hostile.image_format_cases import FORMAT_CASES
from tests.hostile.image_kind_cases import KIND_CASES


def _place(case: ImageCase) -> tuple[int, str]:
    number, letter = re.fullmatch(r"(\d+)([a-z]?)", case.number).groups()
    return int(number), letter


IMAGE_CASES: tuple[ImageCase, ...] = tuple(
    sorted((*FORMAT_CASES, *BOUND_CASES, *DAMAGE_CASES, *KIND_CASES), key=_place)
)
