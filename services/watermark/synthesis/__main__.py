"""`python -m services.watermark.synthesis PHOTOS_DIR OUT_DIR`: photos in, pairs of clean and marked images out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.servicekit.errors import LodestoneError
from services.watermark.command_line import INTERRUPTED, CommandParser, at_least, fail, print_object
from services.watermark.synthesis.drawn_marks import KINDS, DrawnMarks
from services.watermark.synthesis.lettering import Lettering, find_fonts
from services.watermark.synthesis.pair_folder import PairPlan, write_pairs
from services.watermark.synthesis.photo_file import shown
from services.watermark.synthesis.photo_folder import PhotoFolder, open_folder
from services.watermark.synthesis.sheet import check_place, contact_sheet, write_sheet
from services.watermark.synthesis.texts import TRAINING_TEXTS


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 written, 1 failed, 2 a wrong command line, 130 interrupted."""
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.sheet:
            check_place(parsed.sheet, parsed.out)
        photos = open_folder(parsed.photos)
        marks = DrawnMarks(Lettering(find_fonts(parsed.fonts), TRAINING_TEXTS))
        plan = PairPlan(parsed.count, parsed.seed, parsed.kinds)
        count = write_pairs(photos, marks, plan, parsed.out)
        if parsed.sheet:
            write_sheet(contact_sheet(photos, marks, parsed.seed), parsed.sheet)
    except LodestoneError as error:
        return fail(error, 1)
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)
    for path, reason in photos.left_out:
        sys.stderr.write(f"left out {shown(str(path))}: {reason}\n")
    _report(parsed.out, count, photos, as_json=parsed.json)
    return 0


def _report(out: Path, count: int, photos: PhotoFolder, *, as_json: bool) -> None:
    folder = shown(str(out))
    if as_json:
        print_object({"out": folder, "pairs": count, "left_out": len(photos.left_out)})
    else:
        sys.stdout.write(f"{count} pairs in {folder}\n")


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "synthesize", "Draws marks over photos: pairs of a clean and a marked image, encoded alike."
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS_DIR")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="a new or an empty folder")
    parser.add_argument(
        "--count", type=at_least(1), help="pairs (default: one of each photo that can be read)"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, help="of everything (default 0)")
    parser.add_argument(
        "--kinds",
        action="append",
        choices=tuple(KINDS),
        default=[],
        metavar="KIND",
        help="a kind of mark; may be given again: then in turn (default: all, by chance)",
    )
    parser.add_argument(
        "--fonts",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="TrueType and OpenType files (default: Pillow's own font); may be given again",
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE.jpg", help="also a sheet of all kinds")
    parser.add_argument("--json", action="store_true", help="report as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
