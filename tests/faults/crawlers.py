"""Crawler processes: started by forking or in the ordinary way, signalled, and waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_S = 60.0


class CrawlerProcess:
    """One process.

    Attributes:
        pid: Its number.
        ended: Its exit status, once it has ended; -9 is SIGKILL.
    """

    def __init__(self, pid):
        self.pid = pid
        self.ended = Future()

    def signal(self, number):
        """Sends a signal, unless it has ended."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self, timeout_s=30.0):
        """Its exit status."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(asyncio.wrap_future(self.ended))


class Starter:
    """Starts crawlers in a tenth of a second: a context manager."""

    def __init__(self, folder):
        self._errors = (folder / "starter.err").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crawler_starter"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self._started = queue.Queue()
        self._living = {}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join()
        self._process.stdout.close()
        self._errors.close()

    def start(self, environment, output, *, trap=None, lease_s=60.0, idle_s=60):
        """Starts a crawler with these settings, whose output is appended to a file."""
        order = {
            "environment": environment,
            "output": str(output),
            "trap": asdict(trap) if trap else None,
            "lease_s": lease_s,
            "idle_s": idle_s,
        }
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self._started.get(timeout=START_S)

    def _read(self):
        for line in self._process.stdout:
            word, *numbers = line.split()
            pid = int(numbers[0])
            if word == b"started":
                self._living[pid] = CrawlerProcess(pid)
                self._started.put(self._living[pid])
            else:
                self._living.pop(pid).ended.set_result(int(numbers[1]))


def start_plainly(environment, output, *before):
    """Starts a crawler as a person does, behind another command if one is given."""
    command = [*before, sys.executable, "-m", "services.crawler"]
    with Path(output).open("ab") as log:
        popen = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    process = CrawlerProcess(popen.pid)
    threading.Thread(target=lambda: process.ended.set_result(popen.wait())).start()
    return process
