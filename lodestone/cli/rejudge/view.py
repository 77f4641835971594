"""What a person sees of a rejudgement: a table of what changes, and the counts in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lodestone.cli.output import Output
from lodestone.cli.words import count_of, spoken, word
from lodestone.crawler.v1 import kept_image_pb2
from lodestone.crawler.v1.crawler_service_pb2 import RejudgeSummary
from lodestone.crawler.v1.judgement_pb2 import Judgement
from lodestone.crawler.v1.kept_image_pb2 import RejudgeAction, RejudgedImage
from lodestone.image.v1.verdict_pb2 import VERDICT_ACCEPTED, Verdict

ROWS_MAX = 50

# By what matters first: what is done, and what would be.
_DONE = {
    kept_image_pb2.REJUDGE_ACTION_KEEP: ("is kept", "would be kept"),
    kept_image_pb2.REJUDGE_ACTION_FETCH: ("is fetched again", "would be fetched again"),
    kept_image_pb2.REJUDGE_ACTION_STAYS_KEPT: ("stays kept", "would stay kept"),
    kept_image_pb2.REJUDGE_ACTION_UNREACHABLE: ("is nowhere to be had", "is nowhere to be had"),
    kept_image_pb2.REJUDGE_ACTION_RECORD: ("", ""),
}

_WITHOUT_PIXELS = (
    kept_image_pb2.REJUDGE_ACTION_FETCH,
    kept_image_pb2.REJUDGE_ACTION_UNREACHABLE,
)


class RejudgeView:
    """Gathers changes as they come, and only as many as a table shows."""

    def __init__(self, output: Output, *, dry_run: bool) -> None:
        self._output = output
        self._dry_run = dry_run
        self._counts: Counter[int] = Counter()
        self._rows: dict[int, list[tuple[str, ...]]] = {}

    def changed(self, image: RejudgedImage) -> None:
        """Counts a change, and holds its row if the table may have room."""
        self._counts[image.action] += 1
        rows = self._rows.setdefault(image.action, [])
        if len(rows) < ROWS_MAX:
            rows.append(self._row(image))

    def conclude(self, summary: RejudgeSummary) -> None:
        """Prints the table, the counts in words, and what to do about kept images that are not accepted."""
        order = [*_DONE, *sorted(set(self._rows) - set(_DONE))]
        rows = [row for action in order for row in self._rows.get(action, ())][:ROWS_MAX]
        if rows:
            self._output.table(("~image", "before", "now", ">nats", "what is done"), rows)
        more = self._counts.total() - len(rows)
        if more:
            self._output.text(f"and {more:,} more (--json prints all)")
        self._output.text("; ".join(self._parts(summary)))
        if summary.dropped_count:
            self._output.text(
                "they stay; `lodestone purge --digest SHA256` removes one for good (--json prints the digests)"
            )

    def _row(self, image: RejudgedImage) -> tuple[str, ...]:
        after, listing = image.after, image.listing
        done = _DONE.get(image.action, (spoken(word(RejudgeAction, image.action)),) * 2)
        return (
            listing.title or listing.url or image.digest,
            _verdict(image.before) if image.HasField("before") else "",
            _now(image),
            f"{after.log_likelihood:,.2f}" if after.HasField("log_likelihood") else "",
            done[self._dry_run],
        )

    def _parts(self, summary: RejudgeSummary) -> Iterator[str]:
        known = summary.judged_count + summary.known_count + summary.unknown_count
        if not known:
            yield "no images are known yet: crawl first"
            return
        yield f"of {count_of(known, 'known image')} {self._accepted(summary)}"
        if summary.dropped_count:
            yield f"{_are(summary.dropped_count)} kept that would not be accepted"
        if summary.known_count:
            version = f"{summary.profile_name}@{summary.profile_version}"
            yield f"{summary.known_count:,} judged by {version} before"
        if summary.unknown_count:
            yield f"{summary.unknown_count:,} without an embedding"

    def _accepted(self, summary: RejudgeSummary) -> str:
        kept, fetched = summary.kept_count, summary.fetch_count
        lost = self._counts[kept_image_pb2.REJUDGE_ACTION_UNREACHABLE]
        count = kept + fetched + lost
        if not count:
            return "none newly fits the profile"
        parts = (
            (kept, f"{_are(kept)} {'in' if self._dry_run else 'kept from'} the store"),
            (fetched, f"{self._would_be(fetched)} fetched again, and judged for watermarks then"),
            (lost, f"{_are(lost)} nowhere to be had"),
        )
        told = ", ".join(text for number, text in parts if number)
        return f"{count:,} newly {'fits' if count == 1 else 'fit'} the profile: {told}"

    def _would_be(self, count: int) -> str:
        return f"{count:,} would be" if self._dry_run else _are(count)


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"


def _now(image: RejudgedImage) -> str:
    """The verdict, as far as there is one: an accepted image may have been judged without its pixels."""
    lacks_pixels = image.action in _WITHOUT_PIXELS and not image.after.HasField(
        "watermark_probability"
    )
    accepted = image.after.verdict == VERDICT_ACCEPTED
    return "fits the profile" if accepted and lacks_pixels else _verdict(image.after)


def _verdict(judgement: Judgement) -> str:
    return spoken(word(Verdict, judgement.verdict))
