"""Very many streams at once, each of which sends as much as it is allowed to: memory stays bounded, answers right."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import grpc
import numpy as np
import numpy.typing as npt

from benchmarks.embedding.connection import own_connection
from benchmarks.embedding.memory import MemoryWatch, memory_facts
from benchmarks.serving.service_process import ServiceProcess
from lodestone.embedder.v1.embedder_service_pb2 import (
    StreamEmbedImagesRequest,
    StreamEmbedImagesResponse,
)
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from lodestone.image.v1.image_pb2 import Image

STREAMS: Final = 256

# The server allows so many on one connection.
_PER_CONNECTION: Final = 64
_LEAST_COSINE: Final = 0.999
_LOOK_S: Final = 0.25

Stream = grpc.aio.StreamStreamCall[StreamEmbedImagesRequest, StreamEmbedImagesResponse]


@dataclass(slots=True)
class _Answers:
    right: int = 0
    wrong: int = 0
    broken_streams: int = 0


async def measure_streams(
    process: ServiceProcess,
    images: Sequence[Image],
    expected: npt.NDArray[np.float32],
    seconds: float,
) -> dict[str, Any]:
    """Opens the streams for so long. Every answer is compared with the raw network's embedding of its image.

    Args:
        process: The embedder.
        images: Messages; the place of one is the id of its requests.
        expected: (n, dimension) their embeddings.
        seconds: How long; what is unanswered then is cancelled.
    """
    answers = _Answers()
    before = process.rss_bytes()
    with MemoryWatch(process.rss_bytes, _LOOK_S) as memory:
        async with AsyncExitStack() as stack:
            opened = []
            for _ in range(STREAMS // _PER_CONNECTION):
                channel = await stack.enter_async_context(own_connection(process.address))
                stub = EmbedderServiceStub(channel)
                opened += [stub.StreamEmbedImages(None) for _ in range(_PER_CONNECTION)]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                    for stream in opened:
                        group.create_task(_write(stream, images))
                        group.create_task(_read(stream, expected, answers))
            for stream in opened:
                stream.cancel()
    facts = memory_facts(memory.samples)
    return {
        "streams": STREAMS,
        "seconds": seconds,
        "right_answers": answers.right,
        "wrong_answers": answers.wrong,
        "broken_streams": answers.broken_streams,
        "before_mb": round(before / 1e6, 1),
        "most_mb": facts["most_mb"],
        "grown_mb": round(facts["most_mb"] - before / 1e6, 1),
    }


async def _write(stream: Stream, images: Sequence[Image]) -> None:
    # The reader learns why a stream is over.
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for number in itertools.cycle(range(len(images))):
            await stream.write(StreamEmbedImagesRequest(id=str(number), image=images[number]))


async def _read(stream: Stream, expected: npt.NDArray[np.float32], answers: _Answers) -> None:
    try:
        await _compare(stream, expected, answers)
    except grpc.aio.AioRpcError:
        answers.broken_streams += 1


async def _compare(stream: Stream, expected: npt.NDArray[np.float32], answers: _Answers) -> None:
    async for answer in stream:
        values = np.asarray(answer.result.value.values, dtype=np.float32)
        row = expected[int(answer.id)]
        if values.shape == row.shape and float(values @ row) >= _LEAST_COSINE:
            answers.right += 1
        else:
            answers.wrong += 1
