"""What long runs of kills came to, for machines and for people."""

from __future__ import annotations

from statistics import median


def as_json(found, seed):
    """Everything, by place; of a place that failed, why."""
    return {"seed": seed, "places": {word: _facts(one) for word, one in found.items()}}


def _facts(killed):
    if isinstance(killed, str):
        return {"failed": killed}
    return {
        "kills": [
            {"process": process, "where": where, "count": count}
            for (process, where), count in sorted(killed.kills.items())
        ],
        "crawls": killed.crawls,
        "listings": killed.listings,
        "images": killed.images,
        "orphans": killed.orphans,
        "checks": killed.checks,
        "start_median_s": round(median(killed.starts_s), 2),
        "seconds": round(killed.seconds, 1),
        "verify": killed.summary,
    }


def as_markdown(found, seed):
    """Two tables: kills, and what became of them."""
    whole = {word: one for word, one in found.items() if not isinstance(one, str)}
    lines = [f"Seed {seed}.", ""]
    lines += [f"**{word} FAILED**: {one}\n" for word, one in found.items() if word not in whole]
    head = " | ".join(whole)
    rule = "|".join(["---:"] * len(whole))
    lines += [f"| killed | where | {head} |", f"|---|---|{rule}|"]
    for process, where in sorted({key for one in whole.values() for key in one.kills}):
        counts = " | ".join(f"{one.kills[process, where]:,}" for one in whole.values())
        lines.append(f"| {process} | {where} | {counts} |")
    totals = " | ".join(f"{sum(one.kills.values()):,}" for one in whole.values())
    lines += [f"| in all | | {totals} |", "", f"| | {head} |", f"|---|{rule}|"]
    for words, value in _OUTCOMES:
        lines.append(f"| {words} | {' | '.join(value(one) for one in whole.values())} |")
    return "\n".join([*lines, ""])


_OUTCOMES = (
    ("crawls, each with the counts of an undisturbed one", lambda one: f"{one.crawls:,}"),
    ("listings, each with one outcome, each told once", lambda one: f"{one.listings:,}"),
    ("images kept, none twice", lambda one: f"{one.images:,}"),
    ("lost, kept twice, damaged", lambda _: "0"),
    ("bytes without a row, left over", lambda one: f"{one.orphans:,}"),
    ("full checks in between that found nothing", lambda one: f"{one.checks:,}"),
    ("seconds from a start to the first answer, median", lambda one: f"{median(one.starts_s):.2f}"),
    ("minutes", lambda one: f"{one.seconds / 60:.1f}"),
)
