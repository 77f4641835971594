"""One transaction with everything that came in meanwhile: judgements, images and outcomes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto

from sqlalchemy import Connection

from services.crawler.catalogue import (
    images,
    judgements,
    outbox,
    purges,
    replacements,
    score_counts,
    settling,
)
from services.crawler.catalogue.accept_order import (
    read_news,
    share_accept_lock,
    take_accept_lock,
)
from services.crawler.catalogue.frontier import LeasedListing
from services.crawler.catalogue.images import Keep, NameOf, StoredImage
from services.crawler.catalogue.judgements import Learned
from services.crawler.catalogue.near_images import find_contradicted, read_near
from services.crawler.catalogue.recounting import recount
from services.crawler.catalogue.replacements import ReplacedFiles, Replacement
from services.crawler.catalogue.settling import Ending
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.seen.better_copy import NearImages, why_to_replace
from services.crawler.seen.news import Horizon, News
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding


class End(StrEnum):
    """What became of something that was to be recorded.

    What is put off or outdated is not recorded: it is to be decided again, here or by the gates.
    """

    KEPT = auto()
    KEPT_BEFORE = auto()
    NOT_KEPT = auto()
    PURGED = auto()
    LEASE_LOST = auto()
    PUT_OFF = auto()
    OUTDATED = auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to record.

    Attributes:
        content: What was found, or how a listing ends of which nothing is to be judged.
        file_name: The readable name of what is accepted; else empty.
        after_removal: Whether its bytes were written after the files were gone that it may have had when it was
            replaced.
    """

    content: Finding | Ending
    file_name: str = ""
    after_removal: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a transaction came to.

    Attributes:
        ends: One for each entry, in order.
        news: What the catalogue got since the horizon that it began with, its own images included.
        replaced: The files of images that better copies replaced: they are to be removed.
        void: Readable names that were made, of images that are not kept any more: they are to be removed.
    """

    ends: tuple[End, ...]
    news: News
    replaced: tuple[ReplacedFiles, ...] = ()
    void: tuple[NameOf, ...] = ()


class Recording:
    """Writes entries in one transaction: called with a connection, it changes nothing but the catalogue.

    What another crawler leases by now is left to it. Accepts are decided here, under the one order of accepts: by what
    is in memory, by what others added since, and by each other. What is near something takes its place if it is better,
    which is decided by the rows that there are under that order.
    """

    def __init__(self, entries: Sequence[Entry], links: Sequence[NameOf], seen: SeenImages) -> None:
        """Takes the entries, the readable names that were made, and what was seen."""
        self._entries = entries
        self._links = links
        self._seen = seen
        self._horizon = seen.horizon

    def __call__(self, connection: Connection) -> Recorded:
        """Writes all of them."""
        attempt = _Attempt(connection, self._seen)
        recorded = attempt.write(self._entries, self._horizon)
        # After the lock of accepts: a replacement deletes such rows under it, and would wait for this in turn.
        return replace(recorded, void=tuple(images.record_links(connection, self._links)))


class _Attempt:
    """One run of a transaction, which may have to be run again."""

    def __init__(self, connection: Connection, seen: SeenImages) -> None:
        self._connection = connection
        self._seen = seen
        # What is not in memory yet: what others added, and what this transaction accepts.
        self._late = SeenImages()
        self._ends: dict[int, End] = {}
        self._endings: list[Ending] = []
        self._accepted: set[str] = set()
        # What is near something, whether or not that is said to be no duplicate of it.
        self._near: set[str] = set()
        # By the better copies, and by what they replace.
        self._replacements: dict[tuple[str, str], Replacement] = {}
        self._successors: dict[str, Replacement] = {}
        self._replaced: list[ReplacedFiles] = []

    def write(self, entries: Sequence[Entry], horizon: Horizon) -> Recorded:
        news = self._begin(entries, horizon)
        lost = settling.lost_leases(self._connection, [_leased(entry) for entry in entries])
        found: list[tuple[int, Finding, Entry]] = []
        endings: dict[int, Ending] = {}
        for place, entry in enumerate(entries):
            if _leased(entry).listing_id in lost:
                self._ends[place] = End.LEASE_LOST
            elif isinstance(entry.content, Finding):
                found.append((place, entry.content, entry))
            else:
                endings[place] = entry.content
        self._take_endings(endings)
        kept = self._write_findings(found)
        settling.settle(self._connection, self._endings)
        ends = tuple(self._ends[place] for place in range(len(entries)))
        return Recorded(ends, _with_own(news, kept), tuple(self._replaced))

    def _begin(self, entries: Sequence[Entry], horizon: Horizon) -> News:
        """Takes the lock that the entries need; returns what others added, where that matters."""
        if not any(entry.file_name for entry in entries):
            share_accept_lock(self._connection)
            return News(horizon=horizon)
        take_accept_lock(self._connection)
        news = read_news(self._connection, horizon)
        self._late.learn(news)
        return news

    def _take_endings(self, endings: dict[int, Ending]) -> None:
        """Those that are to be settled; what was read of the others is to be judged again."""
        outdated = settling.find_outdated(self._connection, endings.values())
        for place, ending in endings.items():
            is_outdated = ending in outdated
            self._ends[place] = End.OUTDATED if is_outdated else End.NOT_KEPT
            if not is_outdated:
                self._endings.append(ending)

    def _write_findings(
        self, found: Sequence[tuple[int, Finding, Entry]]
    ) -> dict[str, tuple[int, Finding]]:
        """Returns the sequences of images that are new to the store, by digest."""
        purged = purges.find_purged(self._connection, {one.candidate.digest for _, one, _ in found})
        verdicts = self._verdicts([one for _, one, _ in found])
        contradicted = self._contradicted([one for _, one, _ in found])
        written: list[Finding] = []
        keeps: dict[int, tuple[Finding, str]] = {}
        for place, finding, entry in found:
            digest, file_name = finding.candidate.digest, entry.file_name
            if digest in purged:
                self._ends[place] = End.PURGED
                self._end(_purged(finding), None)
                continue
            # What was judged before stands, and replaces nothing.
            verdict = verdicts.get((digest, finding.profile))
            judgement = finding.judgement
            if verdict is None and finding.duplicate in contradicted:
                self._ends[place] = End.OUTDATED
                continue
            if verdict is None and finding.is_accepted:
                decided = None if self._is_early(entry, digest) else self._decide(finding)
                if decided is None:
                    self._ends[place] = End.PUT_OFF
                    continue
                judgement = decided
            verdict = verdict or judgement.verdict
            written.append(replace(finding, judgement=judgement))
            self._ends[place] = End.NOT_KEPT
            if file_name and verdict is Verdict.ACCEPTED:
                keeps[place] = finding, file_name
                self._accepted.add(digest)
                self._late.add_kept(digest, finding.candidate.decoded.fingerprint)
            self._end(finding, verdict)
        self._record(written)
        return self._keep(keeps)

    def _verdicts(self, found: Iterable[Finding]) -> dict[tuple[str, ProfileVersion], Verdict]:
        digests: defaultdict[ProfileVersion, set[str]] = defaultdict(set)
        for one in found:
            digests[one.profile].add(one.candidate.digest)
        return {
            (digest, profile): verdict
            for profile, named in digests.items()
            for digest, verdict in judgements.list_verdicts(
                self._connection, named, profile
            ).items()
        }

    def _contradicted(self, found: Iterable[Finding]) -> set[tuple[str, str]]:
        """What was called a duplicate before a person said that it is none: nobody says so under the lock."""
        pairs = {one.duplicate for one in found if one.duplicate is not None}
        return find_contradicted(self._connection, pairs) if pairs else set()

    def _decide(self, finding: Finding) -> Judgement | None:
        """The judgement as it stands now that all earlier accepts are known.

        None for what may be better than something that this transaction accepts, or lets go of: there are no rows to
        tell by yet.
        """
        candidate, name = finding.candidate, finding.profile.name
        evidence = finding.judgement.evidence
        successor = self._successors.get(candidate.digest)
        if successor is not None:
            reason = f"these bytes were replaced by {successor.digest[:12]}, a better copy"
            return Judgement(Verdict.DUPLICATE, reason, evidence, successor.digest)
        found = [
            sighting
            for seen in (self._seen, self._late)
            for sighting in seen.sightings(name, candidate.digest, candidate.decoded)
        ]
        if found:
            self._near.add(candidate.digest)
        near = read_near(self._connection, candidate.digest, found) if found else NearImages()
        if not near.sightings:
            return finding.judgement
        replaced = tuple(one.digest for one in near.kept())
        why = why_to_replace(name, candidate.decoded, evidence, near)
        if why and self._accepted.isdisjoint(replaced) and not self._successors.keys() & replaced:
            self._plan(Replacement(candidate.digest, name, replaced, why))
            return finding.judgement
        own = self._accepted | self._successors.keys()
        if evidence.detail_px and not own.isdisjoint(one.digest for one in near.sightings):
            return None
        first = near.sightings[0]
        return Judgement(Verdict.DUPLICATE, first.reason, evidence, first.digest)

    def _is_early(self, entry: Entry, digest: str) -> bool:
        """Whether the files that it had when it was replaced may still be removed, and what it wrote now with them."""
        if not entry.file_name or not any(
            seen.is_replaced(digest) for seen in (self._seen, self._late)
        ):
            return False
        is_owed = replacements.find_unremoved(self._connection, digest) is not None
        return is_owed or not entry.after_removal

    def _plan(self, replacement: Replacement) -> None:
        """To be done once the better copy is kept; what it replaces is no other's to replace, or to keep, meanwhile."""
        self._replacements[replacement.digest, replacement.profile_name] = replacement
        self._successors |= dict.fromkeys(replacement.replaced, replacement)

    def _end(self, finding: Finding, verdict: Verdict | None) -> None:
        ending = finding.ending(verdict)
        if ending is not None:
            self._endings.append(ending)

    def _record(self, written: Sequence[Finding]) -> None:
        now = time.time()
        judgements.record_candidates(
            self._connection,
            [
                Learned(
                    one.candidate.digest,
                    one.candidate.decoded,
                    one.outcome.size_bytes,
                    one.judgement.evidence,
                )
                for one in written
            ],
        )
        groups: defaultdict[tuple[ProfileVersion, float], list[Finding]] = defaultdict(list)
        for one in written:
            groups[one.profile, one.judge_time(now)].append(one)
        # In one order, so that two crawlers do not wait for each other.
        for profile, judged_at in sorted(groups, key=lambda one: (str(one[0]), one[1])):
            mine = groups[profile, judged_at]
            judged = {one.candidate.digest: one.judgement for one in mine}
            new = judgements.add_judgements(self._connection, profile, judged, now=judged_at)
            score_counts.count_scores(self._connection, profile, _scored(mine, new), now=judged_at)
            self._recount(profile, [one for one in mine if one.candidate.digest in new])

    def _recount(self, profile: ProfileVersion, new: Sequence[Finding]) -> None:
        """Crawls that had come to what was a duplicate, or replaced, count it as accepted now.

        Only what is near something had a judgement before that a person's word ended.
        """
        digests = {one.candidate.digest for one in new if one.is_accepted} & self._near
        judged = [(digest, profile) for digest in sorted(digests)]
        recount(self._connection, judged, before=Verdict.DUPLICATE, after=Verdict.ACCEPTED)

    def _keep(self, keeps: dict[int, tuple[Finding, str]]) -> dict[str, tuple[int, Finding]]:
        now = time.time()
        stored = [
            StoredImage(
                one.candidate.digest, one.leased.listing_id, one.outcome, one.accept_time(now)
            )
            for one, _ in keeps.values()
        ]
        sequences = images.record_images(self._connection, stored, now=now)
        replacements.keep_again(self._connection, sorted(self._accepted))
        new = images.keep(
            self._connection,
            [
                Keep(
                    *(one.candidate.digest, one.profile, one.leased.listing_id),
                    *(name, one.accept_time(now), one.is_removed),
                )
                for one, name in keeps.values()
            ],
        )
        pairs = [(one.candidate.digest, one.profile.name) for one, _ in keeps.values()]
        outbox.add(self._connection, [pair for pair in pairs if pair in new], now=now)
        for place, (one, _) in keeps.items():
            is_new = (one.candidate.digest, one.profile.name) in new
            self._ends[place] = End.KEPT if is_new else End.KEPT_BEFORE
        self._replace(new, now=now)
        return {
            one.candidate.digest: (sequences[one.candidate.digest], one)
            for one, _ in keeps.values()
            if one.candidate.digest in sequences
        }

    def _replace(self, new: Collection[tuple[str, str]], *, now: float) -> None:
        """Lets go of what is replaced, now that the better copies have their rows."""
        for pair, replacement in self._replacements.items():
            if pair in new:
                self._replaced += replacements.replace(self._connection, replacement, now=now)


