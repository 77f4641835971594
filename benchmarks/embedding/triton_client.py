"""The peer's client: Triton's own, in a process of its own, told what to ask by lines of JSON.

`python -m benchmarks.embedding.triton_client PIXELS.npy GRPC_PORT`, in the virtual environment that has
nvidia-pytriton. Says `{}` when the server serves; answers each line of standard input with one on standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Final

import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from benchmarks.embedding.load import Call, closed_loop, open_loop, poisson_arrivals
from benchmarks.embedding.triton_names import INPUT, MODEL, OUTPUT

_READY_S: Final = 300.0
_RETRY_S: Final = 0.5


async def main(pixels: str, port: str) -> None:
    """Answers until standard input ends."""
    images = np.load(pixels)
    async with InferenceServerClient(f"127.0.0.1:{port}") as client:
        async with asyncio.timeout(_READY_S):
            # Nothing tells: it has to be asked again and again.
            while not await _is_ready(client):  # noqa: ASYNC110
                await asyncio.sleep(_RETRY_S)
        call = _caller(client, images)
        await call(0)
        print("{}", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await _answer(call, json.loads(line))), flush=True)


async def _answer(call: Call, asked: dict[str, Any]) -> dict[str, Any]:
    cpu_s = time.process_time()
    if "count" in asked:
        wall_s = await closed_loop(call, asked["count"], asked["callers"])
        return {"wall_s": wall_s, "cpu_s": time.process_time() - cpu_s}
    arrivals_s = poisson_arrivals(asked["rate_per_s"], asked["seconds"], asked["seed"])
    return {"latencies_s": await open_loop(call, arrivals_s)}


def _caller(client: Any, images: np.ndarray[Any, np.dtype[np.uint8]]) -> Call:
    requested = [InferRequestedOutput(OUTPUT)]
    given = []
    for image in images:
        one = InferInput(INPUT, [1, *image.shape], "UINT8")
        one.set_data_from_numpy(image[None])
        given.append(one)

    async def call(number: int) -> None:
        answer = await client.infer(MODEL, [given[number % len(given)]], outputs=requested)
        embedding = answer.as_numpy(OUTPUT)
        if abs(float(np.linalg.norm(embedding)) - 1) > 1e-3:
            message = f"the peer gives {embedding.shape} of another norm than 1"
            raise RuntimeError(message)

    return call


async def _is_ready(client: Any) -> bool:
    try:
        return bool(await client.is_server_ready() and await client.is_model_ready(MODEL))
    except InferenceServerException:
        return False


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
