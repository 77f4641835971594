"""Scores through one stream: a server process, and a client in this one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.scoring.embeddings import MadeUpEmbeddings
from benchmarks.serving.service_process import ServiceProcess, service_process
from lodestone.client import NoveltyClient
from lodestone.image.v1.embedding_pb2 import Embedding as EmbeddingMessage
from lodestone.novelty.v1.novelty_service_pb2 import FitOptions, ScoreResult
from lodestone.novelty.v1.profile_pb2 import COVARIANCE_DIAG
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.messages import embedding_to_message

DIMENSION: Final = 1280

_PROFILE: Final = "landscapes"
_ENCODER_ID: Final = "a" * 64
_LIKED: Final = 300
_COMPONENTS: Final = 4
# Distinct embeddings; more are these again.
_DRAWN: Final = 4096
# One embedding a message takes so much longer.
_ALONE_SHARE: Final = 10
_READY_S: Final = 60.0

Send = Callable[[NoveltyClient, Iterator[EmbeddingMessage]], Awaitable[list[ScoreResult]]]


async def measure(count: int, repeats: int) -> dict[str, Any]:
    """Sends `count` embeddings, many a message, and a tenth of them one a message, in turns.

    A client makes its messages from arrays as it goes, so that its cost is counted, too.
    """
    made_up = MadeUpEmbeddings(DIMENSION, _COMPONENTS, seed=1)
    rows = made_up.draw(_DRAWN, seed=2)
    many: list[dict[str, float]] = []
    alone: list[dict[str, float]] = []
    async with service_process("novelty") as server, NoveltyClient(server.address) as novelty:
        async with asyncio.timeout(_READY_S):
            await novelty.channel.channel_ready()
        options = FitOptions(
            request_id="1",
            name=_PROFILE,
            component_count=_COMPONENTS,
            covariance=COVARIANCE_DIAG,
        )
        await novelty.fit_profile(options, list(_messages(made_up.draw(_LIKED, seed=3), _LIKED)))
        for repeat in range(-1, repeats):
            for send, some, into in (
                (_send_many, count, many),
                (_send_alone, count // _ALONE_SHARE, alone),
            ):
                took = await _timed(server, send(novelty, _messages(rows, some)), some)
                if repeat >= 0:
                    into.append(took)
    return {
        "many_a_message": _middle(many),
        "one_a_message": _middle(alone),
        "embeddings": count,
        "repeats": repeats,
    }


async def _timed(
    server: ServiceProcess, sending: Awaitable[list[ScoreResult]], count: int
) -> dict[str, float]:
    wall_s, client_s, server_s = time.monotonic(), time.process_time(), server.cpu_s()
    results = await sending
    wall_s, client_s = time.monotonic() - wall_s, time.process_time() - client_s
    server_s = server.cpu_s_since(server_s)
    scored = sum(result.HasField("value") for result in results)
    if scored != count:
        raise RuntimeError(f"{scored} of {count} embeddings were scored")
    return {
        "per_cpu_s": count / (client_s + server_s),
        "per_cpu_s_of_the_server": count / server_s,
        "per_wall_s": count / wall_s,
    }


async def _send_many(
    novelty: NoveltyClient, messages: Iterator[EmbeddingMessage]
) -> list[ScoreResult]:
    return [result async for result in novelty.score_many(_PROFILE, messages)]


async def _send_alone(
    novelty: NoveltyClient, messages: Iterator[EmbeddingMessage]
) -> list[ScoreResult]:
    return await asyncio.gather(*(novelty.score(_PROFILE, message) for message in messages))


def _messages(rows: npt.NDArray[np.float32], count: int) -> Iterator[EmbeddingMessage]:
    for number in range(count):
        values = rows[number % len(rows)]
        yield embedding_to_message(Embedding(values, _ENCODER_ID, Precision.FP32))


def _middle(runs: list[dict[str, float]]) -> dict[str, Any]:
    """The median of each, and the least and the most."""
    columns = {name: sorted(run[name] for run in runs) for name in runs[0]}
    middle = {name: round(some[len(some) // 2]) for name, some in columns.items()}
    reach = {name: [round(some[0]), round(some[-1])] for name, some in columns.items()}
    return {**middle, "least_to_most": reach}
