"""Listing sources: how fast a dump streams at what memory, and how long a day of all of Reddit takes, on one core.

JSON on standard output, lines for people on standard error. Goals are compared with CPU time: wall times depend on what
else the machine does. The exit status is 1 if a goal is missed, or a post is not accounted for.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.fetching.cost import Cost, measure
from benchmarks.sourcing.dumps import Dump, make_dump

STREAM_GOAL_MB_PER_S = 50.0
# Of the memory at the end over that after a tenth, when the window is full.
MEMORY_GOAL = 1.1
DAY_GOAL_S = 600.0
DAY_POSTS = 500_000

_ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    print("drawing the posts, if they are not there yet", file=sys.stderr)
    dump = make_dump(options.posts, options.window_log)
    stream, _ = _run("stream", [str(dump.path), str(dump.size_bytes), dump.first_subreddit])
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as data:
        day, cost = _run("day", [str(dump.path), data])
    report = _report(dump, options.window_log, stream, day, cost)
    print(json.dumps(report, indent=2))
    _tell(report)
    return 0 if report["goals_met"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=DAY_POSTS, help="posts of the day")
    parser.add_argument(
        "--window-log", type=int, default=27, choices=range(20, 32), help="of the dump's frame"
    )
    return parser.parse_args()


def _run(part: str, arguments: list[str]) -> tuple[dict[str, Any], Cost]:
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as scratch:
        log = Path(scratch) / "log.txt"
        command = [sys.executable, "-m", f"benchmarks.sourcing.{part}", *arguments]
        cost = measure(command, log, {**os.environ, "PYTHONPATH": str(_ROOT)})
        lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
        answer = next(
            found for line in reversed(lines) if "event" not in (found := json.loads(line))
        )
    return answer, cost


def _report(
    dump: Dump, window_log: int, stream: dict[str, Any], day: dict[str, Any], cost: Cost
) -> dict[str, Any]:
    whole = stream["whole"]
    # Until then it fills the memory that the format asks for.
    is_window_full = dump.size_bytes / 10 > 2**window_log
    grown = whole["memory_mb_at_99_percent"] / whole["memory_mb_at_10_percent"]
    # The goal is for a day of so many posts.
    day_s = cost.cpu_s * DAY_POSTS / dump.posts
    is_complete = whole["posts"] == day["posts"] == dump.posts and not whole["skipped"]
    goals_met = (
        is_complete
        and day["found"] == day["in_catalogue"]
        and whole["mb_per_cpu_s"] >= STREAM_GOAL_MB_PER_S
        and (grown <= MEMORY_GOAL or not is_window_full)
        and stream["resumed"]["is_the_next_post"]
        and day_s <= DAY_GOAL_S
    )
    return {
        "benchmark": "sources",
        "cores": os.cpu_count(),
        "goals_met": goals_met,
        "dump": {
            "posts": dump.posts,
            "megabytes": round(dump.size_bytes / 1e6),
            "compressed_megabytes": round(dump.path.stat().st_size / 1e6),
            "window_log": window_log,
        },
        "stream": {
            "goal_mb_per_s": STREAM_GOAL_MB_PER_S,
            "goal_memory_growth": MEMORY_GOAL,
            "memory_growth": round(grown, 2),
            "window_is_full_at_10_percent": is_window_full,
            **stream,
        },
        "day": {
            "goal_s": DAY_GOAL_S,
            "cpu_s_per_500000_posts": round(day_s, 1),
            "cpu_s_with_start": round(cost.cpu_s, 1),
            "wall_s_with_start": round(cost.wall_s, 1),
            "every_post_is_accounted_for": is_complete,
            **day,
        },
    }


def _tell(report: dict[str, Any]) -> None:
    stream, day = report["stream"], report["day"]
    rate, growth = stream["whole"]["mb_per_cpu_s"], stream["memory_growth"]
    print(f"streams {rate} MB per CPU-second, goal {STREAM_GOAL_MB_PER_S}", file=sys.stderr)
    print(f"memory at the end ÷ after a tenth {growth}, goal {MEMORY_GOAL}", file=sys.stderr)
    spent = day["cpu_s_per_500000_posts"]
    print(f"a day of 500,000 posts {spent} CPU-seconds, goal {DAY_GOAL_S:g}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
