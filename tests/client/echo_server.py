"""A server process to kill: `python echo_server.py PORT LOG [--hold]` echoes image heights, or only reads."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import embedder_service_pb2_grpc as grpc_stubs


class Echo(grpc_stubs.EmbedderServiceServicer):
    """Answers with the height of the pixels; `hold` makes it read and never answer."""

    def __init__(self, log, *, hold):
        self._log = log
        self._hold = hold

    async def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        async for request in requests:
            self._log.write(f"got {request.id}\n")
            if not self._hold:
                yield answer_to(request)


def answer_to(request):
    """The height of the request's pixels as a one-dimensional embedding."""
    value = {"values": [float(request.image.pixels.height_px)]}
    return pb.StreamEmbedImagesResponse(id=request.id, result=pb.EmbedResult(value=value))


async def main(port, log, *, hold):
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    grpc_stubs.add_EmbedderServiceServicer_to_server(Echo(log, hold=hold), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    log.write(f"port {bound}\n")
    await server.wait_for_termination()


if __name__ == "__main__":
    with Path(sys.argv[2]).open("w", buffering=1) as log_file:
        asyncio.run(main(int(sys.argv[1]), log_file, hold="--hold" in sys.argv))
