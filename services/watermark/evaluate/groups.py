"""Which images are measured together: by generator, kind, opacity, width, visible pixels and source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.watermark.evaluate.judged_image import ImageFacts, JudgedImage, Truth
from services.watermark.evaluate.metrics import Estimate, Rates, bootstrapped, measure

OPACITIES = ((0.15, 0.3), (0.3, 0.6), (0.6, 0.9))
WIDTHS = ((0.0, 0.08), (0.08, 0.16), (0.16, 1.0))
VISIBLE_PX = ((0, 60), (60, 500), (500, 448**2))

REAL = "real or unknown"
"""What stands for the generator of marks that none is known to have drawn."""


@dataclass(frozen=True, slots=True)
class Group:
    """Marked images of one sort against all clean ones.

    Attributes:
        generator: What drew the marks; `all` for every generator.
        by: What they have in common: `all`, `kind`, `opacity`, `width`, `visible px` or `source`.
        value: Which of these.
        rates: What the detector does with them.
    """

    generator: str
    by: str
    value: str
    rates: Rates


@dataclass(frozen=True, slots=True)
class Flagged:
    """How many images that carry no mark are flagged.

    Attributes:
        name: The source of the photos, or the kind of hard negative.
        images: How many there are.
        flagged: How many of them are over the threshold.
        share: The second by the first.
    """

    name: str
    images: int
    flagged: int
    share: Estimate


def groups_of(judged: Sequence[JudgedImage], threshold: float) -> list[Group]:
    """Every group that has a marked image; those of a source are compared with its own clean images.

    Raises:
        NothingToCompare: There are no clean or no marked images.
    """
    clean = [image for image in judged if image.facts.truth is Truth.CLEAN]
    marked = [image for image in judged if image.facts.truth is Truth.MARKED]
    groups = [Group("all", "all", "all", measure(clean, marked, threshold=threshold))]
    generators = sorted({image.facts.generator for image in marked})
    for generator in generators:
        drawn = [image for image in marked if image.facts.generator == generator]
        name = generator or REAL
        for by, value, belongs in _sorts(drawn):
            found = [image for image in drawn if belongs(image.facts)]
            against = [image for image in clean if by != "source" or belongs(image.facts)]
            if found and against:
                rates = measure(against, found, threshold=threshold)
                groups.append(Group(name, by, value, rates))
    return groups


def flagged_by(
    images: Sequence[JudgedImage], key: Callable[[ImageFacts], str], threshold: float
) -> list[Flagged]:
    """How many images are flagged, for each value of `key`, sorted by it."""
    found = []
    for name in sorted({key(image.facts) for image in images}):
        these = [image for image in images if key(image.facts) == name]
        over = [image.probability > threshold for image in these]
        share = bootstrapped(these, _share_of(over))[0]
        found.append(Flagged(name, len(these), sum(over), share))
    return found


def _sorts(
    drawn: Sequence[JudgedImage],
) -> Iterator[tuple[str, str, Callable[[ImageFacts], bool]]]:
    yield "all", "all", lambda _: True
    for kind in sorted({image.facts.kind for image in drawn} - {""}):
        yield "kind", kind, _has("kind", kind)
    for low, high in OPACITIES:
        yield "opacity", f"{low:g}-{high:g}", _opaque(low, high)
    for low, high in WIDTHS:
        yield "width", f"{low:.0%}-{high:.0%}", _wide(low, high)
    for fewest, most in VISIBLE_PX:
        yield "visible px", f"{fewest}-{most}", _visible(fewest, most)
    for source in sorted({image.facts.source for image in drawn}):
        yield "source", source, _has("source", source)


def _has(field: str, value: str) -> Callable[[ImageFacts], bool]:
    return lambda facts: getattr(facts, field) == value


def _opaque(low: float, high: float) -> Callable[[ImageFacts], bool]:
    return lambda facts: _within(facts.opacity, low, high, last=OPACITIES[-1][1])


def _wide(low: float, high: float) -> Callable[[ImageFacts], bool]:
    return lambda facts: _within(facts.width_ratio, low, high, last=WIDTHS[-1][1])


def _visible(fewest: int, most: int) -> Callable[[ImageFacts], bool]:
    return lambda facts: _within(facts.visible_px, fewest, most, last=VISIBLE_PX[-1][1])


def _within(value: float | None, low: float, high: float, *, last: float) -> bool:
    """Whether it is at least `low` and under `high`; the last upper limit belongs to its range."""
    return value is not None and (low <= value < high or value == high == last)


def _share_of(over: Sequence[bool]) -> Callable[..., list[float]]:
    def share(counts: Sequence[int]) -> list[float]:
        total = sum(counts)
        hits = sum(count for count, is_over in zip(counts, over, strict=True) if is_over)
        return [float(hits) / float(total)]

    return share
