"""What there is to say after a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lodestone.cli.facts import profile_facts
from lodestone.cli.fit.steps import Fitted
from lodestone.cli.image_files import Unreadable
from lodestone.cli.output import Output
from lodestone.cli.words import count_of, nats_text, one_line, printable, share_text
from lodestone.novelty.v1.profile_pb2 import Profile

# Of more, nobody reads the names.
_NAMED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """A fit, and what there is to say about its inputs.

    Attributes:
        fitted: What came of it.
        names: What its images are called, by position: those that repeat another, and those that they repeat.
        left_out: What could not be read, by name.
        unmarkable_count: Embeddings without an image at hand.
    """

    fitted: Fitted
    names: dict[int, str]
    left_out: dict[str, Unreadable]
    unmarkable_count: int

    @property
    def profile(self) -> Profile:
        """The new version."""
        return self.fitted.profile

    def facts(self) -> dict[str, Any]:
        """The report as --json prints it."""
        return {
            "profile": profile_facts(self.profile),
            "marked_count": self.fitted.marked_count,
            "unmarked_count": self.unmarkable_count,
            "thumbnail_count": self.fitted.thumbnail_count,
            "left_out": [
                {"path": name, "verdict": one.verdict, "reason": one.reason}
                for name, one in self.left_out.items()
            ],
            "repeated": [{"path": name, "of": original} for name, original in self.repeated()],
        }

    def repeated(self, first: int = 0) -> list[tuple[str, str]]:
        """What repeats another picture, with the one that counts; of the images from a position on."""
        return [
            (self._name(one.position), self._name(one.duplicate_of))
            for one in self.profile.duplicates
            if one.position >= first
        ]

    def _name(self, position: int) -> str:
        return self.names.get(position, f"liked image {position}")


def repeated_positions(profile: Profile) -> set[int]:
    """The places of the images that repeat another, and of those that they repeat."""
    return {place for one in profile.duplicates for place in (one.position, one.duplicate_of)}


def print_fit(output: Output, report: FitReport) -> None:
    """Prints what a fit came to, for people."""
    print_repeated(output, report.repeated())
    output.text(summary(report.profile))
    for line in expectations(report.profile):
        output.text(line)
    print_marked(output, report)
    print_warnings(output, report.profile)


def print_repeated(output: Output, repeated: Sequence[tuple[str, str]]) -> None:
    """Names pictures that count once, each with the one that it repeats."""
    for name, original in repeated[:_NAMED]:
        output.note(f"counts once: {printable(name)} repeats {printable(original)}")
    more = len(repeated) - _NAMED
    if more > 0:
        output.note(f"and {more:,} more that repeat another: --json names them")


def print_marked(output: Output, report: FitReport) -> None:
    """Says what no crawl will keep again, and what one might."""
    if report.fitted.marked_count:
        marked = count_of(report.fitted.marked_count, "liked photo")
        output.text(f"{marked} marked as seen: no crawl will keep a copy")
    if report.unmarkable_count:
        embeddings = count_of(report.unmarkable_count, "embedding")
        output.text(f"{embeddings} without a photo at hand: a crawl may keep copies of these")


def print_warnings(output: Output, profile: Profile) -> None:
    """Says what a person should know before trusting a profile."""
    for warning in profile.warnings:
        output.note(f"warning: {one_line(warning)}")


def expectations(profile: Profile) -> list[str]:
    """What the threshold promises; nothing for what the profile does not know."""
    lines = []
    if profile.HasField("expected_keep"):
        lines.append(f"will keep {share_text(profile.expected_keep)} of photos like the liked")
    if profile.HasField("expected_pass"):
        lines.append(f"and {share_text(profile.expected_pass)} of a crawl like the background")
    return lines


def summary(profile: Profile) -> str:
    """The profile in one line."""
    return (
        f"{profile.name}@{profile.version}: {count_of(profile.liked_count, 'liked photo')}, "
        f"{count_of(profile.background_count, 'background photo')}, "
        f"{count_of(profile.component_count, 'component')}, "
        f"threshold {nats_text(profile.threshold_nats)} nats"
    )
