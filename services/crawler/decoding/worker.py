"""The worker process: decodes one image at a time for the decoder that started it.

`python -m services.crawler.decoding.worker SOCKET PARENT`: the socket's file descriptor and the parent's process id.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import AvifImagePlugin
from PIL import Image as PillowImage

from services.crawler.candidate import DecodedCandidate
from services.crawler.decoding.detail import detail_ratio
from services.crawler.decoding.wire import (
    PREFIX,
    candidate_to_json,
    pack_header,
    rejection_to_json,
    shapes_from_json,
)
from services.crawler.seen.perceptual_hash import SOURCE_PX, fingerprint
from services.servicekit.errors import ItemRejected
from services.servicekit.image import (
    DecodeLimits,
    OpenImage,
    Rgb,
    open_image,
    open_pixels,
    pixels_to_rgb,
)
from services.servicekit.rejection import RejectionCode
from services.servicekit.resize import InputShape, inputs_of

_PR_SET_PDEATHSIG = 1
_REASON_CHARACTERS = 200


class Workbench:
    """What one task takes: decode, hash, resize. Gets its settings from the decoder's first frame."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._limits = DecodeLimits(**settings["limits"])
        self._shapes = shapes_from_json(settings["shapes"])

    def detail_ratio(self, payload: bytes, beyond_px: int) -> float:
        """How an encoded image's detail compares with that of a copy of so many pixels, as `detail.py` says.

        Raises:
            ItemRejected: It does not decode within the limits.
        """
        image = open_image(payload, self._limits)
        # All of its pixels: of fewer the finest detail is gone.
        return detail_ratio(image.grey(max(image.width_px, image.height_px)).pixels, beyond_px)

    def work(self, task: Mapping[str, Any], payload: bytes) -> DecodedCandidate:
        """Makes a candidate of an encoded image, or of pixels if the task states their size.

        Raises:
            ItemRejected: It does not decode within the limits.
        """
        if "width_px" in task:
            rgb = pixels_to_rgb(payload, height_px=task["height_px"], width_px=task["width_px"])
            return candidate_of(open_pixels(rgb), self._shapes)
        return candidate_of(open_image(payload, self._limits), self._shapes)


def candidate_of(image: OpenImage, shapes: Mapping[str, InputShape]) -> DecodedCandidate:
    """What the gates need of an image, each from as few of its pixels as will do.

    The hashes are made from their own decoding, so that they do not depend on which inputs are asked for.
    """
    upright, mirrored = fingerprint(image.grey(SOURCE_PX))
    return DecodedCandidate(
        width_px=image.width_px,
        height_px=image.height_px,
        format=image.format,
        animated=image.animated,
        fingerprint=upright,
        mirrored=mirrored,
        inputs=inputs_of(image, shapes),
    )


def answer(
    bench: Workbench, task: Mapping[str, Any], payload: bytes
) -> tuple[dict[str, Any], list[Rgb]]:
    """The answer to a task and the pixels that follow it; whatever goes wrong with an image is a rejection."""
    try:
        if "beyond_px" in task:
            return {"detail_ratio": bench.detail_ratio(payload, task["beyond_px"])}, []
        candidate = bench.work(task, payload)
    except ItemRejected as rejected:
        # Pillow's own MemoryError is sorted among what does not decode.
        return {"rejection": rejection_to_json(_crash_if_memory(rejected))}, []
    except Exception as error:  # noqa: BLE001 - a fault in one image must not end the worker
        return {"rejection": rejection_to_json(_crash(error))}, []
    return {"candidate": candidate_to_json(candidate)}, list(candidate.inputs.values())


def main(make_bench: type[Workbench] = Workbench) -> None:
    """Serves until the decoder closes the socket or ends."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _end_with(int(sys.argv[2]))
    with contextlib.suppress(ConnectionError):
        settings, _ = _receive(channel)
        _warm_up()
        _limit_memory(settings["memory_bytes"])
        _serve(channel, make_bench(settings))


def _serve(channel: socket.socket, bench: Workbench) -> None:
    channel.sendall(pack_header({"ready": True}, 0))
    while True:
        task, payload = _receive(channel)
        reply, pixels = answer(bench, task, payload)
        channel.sendall(pack_header(reply, sum(array.nbytes for array in pixels)))
        for array in pixels:
            channel.sendall(np.ascontiguousarray(array).data)


def _receive(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    header_bytes, payload_bytes = PREFIX.unpack(_read(channel, PREFIX.size))
    header: dict[str, Any] = json.loads(_read(channel, header_bytes))
    return header, _read(channel, payload_bytes)


def _read(channel: socket.socket, count: int) -> bytes:
    buffer = bytearray(count)
    view = memoryview(buffer)
    while view:
        received = channel.recv_into(view)
        if not received:
            sys.exit(0)
        view = view[received:]
    return bytes(buffer)


def _end_with(parent: int) -> None:
    """Leaves ending to the decoder: no signal of a terminal or supervisor ends a worker, its parent's death does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before that took hold. Elsewhere than on Linux the closed socket ends the worker.
    if os.getppid() != parent:
        sys.exit(0)


def _warm_up() -> None:
    """Loads what the first image would load, so that the memory limit counts images only."""
    PillowImage.init()
    # The processes are the parallelism; threads of a many-core machine would use the memory up.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    fingerprint(np.zeros((64, 64, 3), dtype=np.uint8))


def _limit_memory(allowance_bytes: int) -> None:
    """Limits the address space to what is in use now and the allowance; no core file holds a stranger's image."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        in_use = int(statm.read_text().split()[0]) * resource.getpagesize()
        limit = in_use + allowance_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _crash_if_memory(rejected: ItemRejected) -> ItemRejected:
    return _crash(rejected.__cause__) if isinstance(rejected.__cause__, MemoryError) else rejected


def _crash(error: BaseException) -> ItemRejected:
    if isinstance(error, MemoryError):
        reason = "the decoder ran out of its memory on it"
    else:
        reason = f"the decoder failed on it: {type(error).__name__}: {error}"
    return ItemRejected(RejectionCode.DECODER_CRASHED, reason[:_REASON_CHARACTERS])


if __name__ == "__main__":
    main()
