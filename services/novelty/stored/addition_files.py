"""What the folder of a version was given after its fit."""

from __future__ import annotations

from pathlib import Path

from services.novelty.additions import Additions
from services.novelty.precision_check import PrecisionCheck
from services.novelty.stored.precision_files import read_check
from services.novelty.stored.stored_files import UnusableFile
from services.novelty.stored.thumbnail_files import find_thumbnails
from services.servicekit.embedding import Precision


def read_additions(version: Path) -> Additions:
    """Reads what was added to a version's folder; files that are damaged are named, and count as not there."""
    try:
        thumbnails = find_thumbnails(version)
    except UnusableFile as error:
        return Additions(damage=str(error))
    if thumbnails is None:
        return Additions()
    checks: list[PrecisionCheck] = []
    damaged: dict[Precision, str] = {}
    for precision in Precision:
        try:
            check = read_check(version, precision, thumbnails.sha256)
        except UnusableFile as error:
            damaged[precision] = str(error)
        else:
            checks.extend([check] if check else [])
    return Additions(
        thumbnail_count=len(thumbnails.positions),
        precision_checks=tuple(checks),
        damaged_checks=damaged,
    )
