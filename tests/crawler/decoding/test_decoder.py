from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import pytest_asyncio

from services.crawler.decoding import worker_process
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.decoding.detail import detail_ratio
from services.crawler.decoding.worker import candidate_of
from services.servicekit.errors import ItemRejected, Unavailable
from services.servicekit.image import DecodeLimits, decode, open_image
from services.servicekit.rejection import RejectionCode
from services.servicekit.resize import InputShape, ResizeRule, to_input
from tests.crawler.pictures import encode, scene

SHAPES = {
    "embedder": InputShape(224, 224),
    "watermark": InputShape(448, 320, ResizeRule.CENTER_CROP),
}
JPEG = encode(scene(1))
ROOT = Path(__file__).resolve().parents[3]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    """One decoder with one worker for the tests that leave it whole."""
    async with Decoder(shapes=SHAPES, worker_limits=WorkerLimits(workers=1)) as decoder:
        yield decoder


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Decoder]:
    """Makes decoders whose workers can be killed by their images."""
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.crawler.decoding.poisoned_worker")

    def make(*, workers: int = 1, wall_s: float = 20.0) -> Decoder:
        limits = WorkerLimits(workers=workers, wall_s=wall_s)
        return Decoder(shapes=SHAPES, worker_limits=limits)

    return make


