"""What there is to say after a refit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lodestone.cli.fit.change import change_facts, change_lines
from lodestone.cli.fit.report import FitReport, print_marked, print_repeated, print_warnings
from lodestone.cli.output import Output
from lodestone.cli.words import count_of, reference
from lodestone.novelty.v1.profile_pb2 import Profile


@dataclass(frozen=True, slots=True)
class RefitReport:
    """A refit beside the version that it began with.

    Attributes:
        base: That version.
        fit: What came of it.
        sent_count: How many liked images were sent: added, or embedded again.
        embedded_again: Which of the two.
    """

    base: Profile
    fit: FitReport
    sent_count: int
    embedded_again: bool

    @property
    def added_count(self) -> int:
        """How many images were added."""
        return 0 if self.embedded_again else self.sent_count

    @property
    def removed_count(self) -> int:
        """How many images of the older version are not in the new one."""
        return _total(self.base) + self.added_count - _total(self.fit.profile)

    @property
    def first_new(self) -> int:
        """The position of the first image that was not in the older version, or is embedded again."""
        return _total(self.fit.profile) - self.sent_count

    def facts(self) -> dict[str, Any]:
        """The report as --json prints it."""
        return {
            **self.fit.facts(),
            "added_count": self.added_count,
            "removed_count": self.removed_count,
            "embedded_again_count": self.sent_count if self.embedded_again else 0,
            "before": change_facts(self.base),
        }


def print_refit(output: Output, report: RefitReport) -> None:
    """Prints what a refit came to, for people."""
    profile = report.fit.profile
    print_repeated(output, report.fit.repeated(report.first_new))
    output.text(
        f"{reference(profile)}, from {reference(report.base)}: "
        f"{count_of(profile.liked_count, 'liked photo')} ({_changes(report)}), "
        f"{count_of(profile.background_count, 'background photo')}, "
        f"{count_of(profile.component_count, 'component')}"
    )
    for line in change_lines(report.base, profile):
        output.text(line)
    print_marked(output, report.fit)
    output.text(rejudge_hint(profile))
    print_warnings(output, profile)


def rejudge_hint(profile: Profile) -> str:
    """How to apply a new version to what is known."""
    return f"new crawls use it; `lodestone rejudge --profile {profile.name}` applies it to what is known"


def _changes(report: RefitReport) -> str:
    counts = [
        (report.sent_count if report.embedded_again else 0, "embedded again"),
        (report.added_count, "added"),
        (report.removed_count, "removed"),
        (report.fit.profile.duplicate_count, "repeat another"),
    ]
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "none changed"


def _total(profile: Profile) -> int:
    return profile.liked_count + profile.duplicate_count