def _leased(entry: Entry) -> LeasedListing:
    return entry.content.leased


def _purged(finding: Finding) -> Finding:
    """The end of a listing whose bytes another crawler purged meanwhile."""
    message = f"the image {finding.candidate.digest[:12]} was purged"
    outcome = replace(
        finding.outcome,
        state=OutcomeState.BLOCKED,
        reason=OutcomeReason.PURGED,
        message=message,
        digest="",
    )
    return replace(finding, outcome=outcome, known=False)


def _scored(found: Sequence[Finding], new: Collection[str]) -> Counter[score_counts.Scored]:
    """How many of those whose judgement is new scored where."""
    return Counter(
        (one.leased.listing.source, one.bins.range_of(one.judgement.evidence.score.log_likelihood))
        for one in found
        if one.bins and one.judgement.evidence.score and one.candidate.digest in new
    )


def _with_own(news: News, kept: dict[str, tuple[int, Finding]]) -> News:
    """What others added, and behind it what this transaction did: nobody else accepts in between.

    The news was read before, and has what this transaction keeps again as replaced.
    """
    own = sorted(
        (sequence, digest, finding.candidate.decoded.fingerprint)
        for digest, (sequence, finding) in kept.items()
    )
    if not own:
        return news
    horizon = replace(news.horizon, kept=own[-1][0])
    still = tuple(one for one in news.replaced if one[0] not in kept)
    return replace(news, kept=news.kept + tuple(own), replaced=still, horizon=horizon)
