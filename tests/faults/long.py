"""Kills for long, and reports: `python -m tests.faults.long --kills 1000 --out DIR`.

Half of the crawlers that are killed are on SQLite and a folder, half on PostgreSQL and S3, one place after the other.
`--place` makes one half alone. Writes `reliability.json` and `reliability.md`; ends with 1 if anything was lost, kept
twice or damaged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faithful.s3_server import running
from tests.faults.crawlers import Starter
from tests.faults.kill_loop import KillLoop
from tests.faults.kill_report import as_json, as_markdown
from tests.faults.model_process import ModelProcess
from tests.faults.places import InFolder, cluster
from tests.faults.rig import Rig
from tests.faults.site_plan import Batch
from tests.faults.site_server import Site
from tests.faults.undisturbed import expected_counts
from tests.postgres.server import PostgresServer


def main(arguments):
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="crawlers to kill, in both places")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path("data/reliability"))
    help_of_place = "only this half: SQLite and a folder, or PostgreSQL and S3"
    parser.add_argument("--place", choices=("folder", "cluster"), help=help_of_place)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"seed {options.seed}\n")
    found = {}
    with ExitStack() as stack:
        for word, killed in _run(stack, options):
            found[word] = killed
            _write(found, options)
    return 1 if any(isinstance(one, str) for one in found.values()) else 0


def _write(found, options):
    """What there is so far: the second place takes as long again."""
    facts = json.dumps(as_json(found, options.seed), indent=2)
    (options.out / "reliability.json").write_text(facts)
    text = as_markdown(found, options.seed)
    (options.out / "reliability.md").write_text(text)
    sys.stdout.write(text)


def _run(stack, options):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lodestone-faults-")))
    starter = stack.enter_context(Starter(folder))
    site = stack.enter_context(Site())
    for name in _MAKERS if options.place is None else (options.place,):
        (folder / name).mkdir()
        place = _MAKERS[name](stack, folder / name)
        models = stack.enter_context(ModelProcess())
        rig = stack.enter_context(Rig(place, starter, site, models, place.data.parent))
        loop = KillLoop(rig, expected_counts(Batch(0)), check_every=25)
        try:
            yield place.word, asyncio.run(loop.run(options.kills // 2, options.seed))
        except (AssertionError, TimeoutError) as error:
            sys.stderr.write(f"{place.word}: {error}\n")
            yield place.word, str(error) or type(error).__name__


def _cluster(stack, folder):
    postgres = PostgresServer()
    stack.callback(postgres.close)
    s3_folder = folder.with_name("s3")
    s3_folder.mkdir()
    s3_server = stack.enter_context(running(s3_folder))
    return stack.enter_context(cluster(folder, postgres, s3_server))


_MAKERS = {"folder": lambda _stack, folder: InFolder(folder), "cluster": _cluster}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
