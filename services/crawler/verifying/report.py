"""What a check prints: problems and repairs as they come, and what it came to."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.verification import CheckedCounts

_TELL_EVERY_S = 5.0


@dataclass
class Report:
    """Prints results on stdout, and how far it is on stderr.

    Attributes:
        as_json: One JSON object a line: all of them, however many.
        shown: Lines for a person of each kind of problem; 0 is all.
        found: Problems by kind.
        mended: Those that were mended.
    """

    as_json: bool
    shown: int
    found: Counter[ProblemKind] = field(default_factory=Counter)
    mended: Counter[ProblemKind] = field(default_factory=Counter)
    _told: float = field(default=0.0)

    @property
    def left_count(self) -> int:
        """Problems that are there still."""
        return self.found.total() - self.mended.total()

    def tell(self, what: str) -> None:
        """Says now and then what is being checked; nobody but a person at a terminal wants to know."""
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._told >= _TELL_EVERY_S:
            self._told = now
            sys.stderr.write(f"checking {what}\n")

    def problem(self, problem: Problem) -> None:
        """Prints a problem."""
        self.found[problem.kind] += 1
        if self.as_json:
            _print_object(problem.facts())
        elif not self.shown or self.found[problem.kind] <= self.shown:
            _print_line(f"{problem.kind} {problem.subject}: {problem.message}")

    def repair(self, problem: Problem, done: str) -> None:
        """Prints what was done about a problem."""
        self.mended[problem.kind] += 1
        if self.as_json:
            _print_object({"repaired": problem.facts(), "done": done})
        else:
            _print_line(f"repaired {problem.kind} {problem.subject}: {done}")

    def end(self, counts: CheckedCounts, deep: Mapping[str, Any] | None, seconds: float) -> None:
        """Prints what the check came to."""
        if self.as_json:
            kinds = {kind.value: number for kind, number in sorted(self.found.items())}
            facts = {"problems": kinds, "repaired_count": self.mended.total(), **asdict(counts)}
            _print_object({"summary": {**facts, "deep": deep, "seconds": round(seconds, 3)}})
            return
        for kind, number in sorted(self.found.items()):
            if self.shown and number > self.shown:
                _print_line(f"{kind}: {number - self.shown:,} more (--show 0 prints all)")
        for line in _sights(counts, deep):
            _print_line(line)
        _print_line(f"{_looked(counts)} in {seconds:,.1f} s: {self._conclusion()}")

    def _conclusion(self) -> str:
        found, mended = self.found.total(), self.mended.total()
        if not found:
            return "all is well"
        text = _count_of(found, "problem")
        if mended:
            text += f", {mended:,} of them repaired"
        return f"{text} (docs/verify.md says what to do)" if found > mended else text


def fail(error: object) -> int:
    """Says on stderr in one line why nothing could be checked; the exit status."""
    sys.stderr.write(f"error: {_one_line(str(error))}\n")
    return 1


def _looked(counts: CheckedCounts) -> str:
    images = f"{_count_of(counts.image_count, 'image')} ({_count_of(counts.byte_count, 'byte')})"
    rest = ((counts.listing_count, "listing"), (counts.judgement_count, "judgement"))
    texts = [images, *(_count_of(*one) for one in rest)]
    return f"checked {', '.join(texts)} and {_count_of(counts.crawl_count, 'crawl')}"


def _sights(counts: CheckedCounts, deep: Mapping[str, Any] | None) -> list[str]:
    """What was seen that is no problem."""
    lines = []
    if counts.removed_name_count:
        number = f"{counts.removed_name_count:,}"
        lines.append(f"readable names that were removed by hand, which is respected: {number}")
    if counts.young_count:
        lines.append(f"files that may be on their way, too young to tell: {counts.young_count:,}")
    if deep is not None:
        lines.append(
            f"decoded again: {deep['decoded_count']:,}; embedded again: {deep['embedded_count']:,}"
        )
        if deep["other_count"]:
            number = f"{deep['other_count']:,}"
            lines.append(
                f"not compared, as their embedding is of another encoder or precision: {number}"
            )
        if deep["away"]:
            lines.append(f"embeddings were left out: {deep['away']}")
    return lines


def _print_line(text: str) -> None:
    sys.stdout.write(f"{_one_line(text)}\n")


def _print_object(facts: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")


def _one_line(text: str) -> str:
    """Without what a file's name could rule a terminal by."""
    return "".join(one if one.isprintable() else "\ufffd" for one in " ".join(text.split()))


def _count_of(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
