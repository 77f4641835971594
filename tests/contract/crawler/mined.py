"""A data folder that a real crawler mined with fake model services: pictures of every fate, one of them purged."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1.image_pb2 import Image
from services.crawler.__main__ import build
from services.crawler.config import CrawlerSettings
from tests.crawler.pictures import encode, reencode, resized, scene
from tests.fakes.serving import serving, settings_for_tests

RED, GREEN, BLUE = (1.0, 0.05, 0.05), (0.05, 1.0, 0.05), (0.05, 0.05, 1.0)


def tinted(seed, tint):
    return (scene(seed, width_px=320, height_px=240) * np.array(tint)).astype(np.uint8)


def plain(colour):
    buffer = io.BytesIO()
    PillowImage.new("RGB", (320, 240), colour).save(buffer, "PNG")
    return buffer.getvalue()


@functools.cache
def pictures():
    """Files by name: the tinted ones fit `colours@1`, the grey ones do not."""
    finds = {f"find-{n}.png": tinted(n, (RED, GREEN, BLUE)[n % 3]) for n in range(6)}
    files = {name: encode(rgb, "PNG") for name, rgb in finds.items()}
    files |= {
        f"grey-{n}.png": encode(scene(50 + n, width_px=320, height_px=240), "PNG") for n in range(3)
    }
    files |= {f"flat-{n}.png": plain((250 - n, 5, 5)) for n in range(2)}
    files["near-0.jpg"] = encode(reencode(finds["find-0.png"], quality=60))
    files["near-1.png"] = encode(resized(finds["find-1.png"], 280, 210), "PNG")
    files["mirrored-2.png"] = encode(np.ascontiguousarray(finds["find-2.png"][:, ::-1]), "PNG")
    files["same-3.png"] = files["find-3.png"]
    files["liked.png"] = encode(tinted(90, RED), "PNG")
    files["liked-again.jpg"] = encode(reencode(tinted(90, RED), quality=70))
    files["cut.png"] = files["find-4.png"][:2000]
    files["text.jpg"] = b"not a picture"
    return files


def digest_of(name):
    return hashlib.sha256(pictures()[name]).hexdigest()


def mine(fakes, folder, beside=None, **elsewhere):
    """Mines the pictures and purges `find-5.png`. Returns the data folder; its crawler has ended.

    `elsewhere` has settings of another catalogue or store. All the while `beside`, if it is given, is called with the
    data folder again and again, in a thread.
    """
    site = folder / "site"
    site.mkdir()
    files = pictures()
    for name, encoded in files.items():
        (site / name).write_bytes(encoded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LODESTONE_DATA", str(folder / "data"))
        for word in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            patch.setenv(f"LODESTONE_{word}", fakes.address)
        # One after the other, so that the order of accepting is that of the names.
        chosen = {"min_pixels": 0, "decoders": 1, "workers": 1, **elsewhere}
        settings = settings_for_tests(CrawlerSettings, **chosen)
    asyncio.run(_mine(settings, site, files, beside))
    return folder / "data"


async def _mine(settings, site, files, beside):
    async with serving(await build(settings), settings) as channel, asyncio.TaskGroup() as group:
        stub, ended = CrawlerServiceStub(channel), asyncio.Event()
        if beside:
            group.create_task(_call(beside, site.parent / "data", ended))
        await stub.MarkImagesSeen(
            iter(
                [
                    pb.MarkImagesSeenRequest(
                        profile_name="colours", image=Image(encoded=files["liked.png"])
                    )
                ]
            )
        )
        request = pb.CreateCrawlRequest(
            request_id="r", sources=[f"folder:{site}"], profile="colours"
        )
        crawl_id = (await stub.CreateCrawl(request)).crawl.crawl_id
        async with asyncio.timeout(60):
            async for event in stub.WatchCrawl(pb.WatchCrawlRequest(crawl_id=crawl_id)):
                crawl = event.crawl
        assert crawl.state == crawl_pb2.CRAWL_STATE_COMPLETED
        assert crawl.progress.found_count == len(files)
        digest = digest_of("find-5.png")
        purged = [one async for one in stub.PurgeImages(pb.PurgeImagesRequest(digests=[digest]))]
        assert len(purged) == 1
        ended.set()


async def _call(beside, data, ended):
    while not ended.is_set():
        await asyncio.to_thread(beside, data)
