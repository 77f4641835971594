"""Runs the benchmarks one after the other, whatever the ones before came to: `python -m benchmarks [NAME ...]`.

Each one's JSON goes to standard output and into `data/benchmarks/NAME.json`, its goals beside measured values to
standard error. The exit status is 1 if one of them missed a goal or broke off; the last lines say which.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_ROOT: Final = _HERE.parent
_REPORTS: Final = _ROOT / "data" / "benchmarks"

NAMES: Final = tuple(sorted(path.stem for path in _HERE.glob("[!_]*.py")))

MET: Final = "no goal missed"
MISSED: Final = "missed a goal"
BROKE_OFF: Final = "broke off without a report"


def main() -> int:
    """Runs and sums up. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {' '.join(NAMES)}")
    names = parser.parse_args().names or NAMES
    if unknown := sorted(set(names) - set(NAMES)):
        parser.error(f"there is no {', '.join(unknown)}")
    ends = {name: run(name, [sys.executable, "-m", f"benchmarks.{name}"]) for name in names}
    for name, end in ends.items():
        print(f"{name}: {end}", file=sys.stderr)
    return 0 if all(end == MET for end in ends.values()) else 1


def run(name: str, command: Sequence[str], reports: Path = _REPORTS) -> str:
    """Runs one and keeps its JSON as `NAME.json`: what it says on standard output. Returns how it ended, as a word."""
    print(f"== {name}", file=sys.stderr)
    done = subprocess.run(  # noqa: S603 - our own modules
        command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    report = reports / f"{name}.json"
    report.unlink(missing_ok=True)
    if not done.stdout:
        return BROKE_OFF
    reports.mkdir(parents=True, exist_ok=True)
    report.write_text(done.stdout)
    print(done.stdout, flush=True)
    return MISSED if done.returncode else MET


if __name__ == "__main__":
    sys.exit(main())
