"""A crawler on a disk of its own that is small: `unshare -rm python -m tests.faults.small_disk MOUNT`.

Nobody else sees what it mounts, and it need not be root. It obeys a word a line: `fill`, `empty`, `verify`, and answers
each with a line of JSON; its crawler dies with it when its input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SIZE = "12m"


class SmallDisk:
    """The process: a context manager."""

    def __init__(self, mount, environment, log):
        self._command = [
            "unshare",
            "-rm",
            sys.executable,
            "-m",
            "tests.faults.small_disk",
            str(mount),
        ]
        self._environment = environment
        self._log = log

    def __enter__(self):
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stderr=log, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def ask(self, word):
        """Has it do something; returns what it says."""
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def main(mount):
    """Serves until the standard input ends."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(mount)], check=True)
    crawler = subprocess.Popen(
        [sys.executable, "-m", "services.crawler"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    try:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(_obey(line.strip(), mount)) + "\n")
            sys.stdout.flush()
    finally:
        crawler.terminate()
        crawler.wait(30)


def _obey(word, mount):
    ballast = mount / "ballast"
    match word:
        case "fill":
            with suppress(OSError), ballast.open("wb", buffering=0) as handle:
                while True:
                    handle.write(bytes(4_096))
        case "empty":
            ballast.unlink()
        case "verify":
            command = ["-m", "services.crawler.verifying", f"--data={mount / 'data'}", "--json"]
            done = subprocess.run(
                [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
            )
            return json.loads(done.stdout.splitlines()[-1])["summary"]
    return {}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
