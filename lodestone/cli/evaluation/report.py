"""What an evaluation leaves for people: a page and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from markupsafe import Markup
from matplotlib.figure import Figure

from lodestone.cli.evaluation import wording
from lodestone.cli.evaluation.curve_pictures import (
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from lodestone.cli.evaluation.group_picture import draw_groups
from lodestone.cli.pages.page import Card, Section, render
from lodestone.cli.pictures.drawing import inline_svg, write_figure
from lodestone.cli.writing import writing

REPORT_FILE: Final = "report.html"


def write_report(folder: Path, evaluation: dict[str, Any]) -> Path:
    """Writes `report.html` and `roc`, `precision-recall`, `reliability` and `groups` as PNG; the page's path.

    Args:
        folder: Where the small pictures lie that the evaluation names.
        evaluation: The content of `evaluation.json`.

    Raises:
        CliError: A file cannot be written.
        OSError: A picture cannot be read.
    """
    figures = _figures(evaluation)
    for name, figure in figures.items():
        picture = folder / f"{name}.png"
        with writing(picture):
            write_figure(figure, picture, form="png", title=name)
    path, page = folder / REPORT_FILE, _page(folder, evaluation, figures)
    with writing(path):
        path.write_text(page, encoding="utf-8")
    return path


def _figures(evaluation: dict[str, Any]) -> dict[str, Figure]:
    return {
        "roc": draw_roc(evaluation["curves"]),
        "precision-recall": draw_precision_recall(evaluation["curves"]),
        "reliability": draw_reliability(evaluation["reliability"], evaluation["threshold"]),
        "groups": draw_groups(evaluation["groups"]),
    }


def _page(folder: Path, evaluation: dict[str, Any], figures: dict[str, Figure]) -> str:
    detector = evaluation["detector"]
    tables = (
        ("Goals", wording.GOAL_COLUMNS, wording.goal_rows(evaluation)),
        ("Marks", wording.GROUP_COLUMNS, wording.group_rows(evaluation)),
        ("Clean images", wording.FLAGGED_COLUMNS, wording.flagged_rows(evaluation)),
    )
    pictures = [
        Markup(inline_svg(figure, name=name, alternative=f"{name}, as in the tables", kind=name))  # noqa: S704
        for name, figure in figures.items()
    ]
    return render(
        "evaluation.html.jinja",
        title=f"Watermark detector {detector['name']}",
        said=f"{evaluation['images']:,} images of {evaluation['photos']:,} photos. "
        + wording.threshold_sentence(evaluation),
        tables=tables,
        pictures=pictures,
        sections=_sections(folder, evaluation["worst"]),
    )


def _sections(folder: Path, worst: dict[str, Any]) -> list[Section]:
    headings = (
        ("misses", "Worst misses"),
        ("false_alarms", "Clean images of the highest probability"),
        ("hard_negatives", "Hard negatives of the highest probability"),
    )
    return [
        Section(
            heading,
            [
                Card(one["name"], wording.worst_note(one), (folder / one["picture"]).read_bytes())
                for one in worst[key]
            ],
            words="Of each photo the worst image alone.",
        )
        for key, heading in headings
        if worst[key]
    ]
