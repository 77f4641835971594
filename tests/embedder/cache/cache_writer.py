"""`python -m tests.embedder.cache.cache_writer FILE FIRST COUNT`: keeps entries, ten at a time, and says which.

With a fourth argument, no file that it writes may have more bytes than that: a full disk.
"""

from __future__ import annotations

import resource
import sqlite3
import sys
from pathlib import Path

from services.embedder.cache.cache_file import CacheFile
from tests.embedder.cache.embeddings import entry


def main(path, first, count, disk_bytes=None):
    file = CacheFile(Path(path), max_bytes=1 << 30, timeout_s=30)
    if disk_bytes is not None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(disk_bytes), hard))
    for start in range(int(first), int(first) + int(count), 10):
        numbers = range(start, start + 10)
        try:
            file.write([entry(number) for number in numbers])
        except sqlite3.Error as error:
            print(error.sqlite_errorname, flush=True)  # noqa: T201
            break
        print(*numbers, sep="\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
