"""The peer: NVIDIA's Triton Inference Server with ONNX Runtime behind it, as PyTriton runs it.

`python -m benchmarks.embedding.triton_server MODEL HEIGHT WIDTH INSTANCES GRPC_PORT HTTP_PORT`, in the virtual
environment that has nvidia-pytriton. Triton takes one image a request and puts the batches together itself: of 32
images at most, after 2 milliseconds. Its instances share a session, and its threads, as the embedder's do.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.embedding.triton_names import INPUT, MODEL, OUTPUT

_HOST = "127.0.0.1"
_LARGEST_BATCH = 32
_DELAY_US = 2000


def main(arguments: list[str]) -> None:
    """Serves until it is told to end."""
    model, numbers = arguments[0], map(int, arguments[1:])
    height_px, width_px, instances, grpc_port, http_port = numbers
    options = onnxruntime.SessionOptions()
    if instances > 1:
        # Each brings the thread that calls.
        options.intra_op_num_threads = len(os.sched_getaffinity(0)) - instances + 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @batch  # type: ignore[untyped-decorator]
    def embed(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> list[Any]:
        return [session.run([OUTPUT], {INPUT: pixels})[0]]

    config = TritonConfig(
        http_address=_HOST,
        http_port=http_port,
        grpc_address=_HOST,
        grpc_port=grpc_port,
        allow_metrics=False,
    )
    batcher = DynamicBatcher(max_queue_delay_microseconds=_DELAY_US)
    with Triton(config=config) as triton:
        triton.bind(
            model_name=MODEL,
            infer_func=[embed] * instances,
            inputs=[Tensor(name=INPUT, dtype=np.uint8, shape=(height_px, width_px, 3))],
            outputs=[Tensor(name=OUTPUT, dtype=np.float32, shape=(-1,))],
            config=ModelConfig(max_batch_size=_LARGEST_BATCH, batcher=batcher),
            strict=False,
        )
        triton.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
