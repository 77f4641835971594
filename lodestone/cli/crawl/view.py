"""What a person, or a program, sees of a crawl."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from lodestone.cli.errors import EXIT_INTERRUPTED, CliError
from lodestone.cli.facts import crawl_facts, settled_facts
from lodestone.cli.output import Output
from lodestone.cli.words import count_of, one_line, spoken, word
from lodestone.crawler.v1 import crawl_pb2, outcome_pb2
from lodestone.crawler.v1.crawl_pb2 import Crawl, CrawlProgress, SettledListing
from lodestone.crawler.v1.crawl_source_pb2 import (
    SOURCE_STATE_BLOCKED,
    SOURCE_STATE_FAILED,
    PostReason,
    SourceState,
)
from lodestone.crawler.v1.outcome_pb2 import OutcomeReason, OutcomeState
from lodestone.image.v1.verdict_pb2 import Verdict

_HELD_UP = (SOURCE_STATE_BLOCKED, SOURCE_STATE_FAILED)


class CrawlView:
    """A progress bar with counters on a terminal, JSON lines with --json; a context manager."""

    def __init__(self, output: Output, crawl: Crawl) -> None:
        self._output = output
        self._crawl = crawl
        self._told = ""
        self._progress = output.progress()
        self._task = self._progress.add_task("crawling", total=None, counters="")

    def __enter__(self) -> Self:
        self._begin()
        self._progress.start()
        self.changed(self._crawl)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def _begin(self) -> None:
        """Says which crawl this is: who wants to pause it from elsewhere needs its id."""
        crawl = self._crawl
        if self._output.as_json:
            self._output.object({"crawl": crawl_facts(crawl)})
        else:
            self._output.note(
                f"crawl {crawl.crawl_id}, {crawl.profile_name}@{crawl.profile_version}"
            )

    def settled(self, listing: SettledListing) -> None:
        """Prints the listing with --json."""
        if self._output.as_json:
            self._output.object(settled_facts(listing))

    def changed(self, crawl: Crawl) -> None:
        """Shows the counts, and a new reason why the crawl waits."""
        counts = crawl.progress
        self._progress.update(
            self._task,
            total=counts.found_count or None,
            completed=counts.settled_count,
            counters=" · ".join(f"{name} {count:,}" for _, name, count in tally(counts)),
        )
        if crawl.state == crawl_pb2.CRAWL_STATE_RUNNING and crawl.state_reason != self._told:
            self._told = crawl.state_reason
            if self._told:
                self._output.note(one_line(self._told))

    def pausing(self) -> None:
        """Says that Ctrl-C was understood."""
        self._progress.update(self._task, description="pausing")
        if not self._output.as_json:
            self._output.note("pausing the crawl (Ctrl-C again leaves at once)")

    def conclude(self, crawl: Crawl, *, paused_by_us: bool) -> int:
        """Prints the counts, and returns the exit status.

        Raises:
            CliError: The crawl failed, was cancelled, or somebody else paused it.
        """
        if self._output.as_json:
            self._output.object({"crawl": crawl_facts(crawl)})
        else:
            self._print_counts(crawl)
        resume = f"go on with: lodestone crawl --resume {crawl.crawl_id}"
        reason = f": {one_line(crawl.state_reason)}" if crawl.state_reason else ""
        match crawl.state:
            case crawl_pb2.CRAWL_STATE_COMPLETED:
                return 0
            case crawl_pb2.CRAWL_STATE_PAUSED if paused_by_us:
                self._output.note(f"paused; {resume}")
                return EXIT_INTERRUPTED
            case crawl_pb2.CRAWL_STATE_PAUSED:
                raise CliError(f"the crawl was paused{reason}; {resume}")
            case crawl_pb2.CRAWL_STATE_CANCELLED:
                raise CliError(f"the crawl was cancelled{reason}")
            case _:
                raise CliError(f"the crawl failed{reason or ' without a reason'}")

    def _print_counts(self, crawl: Crawl) -> None:
        counts = crawl.progress
        rows = [(outcome, name, f"{count:,}") for outcome, name, count in tally(counts)]
        self._output.text(f"crawl {crawl.crawl_id}, {crawl.profile_name}@{crawl.profile_version}")
        if rows:
            self._output.table(("outcome", "verdict or reason", ">listings"), rows)
        self._output.text(
            f"found {counts.found_count:,} · settled {counts.settled_count:,} · "
            f"fetched {counts.fetched_count:,} · known before {counts.known_count:,}"
        )
        for line in (*_remarks(crawl), *_source_remarks(crawl)):
            self._output.text(line)


def _remarks(crawl: Crawl) -> Iterator[str]:
    counts, limits = crawl.progress, crawl.screen_limits
    if counts.skipped_count or counts.repeated_count:
        yield (
            f"left out of the sources: {count_of(counts.skipped_count, 'entry', 'entries')} without a URL, "
            f"{counts.repeated_count:,} repeated"
        )
    reasons = {one.reason for one in counts.outcome_counts}
    if outcome_pb2.OUTCOME_REASON_TOO_SMALL in reasons:
        yield (
            f"too small: under {limits.min_pixels:,} pixels, width × height; "
            "`lodestone up --min-pixels N` sets this"
        )
    if outcome_pb2.OUTCOME_REASON_EXTREME_ASPECT in reasons:
        yield (
            f"extreme aspect: wider than {limits.max_width_ratio:g} to 1 "
            f"or taller than 1 to {limits.max_height_ratio:g}"
        )


def _source_remarks(crawl: Crawl) -> Iterator[str]:
    """What a person should know of the sources, a line each."""
    for status in crawl.source_statuses:
        uri = one_line(status.source.uri)
        if status.source.priority:
            yield f"{uri}: priority {status.source.priority}"
        if status.state in _HELD_UP:
            yield f"{spoken(word(SourceState, status.state))}: {one_line(status.state_reason)}"
        if status.turned_away_counts:
            counts = ", ".join(
                f"{spoken(word(PostReason, one.reason))} {one.count:,}"
                for one in sorted(status.turned_away_counts, key=lambda one: -one.count)
            )
            yield f"{uri}: {count_of(status.post_count, 'post')} listed; left out: {counts}"
        if status.gap_count:
            yield f"{uri}: {count_of(status.gap_count, 'gap')}; {one_line(status.last_gap)}"


def tally(counts: CrawlProgress) -> Iterator[tuple[str, str, int]]:
    """The counts as (outcome, verdict or reason, listings), in words for people; verdicts first."""
    for judged in sorted(counts.verdict_counts, key=lambda one: one.verdict):
        yield "fetched", spoken(word(Verdict, judged.verdict)), judged.count
    for failed in sorted(counts.outcome_counts, key=lambda one: (one.state, one.reason)):
        outcome = spoken(word(OutcomeState, failed.state))
        yield outcome, spoken(word(OutcomeReason, failed.reason)), failed.count
