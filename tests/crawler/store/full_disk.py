"""A process that fills a small disk, accepts an image, makes room, and says what became of it as JSON.

`unshare -rm python -m … FOLDER MOUNT`: nobody else sees what it mounts, and it need not be root.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

from services.crawler.catalogue import kept_images
from tests.crawler.store.one_accept import OneAccept

_ENCODED = b"picture" * 40_000


def fill(path: Path) -> None:
    """Writes until there is no room for another byte."""
    with suppress(OSError), path.open("wb", buffering=0) as handle:
        while True:
            handle.write(bytes(4_096))


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


async def main(catalogue: Path, mount: Path) -> None:
    mounting = ("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mount))
    assert await (await asyncio.create_subprocess_exec(*mounting)).wait() == 0
    one = OneAccept(catalogue, mount, _ENCODED)
    before = files(mount)
    fill(mount / "ballast")
    accepting = asyncio.create_task(one.accept())
    while not one.recorder.waiting_for:
        await asyncio.sleep(0.01)
    told, seen = one.recorder.waiting_for, files(mount)
    rows = await one.database.run(lambda c: kept_images.list_kept(c, ""))
    (mount / "ballast").unlink()
    await accepting
    kept = await one.database.run(lambda c: kept_images.list_kept(c, ""))
    await one.close()
    found = {
        "told": told,
        "new while full": sorted({*seen} - {*before, "ballast"}),
        "rows while full": len(rows),
        "rows": len(kept),
        "whole": one.store.read(one.digest, max_bytes=10**9) == _ENCODED,
        "named": (mount / "kept" / "landscapes" / kept[0].file_name).exists(),
        "parts": files(mount / "blobs" / "tmp"),
        "waiting for": one.recorder.waiting_for,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
