"""Images on their way to one network: decoded beside the event loop, computed in batches, answered one by one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry

from lodestone.image.v1 import image_pb2
from services.servicekit.batcher import Batcher, BatchLimits
from services.servicekit.computed import Computed, ComputedCache
from services.servicekit.cores import usable_cores
from services.servicekit.errors import ComputationStuck, InvalidInput, ItemRejected, Overloaded
from services.servicekit.image import DecodeLimits, Rgb
from services.servicekit.image_metrics import ImageMetrics
from services.servicekit.image_settings import IMAGES_MAX, ImageSettings
from services.servicekit.items import answer_items
from services.servicekit.messages import digest_of, open_message, size_of
from services.servicekit.resize import InputShape, inputs_of
from services.servicekit.stream_room import StreamRoom

_ID_MAX_CHARS = 128
# Of each instance, images of all streams that are decoded, wait or are computed: enough that neither cores nor network
# ever wait, and no more memory for 256 streams than for four.
_STREAMED_BATCHES = 4
# The largest image that is decoded at all takes a few seconds.
_OPENING_STUCK_S = 60.0

Value = TypeVar("Value")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Opened:
    rgb: Rgb
    width_px: int
    height_px: int
    digest: bytes


class ImageQueue(Generic[Value]):
    """What all calls of one service share. Must be made inside a running event loop.

    `compute` gets (n, height_px, width_px, 3) uint8 RGB of `shape` and returns n values; it is called from as many
    threads at once as the settings have instances. The `write` of the methods turns the value of an image, or why it
    has none, into the answer.
    """

    def __init__(
        self,
        compute: Callable[[npt.NDArray[np.uint8]], Sequence[Value]],
        shape: InputShape,
        *,
        name: str,
        settings: ImageSettings,
        registry: CollectorRegistry,
    ) -> None:
        self._shape = shape
        self._cache: ComputedCache[Value] | None = None
        self._name = name
        self._limit = settings.queue_limit
        self._batcher: Batcher[Rgb, Value] = Batcher(
            lambda inputs: compute(np.stack(inputs)),
            name=name,
            limits=BatchLimits(
                max_batch=settings.max_batch,
                max_delay_s=settings.max_delay_s,
                queue_limit=settings.queue_limit,
                stuck_s=settings.stuck_s,
                fresh_s=settings.stuck_s,
                instances=settings.instances,
            ),
            registry=registry,
        )
        threads = settings.decode_threads or usable_cores()
        self._decoding = ThreadPoolExecutor(threads, thread_name_prefix=f"{name}-decode")
        # One more for each thread than it has at work: none waits for the event loop. The others wait here, since what
        # waits for a thread itself is held, with its bytes, until its turn comes, even if its caller has gone.
        self._openings = asyncio.Semaphore(2 * threads)
        self._decode_limits = DecodeLimits()
        self._threads = threads
        self._opening_since_s: dict[int, float] = {}
        batches = _STREAMED_BATCHES * settings.instances
        streamed = max(IMAGES_MAX, batches * settings.max_batch)
        # Half of the queue is left to unary calls, which are refused when it is full.
        places = min(streamed, settings.queue_limit // 2)
        self._stream_room = StreamRoom(places, settings.queue_bytes)
        self._metrics = ImageMetrics(name, registry)
        self._max_bytes = settings.queue_bytes
        self._unary_images = 0
        self._unary_bytes = 0

    def remember(self, cache: ComputedCache[Value]) -> None:
        """From now on, what the cache has of an image is neither decoded nor computed. It is the caller's to close."""
        self._cache = cache

    async def answer_all(
        self,
        images: Sequence[image_pb2.Image],
        write: Callable[[Computed[Value] | ItemRejected], Answer],
    ) -> list[Answer]:
        """Answers the images of a unary call, in their order.

        Raises:
            InvalidInput: There are none, or more than 64.
            Overloaded: Too many images of unary calls wait already, or too many bytes of them.
        """
        count = len(images)
        if not 1 <= count <= IMAGES_MAX:
            raise InvalidInput(f"{count} images; a request has 1 to {IMAGES_MAX}")
        size_bytes = sum(map(size_of, images))
        self._require_room(count, size_bytes)
        self._unary_images += count
        self._unary_bytes += size_bytes
        try:
            answer = partial(self._answer, write=write, compute=self._batcher.compute_now)
            return await answer_items(images, answer)
        finally:
            self._unary_images -= count
            self._unary_bytes -= size_bytes

    def _require_room(self, count: int, size_bytes: int) -> None:
        retry_after_s = self._batcher.retry_after_s(self._unary_images)
        full: Overloaded | None = None
        if self._unary_images + count > self._limit:
            full = Overloaded(self._name, self._limit, retry_after_s)
        elif self._unary_bytes and self._unary_bytes + size_bytes > self._max_bytes:
            full = Overloaded(self._name, self._max_bytes, retry_after_s, unit="bytes")
        if full is not None:
            self._metrics.refused(count)
            raise full

    @property
    def stream_room(self) -> StreamRoom:
        """Room for the images of all streams together."""
        return self._stream_room

    async def answer_one(
        self,
        request_id: str,
        image: image_pb2.Image,
        write: Callable[[Computed[Value] | ItemRejected], Answer],
    ) -> Answer:
        """Answers one image of a stream; a full queue slows the stream down.

        Raises:
            InvalidInput: The id has more than 128 characters.
        """
        if len(request_id) > _ID_MAX_CHARS:
            raise InvalidInput(
                f"an id of {len(request_id)} characters; it has at most {_ID_MAX_CHARS}"
            )
        return await self._answer(image, write=write, compute=self._batcher.compute_when_room)

    async def probe(self) -> None:
        """Computes a black image, unless something else has just been computed.

        Raises:
            ComputationStuck: A computation does not end, or no thread that decodes comes back.
        """
        now_s = time.monotonic()
        opening_s = [now_s - since_s for since_s in list(self._opening_since_s.values())]
        if sum(seconds > _OPENING_STUCK_S for seconds in opening_s) >= self._threads:
            raise ComputationStuck(f"{self._name}'s decoding", max(opening_s))
        shape = (self._shape.height_px, self._shape.width_px, 3)
        await self._batcher.check(np.zeros(shape, np.uint8))

    async def close(self) -> None:
        """Ends both kinds of threads; what still waits is Unavailable."""
        await self._batcher.close()
        await asyncio.to_thread(self._decoding.shutdown, cancel_futures=True)

    async def _answer(
        self,
        image: image_pb2.Image,
        *,
        write: Callable[[Computed[Value] | ItemRejected], Answer],
        compute: Callable[[Rgb], Awaitable[Value]],
    ) -> Answer:
        start_s = time.monotonic()
        try:
            opened = await self._opened(image, start_s)
            if isinstance(opened, Computed):
                self._metrics.cached()
                self._metrics.answered(time.monotonic() - start_s)
                return write(opened)
            computed = Computed(await compute(opened.rgb), opened.width_px, opened.height_px)
        except ItemRejected as error:
            self._metrics.rejected(error.code)
            return write(error)
        except Overloaded:
            self._metrics.refused()
            raise
        except BaseException:
            self._metrics.failed()
            raise
        self._metrics.computed()
        self._metrics.answered(time.monotonic() - start_s)
        if self._cache is not None:
            self._cache.keep(opened.digest, computed)
        return write(computed)

    async def _opened(self, image: image_pb2.Image, since_s: float) -> Computed[Value] | _Opened:
        if self._cache is None and self._is_input(image):
            # Nothing is decoded or scaled: going to a thread and back would take longer.
            return self._open(image, b"")
        await self._openings.acquire()
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(self._decoding, self._find_or_open, image, since_s)
        opening.add_done_callback(self._leave_opening)
        # Not cancelled with the caller: a thread would still hold the image until its turn.
        await asyncio.wait((opening,))
        return opening.result()

    def _is_input(self, image: image_pb2.Image) -> bool:
        size = (image.pixels.height_px, image.pixels.width_px)
        return size == (self._shape.height_px, self._shape.width_px)

    def _leave_opening(self, opening: asyncio.Future[Computed[Value] | _Opened]) -> None:
        self._openings.release()
        if not opening.cancelled():
            opening.exception()  # looked at, so that nothing is logged when the caller has gone

    def _find_or_open(self, image: image_pb2.Image, since_s: float) -> Computed[Value] | _Opened:
        self._metrics.waited(time.monotonic() - since_s)
        if self._cache is None:
            return self._open(image, b"")
        digest = digest_of(image)
        return self._cache.find(digest) or self._open(image, digest)

    def _open(self, image: image_pb2.Image, digest: bytes) -> _Opened:
        start_s = self._opening_since_s[threading.get_ident()] = time.monotonic()
        try:
            opened = open_message(image, self._decode_limits)
            rgb = inputs_of(opened, {self._name: self._shape})[self._name]
        finally:
            del self._opening_since_s[threading.get_ident()]
        self._metrics.decoded(time.monotonic() - start_s)
        return _Opened(rgb, opened.width_px, opened.height_px, digest)
