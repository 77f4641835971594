"""A process with a decoder, for a test to kill: prints the workers' ids, then waits."""

from __future__ import annotations

import asyncio
import sys

from services.crawler.decoding import worker_process
from services.crawler.decoding.decoder import Decoder, WorkerLimits


async def main() -> None:
    worker_process.WORKER_MODULE = "tests.crawler.decoding.poisoned_worker"
    async with Decoder(shapes={}, worker_limits=WorkerLimits(workers=3, wall_s=3_600.0)) as decoder:
        # One spins, one sleeps within a task, one is idle.
        tasks = [asyncio.create_task(decoder.decode(word)) for word in (b"spin", b"hang")]
        sys.stdout.write(" ".join(map(str, decoder.worker_pids)) + "\n")
        sys.stdout.flush()
        await asyncio.gather(*tasks)


asyncio.run(main())