async def rejection(decoder: Decoder, encoded: bytes) -> ItemRejected:
    with pytest.raises(ItemRejected) as rejected:
        await decoder.decode(encoded)
    assert "\n" not in rejected.value.reason
    return rejected.value


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
async def test_a_worker_gives_what_decoding_here_gives(decoder: Decoder, format_name: str) -> None:
    """Facts, hashes and inputs are those of the library, bit by bit."""
    encoded = encode(scene(1), format_name)
    candidate = await decoder.decode(encoded)
    expected = candidate_of(open_image(encoded, DecodeLimits()), SHAPES)
    rgb = decode(encoded, DecodeLimits()).rgb
    assert (candidate.width_px, candidate.height_px) == (640, 480)
    assert (candidate.format, candidate.animated) == (format_name, False)
    assert (candidate.fingerprint, candidate.mirrored) == (expected.fingerprint, expected.mirrored)
    assert candidate.inputs.keys() == SHAPES.keys()
    for word, shape in SHAPES.items():
        np.testing.assert_array_equal(candidate.inputs[word], to_input(rgb, shape))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_says_how_much_detail_there_is(decoder: Decoder) -> None:
    """Of all pixels, as looking at them here does; what does not decode is a rejection, and the worker lives."""
    encoded = encode(scene(1), quality=95)
    opened = open_image(encoded, DecodeLimits())
    expected = detail_ratio(opened.grey(opened.width_px).pixels, 640 * 480 // 4)
    assert await decoder.detail_ratio(encoded, 640 * 480 // 4) == expected > 0.1
    with pytest.raises(ItemRejected):
        await decoder.detail_ratio(encoded[:2_000], 10_000)
    assert await decoder.detail_ratio(encoded, 640 * 480 // 4) == expected


@pytest.mark.asyncio(loop_scope="module")
async def test_pixels_give_what_their_file_gives(decoder: Decoder) -> None:
    """Pixels, of whatever memory layout, give the hashes and inputs of a lossless file of them."""
    rgb = scene(2)[::-1, 10:500]
    of_pixels = await decoder.decode_pixels(rgb)
    of_file = await decoder.decode(encode(np.ascontiguousarray(rgb), "PNG"))
    assert of_pixels.fingerprint == of_file.fingerprint
    assert (of_pixels.width_px, of_pixels.height_px) == (490, 480)
    assert (of_pixels.format, of_pixels.animated) == ("", False)
    for word in SHAPES:
        np.testing.assert_array_equal(of_pixels.inputs[word], of_file.inputs[word])


@pytest.mark.asyncio(loop_scope="module")
async def test_pixels_of_the_input_size_pass_unchanged(decoder: Decoder) -> None:
    """An input that needs no resizing is the image itself; the smallest image works too."""
    rgb = scene(3, width_px=224, height_px=224)
    np.testing.assert_array_equal((await decoder.decode_pixels(rgb)).inputs["embedder"], rgb)
    assert (await decoder.decode_pixels(rgb[:1, :1])).fingerprint.flat


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("rgb", "code"),
    [
        (np.zeros((4, 4, 4), dtype=np.uint8), RejectionCode.BAD_PIXELS),
        (np.zeros((4, 4), dtype=np.uint8), RejectionCode.BAD_PIXELS),
        (np.zeros((0, 4, 3), dtype=np.uint8), RejectionCode.BAD_PIXELS),
        (np.zeros((4, 4, 3)), RejectionCode.BAD_PIXELS),
        (
            np.broadcast_to(np.zeros(3, dtype=np.uint8), (50_001, 1_000, 3)),
            RejectionCode.TOO_MANY_PIXELS,
        ),
    ],
)
async def test_bad_pixels_are_rejected(
    decoder: Decoder, rgb: np.ndarray, code: RejectionCode
) -> None:
    """Pixels of another shape or kind, or too many, never reach a worker."""
    with pytest.raises(ItemRejected) as rejected:
        await decoder.decode_pixels(rgb)
    assert rejected.value.code is code


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (b"", RejectionCode.UNSUPPORTED_FORMAT),
        (b"<html>no image</html>", RejectionCode.UNSUPPORTED_FORMAT),
        (JPEG[: len(JPEG) // 2], RejectionCode.TRUNCATED),
        (encode(scene(1, width_px=64, height_px=64)[:1, :1]), RejectionCode.TOO_SMALL),
        (bytes(20_000_001), RejectionCode.TOO_MANY_BYTES),
    ],
    ids=["empty", "html", "truncated", "1x1", "20 MB"],
)
async def test_bad_images_are_rejected_and_the_worker_lives(
    decoder: Decoder, encoded: bytes, code: RejectionCode
) -> None:
    """What does not decode has its reason and costs no process."""
    before = decoder.worker_pids
    assert (await rejection(decoder, encoded)).code is code
    assert (await decoder.decode(JPEG)).width_px == 640
    assert decoder.worker_pids == before


@pytest.mark.asyncio(loop_scope="module")
async def test_concurrent_images_keep_their_answers(decoder: Decoder) -> None:
    """Many at a time, good and bad mixed: each gets its own answer."""
    widths = list(range(40, 80))
    images = [encode(scene(4, width_px=width, height_px=40), "PNG") for width in widths]
    tasks = [decoder.decode(image) for image in images]
    results = await asyncio.gather(*tasks, decoder.decode(b"bad"), return_exceptions=True)
    assert isinstance(results.pop(), ItemRejected)
    assert [result.width_px for result in results] == widths  # type: ignore[union-attr]


async def test_a_worker_has_little_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the crawler's environment are not in the workers'."""
    monkeypatch.setenv("LODESTONE_TEST_SECRET", "canary")
    async with Decoder(shapes={}, worker_limits=WorkerLimits(workers=1)) as decoder:
        [pid] = decoder.worker_pids
        environment = psutil.Process(pid).environ()
        core_limits = psutil.Process(pid).rlimit(psutil.RLIMIT_CORE)
    assert "canary" not in environment.values()
    assert "LANG" not in environment
    assert core_limits == (0, 0)


async def test_too_little_memory_is_a_rejection() -> None:
    """An image that does not fit the worker's memory is rejected, and the next one is decoded."""
    limits = WorkerLimits(workers=1, memory_bytes=60_000_000)
    large = encode(np.zeros((5_000, 6_000, 3), dtype=np.uint8), "PNG")
    async with Decoder(shapes=SHAPES, worker_limits=limits) as decoder:
        rejected = await rejection(decoder, large)
        assert (await decoder.decode(JPEG)).width_px == 640
    assert rejected.code is RejectionCode.DECODER_CRASHED
    assert "memory" in rejected.reason


@pytest.mark.parametrize("poison", [b"abort", b"exit", b"nonsense", b"too long", b"too short"])
async def test_a_deadly_image_costs_its_own_outcome(
    poisoned: Callable[..., Decoder], poison: bytes
) -> None:
    """A worker that dies or answers nonsense is replaced; only the image that did it is rejected."""
    async with poisoned(workers=2) as decoder:
        innocent = [asyncio.create_task(decoder.decode(JPEG)) for _ in range(4)]
        rejected = await rejection(decoder, poison)
        assert [task.width_px for task in await asyncio.gather(*innocent)] == [640] * 4
        assert (await decoder.decode(JPEG)).width_px == 640
        assert rejected.code is RejectionCode.DECODER_CRASHED
        assert "died" in rejected.reason


@pytest.mark.parametrize("poison", [b"hang", b"spin"])
async def test_a_hanging_image_runs_out_of_time(
    poisoned: Callable[..., Decoder], poison: bytes
) -> None:
    """A worker that hangs is killed at the limit and replaced; others go on meanwhile."""
    async with poisoned(workers=2, wall_s=2.0) as decoder:
        before = set(decoder.worker_pids)
        hanging = asyncio.create_task(rejection(decoder, poison))
        await asyncio.sleep(0)
        assert (await decoder.decode(JPEG)).width_px == 640
        assert not hanging.done()
        rejected = await hanging
        assert rejected.code is RejectionCode.DECODER_CRASHED
        assert "2 s" in rejected.reason
        results = await asyncio.gather(*(decoder.decode(JPEG) for _ in range(2)))
        assert len(results) == 2
        after = set(decoder.worker_pids)
    assert len(before & after) == 1
    assert not any(psutil.pid_exists(pid) for pid in before | after)


@pytest.mark.parametrize(("poison", "word"), [(b"memory", "memory"), (b"bug", "RuntimeError")])
async def test_what_goes_wrong_within_a_worker(
    poisoned: Callable[..., Decoder], poison: bytes, word: str
) -> None:
    """Running out of memory and a fault of our own are rejections, and the worker lives on."""
    async with poisoned() as decoder:
        before = decoder.worker_pids
        with pytest.raises(ItemRejected) as rejected:
            await decoder.decode(poison)
        assert decoder.worker_pids == before
    assert rejected.value.code is RejectionCode.DECODER_CRASHED
    assert word in rejected.value.reason


async def test_an_image_whose_worker_was_killed_is_tried_again(
    poisoned: Callable[..., Decoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies once, for whatever reason, costs its image nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "once").touch()
    async with poisoned() as decoder:
        before = decoder.worker_pids
        assert (await decoder.decode(b"once")).width_px == 1
        assert decoder.worker_pids != before
    assert not (tmp_path / "once").exists()


async def test_a_worker_killed_while_idle_is_replaced_unnoticed() -> None:
    """An idle worker that someone killed is started anew for the next image."""
    async with Decoder(shapes=SHAPES, worker_limits=WorkerLimits(workers=1)) as decoder:
        [before] = decoder.worker_pids
        os.kill(before, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(before)], timeout=5)
        assert (await decoder.decode(JPEG)).width_px == 640
        [after] = decoder.worker_pids
    assert before != after


async def test_signals_of_a_terminal_do_not_end_workers(poisoned: Callable[..., Decoder]) -> None:
    """Ctrl-C and SIGTERM, which reach the whole process group, leave the workers to the decoder."""
    async with poisoned() as decoder:
        [pid] = decoder.worker_pids
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert (await decoder.decode(JPEG)).width_px == 640
        assert decoder.worker_pids == [pid]


async def test_a_cancelled_image_does_not_leave_its_answer_behind(
    poisoned: Callable[..., Decoder],
) -> None:
    """After a cancellation the next image gets its own answer, from a fresh worker."""
    async with poisoned() as decoder:
        hanging = asyncio.create_task(decoder.decode(b"hang"))
        await asyncio.sleep(0)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert (await asyncio.wait_for(decoder.decode(JPEG), 20)).width_px == 640


async def test_closing_ends_every_process_and_task(poisoned: Callable[..., Decoder]) -> None:
    """Closing fails what is under way and waiting as Unavailable, which is no verdict, and leaves no process."""
    async with poisoned() as decoder:
        tasks = [asyncio.create_task(decoder.decode(b"hang")) for _ in range(3)]
        await asyncio.sleep(0)
        pids = decoder.worker_pids
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, Unavailable)
    with pytest.raises(Unavailable):
        await decoder.decode(JPEG)
    assert len(pids) == 1
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_a_decoder_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that end at once are a clear error and leave no process; as they may start later, a crawl waits."""
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "this")
    children = len(psutil.Process().children())
    with pytest.raises(Unavailable, match="does not start"):
        async with Decoder(shapes=SHAPES):
            pass
    assert len(psutil.Process().children()) == children


def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    """After SIGKILL of the parent a busy, a sleeping and an idle worker all end."""
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crawler.decoding.decoding_parent"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    with parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        workers = [psutil.Process(pid) for pid in pids]
        parent.kill()
    assert len(workers) == 3, errors.read_text()
    _, alive = psutil.wait_procs(workers, timeout=10)
    for worker in alive:
        worker.kill()
    assert not alive
