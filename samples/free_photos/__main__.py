"""`python -m samples.free_photos --out DIR`: fetches the free photos for the watermark detector."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from samples.free_photos.fetching import Fetched, fetch_free_photos
from samples.free_photos.listing import Registry, Split, read_listing


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 all are there, 1 some are not, 2 a wrong command line."""
    parsed = _parser().parse_args(arguments)
    photos = [photo for photo in read_listing() if photo.registry in parsed.registries]
    try:
        fetched = fetch_free_photos(parsed.out, photos, progress=_say)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines(fetched, parsed.out)))
    return 1 if fetched.left_out else 0


def lines(fetched: Fetched, folder: Path) -> list[str]:
    """How many photos there are, and for each package what was left out and why."""
    splits = Counter(photo.split for photo in fetched.photos)
    counts = ", ".join(f"{splits[split]} in {split.value}" for split in Split)
    reasons = Counter((photo.package, why) for photo, why in fetched.left_out.items())
    return [
        f"{len(fetched.photos)} photos in {folder}: {counts}; licences in photos.csv",
        *(f"left out: {count} of {package}: {why}" for (package, why), count in reasons.items()),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m samples.free_photos",
        description="Fetches photos under free licences out of packages (about 450 MB, once).",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder")
    parser.add_argument(
        "--registries",
        type=Registry,
        nargs="+",
        choices=list(Registry),
        default=list(Registry),
        help="take only these packages (default: all)",
    )
    return parser


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
