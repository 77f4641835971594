"""Fetching against img2dataset: images per CPU-second on the same local site, in the same run.

JSON on standard output, lines for people on standard error. The exit status is 1 if the goal is missed, or an image was
lost on the way.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fetching import img2dataset_tool
from benchmarks.fetching.cost import Cost, measure
from benchmarks.fetching.photos import draw_photos

GOAL = 2.0

_ROOT = Path(__file__).resolve().parents[1]
_VENV = _ROOT / "benchmarks" / ".venv-img2dataset"
_SEED = 2026
# So few images cost as good as nothing beside starting.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one tool.

    Attributes:
        cost: What it cost.
        images: How many images it stored.
        details: What the tool says of itself.
    """

    cost: Cost
    images: int
    details: dict[str, Any]


Runner = Callable[[Path, Path], Run]


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    tools = {
        "lodestone": _run_lodestone,
        "img2dataset": _runner_of_img2dataset(img2dataset_tool.install(_VENV)),
    }
    photos = _photos(options.photos, options.count)
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as scratch:
        work = Path(scratch)
        with _serving(photos, work / "site") as urls:
            many, few = work / "many.txt", work / "few.txt"
            many.write_text("\n".join(urls) + "\n")
            few.write_text("\n".join(urls[:_FEW]) + "\n")
            runs = _interleave(tools, many, few, options.repeats)
    report = _report(runs, photos)
    print(json.dumps(report, indent=2))
    _tell(report)
    complete = all(run.images == len(photos) for tool in runs.values() for run in tool["many"])
    return 0 if complete and report["ratio"] >= GOAL else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="photos on the site")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each tool")
    parser.add_argument("--photos", type=Path, help="a folder of distinct JPEGs of at least 1.3 MP")
    options = parser.parse_args()
    if options.count <= _FEW or options.repeats < 1:
        parser.error(f"at least {_FEW + 1} photos and one repeat are needed")
    return options


def _photos(folder: Path | None, count: int) -> list[Path]:
    if folder is None:
        cache = Path(tempfile.gettempdir()) / f"lodestone-bench-photos-{_SEED}"
        print(f"drawing {count} photos into {cache}, if they are not there yet", file=sys.stderr)
        return draw_photos(cache, count, seed=_SEED)
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    if len(photos) <= _FEW:
        sys.exit(f"{folder} has {len(photos)} JPEGs; at least {_FEW + 1} are needed")
    return photos[:count]


@contextlib.contextmanager
def _serving(photos: list[Path], site: Path) -> Iterator[list[str]]:
    """The photos' URLs, while a server of its own process has them."""
    site.mkdir()
    for number, photo in enumerate(photos):
        (site / f"{number:05}.jpg").symlink_to(photo.resolve())
    command = [sys.executable, "-m", "benchmarks.fetching.photo_server", str(site)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        yield [f"http://127.0.0.1:{port}/{number:05}.jpg" for number in range(len(photos))]
        # Leaving closes its standard input, which ends it.


def _interleave(
    tools: dict[str, Runner], many: Path, few: Path, repeats: int
) -> dict[str, dict[str, list[Run]]]:
    """Runs the tools in turn, so that what else the machine does falls on both; the first turn only warms up."""
    runs: dict[str, dict[str, list[Run]]] = {tool: {"many": [], "few": []} for tool in tools}
    for repeat in range(-1, repeats):
        for tool, runner in tools.items():
            for size, urls in (("few", few), ("many", many)):
                if repeat < 0 and size == "many":
                    continue
                output = many.with_name("output")
                run = runner(urls, output)
                shutil.rmtree(output)
                if repeat >= 0:
                    runs[tool][size].append(run)
                print(
                    f"{repeat + 1}/{repeats} {tool:12} {run.images:5} images  "
                    f"{run.cost.cpu_s:6.2f} CPU-s  {run.cost.wall_s:6.2f} s",
                    file=sys.stderr,
                )
    return runs


def _run_lodestone(urls: Path, output: Path) -> Run:
    output.mkdir()
    log = output / "log.txt"
    address = urls.read_text().split("/")[2]
    module = "benchmarks.fetching.lodestone_crawl"
    command = [sys.executable, "-m", module, str(urls), str(output / "data"), address]
    cost = measure(command, log, {**os.environ, "PYTHONPATH": str(_ROOT)})
    details = json.loads(log.read_text().splitlines()[-1])
    return Run(cost, details["settled"].get("ACCEPTED", 0), details)


def _runner_of_img2dataset(tool: Path) -> Runner:
    def run(urls: Path, output: Path) -> Run:
        output.mkdir()
        images = output / "images"
        command = img2dataset_tool.command_line(tool, urls, images)
        cost = measure(command, output / "log.txt")
        return Run(cost, img2dataset_tool.count_images(images), {})

    return run


def _report(runs: dict[str, dict[str, list[Run]]], photos: list[Path]) -> dict[str, Any]:
    tools = {tool: _summary(sizes["many"], sizes["few"]) for tool, sizes in runs.items()}
    rates = [tools[tool]["images_per_cpu_s"] for tool in ("lodestone", "img2dataset")]
    size_bytes = [path.stat().st_size for path in photos]
    return {
        "benchmark": "fetch",
        "cores": os.cpu_count(),
        # What else the machine does costs CPU time too: caches are cold more often.
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "photos": len(photos),
        "photo_kilobytes": round(statistics.mean(size_bytes) / 1e3),
        "goal": GOAL,
        "ratio": round(rates[0]["median"] / rates[1]["median"], 2),
        "tools": tools,
    }


def _summary(many: list[Run], few: list[Run]) -> dict[str, Any]:
    """Rates over the repeats; without what starting costs, which a long crawl pays once, and with it."""
    start = statistics.median(run.cost.cpu_s for run in few)
    extra = [run.images - few[0].images for run in many]
    summary: dict[str, Any] = {
        "images": [run.images for run in many],
        "start_cpu_s": round(start, 2),
        "images_per_cpu_s": _spread(
            [n / (run.cost.cpu_s - start) for n, run in zip(extra, many, strict=True)]
        ),
        "images_per_cpu_s_with_start": _spread([run.images / run.cost.cpu_s for run in many]),
        "images_per_s_with_start": _spread([run.images / run.cost.wall_s for run in many]),
    }
    for word in ("main_cpu_s", "workers_cpu_s"):
        if word in many[0].details:
            each = _spread([1e3 * run.details[word] / run.images for run in many])
            summary[f"{word.removesuffix('_s')}_ms_per_image"] = each
    return summary


def _spread(values: list[float]) -> dict[str, float]:
    low, middle, high = min(values), statistics.median(values), max(values)
    return {"median": round(middle, 2), "min": round(low, 2), "max": round(high, 2)}


def _tell(report: dict[str, Any]) -> None:
    for tool, summary in report["tools"].items():
        rate = summary["images_per_cpu_s"]
        line = f"{rate['median']} images per CPU-second ({rate['min']} to {rate['max']})"
        print(f"{tool:12} {line}", file=sys.stderr)
    print(f"ratio {report['ratio']}, goal >= {report['goal']}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
