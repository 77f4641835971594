"""Triton beside the embedder: installed in a virtual environment of its own, started and asked.

Of the two peers that were looked at this is the one that takes the same ONNX file and the same uint8 pixels: a Python
function that calls ONNX Runtime stands behind Triton's dynamic batcher, as PyTriton is meant to be used (Triton's own
ONNX Runtime backend is not in the wheel). infinity-emb 0.0.78 computes images with torch and transformers alone, from a
folder of theirs (`infinity_emb/transformer/vision/torch_vision.py`); its ONNX engine is for texts, so it cannot serve
this file.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.embedding.latency import LATENCY_SEED, latency_facts
from benchmarks.embedding.rates import Rates
from benchmarks.serving.machine import installed_version
from benchmarks.serving.own_venv import make_venv
from benchmarks.serving.process_tree import tree_cpu_s
from benchmarks.serving.service_process import free_ports
from services.servicekit.encoder_folder import EncoderFolder

VERSION: Final = "0.7.0"

_ROOT = Path(__file__).resolve().parents[2]
_VENV = _ROOT / "benchmarks" / ".venv-pytriton"
_ANSWER_MAX_BYTES: Final = 16_000_000
_END_S: Final = 60.0


class PeerAbsent(Exception):
    """The peer cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class TritonPeer:
    """A running Triton and the process that asks it."""

    server: asyncio.subprocess.Process
    client: asyncio.subprocess.Process

    async def closed_loop(self, count: int, callers: int) -> Rates:
        """So many callers who ask for one image each, again and again."""
        server_s = tree_cpu_s(self.server.pid)
        answer = await self._ask({"count": count, "callers": callers})
        server_s = tree_cpu_s(self.server.pid) - server_s
        return Rates.of(count, answer["wall_s"], answer["cpu_s"] + server_s)

    async def open_loop(self, rate_per_s: float, seconds: float) -> dict[str, float]:
        """The same arrivals as the embedder's."""
        asked = {"rate_per_s": rate_per_s, "seconds": seconds, "seed": LATENCY_SEED}
        return latency_facts((await self._ask(asked))["latencies_s"], rate_per_s)

    async def ready(self) -> None:
        """Returns when it serves."""
        await self._answer()

    async def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self.client.stdin is not None
        self.client.stdin.write(json.dumps(asked).encode() + b"\n")
        await self.client.stdin.drain()
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self.client.stdout is not None
        line = await self.client.stdout.readline()
        if not line:
            message = "its client has ended"
            raise PeerAbsent(message)
        answer: dict[str, Any] = json.loads(line)
        return answer


def install_triton() -> Path:
    """Installs the peer, with the same ONNX Runtime as ours. Returns its Python.

    Raises:
        PeerAbsent: pip cannot install it.
    """
    ours = installed_version("onnxruntime") or installed_version("onnxruntime-gpu")
    requirements = [f"nvidia-pytriton=={VERSION}", f"onnxruntime=={ours}"]
    try:
        return make_venv(_VENV, requirements, made="bin/pytriton") / "python"
    except subprocess.CalledProcessError as error:
        message = f"nvidia-pytriton {VERSION} cannot be installed: {error}"
        raise PeerAbsent(message) from error


@asynccontextmanager
async def served_triton(
    python: Path,
    folder: EncoderFolder,
    inputs: np.ndarray[Any, np.dtype[np.uint8]],
    instances: int,
) -> AsyncIterator[TritonPeer]:
    """Starts Triton with the encoder's network, so many instances of it, and waits until it serves.

    Raises:
        PeerAbsent: It does not start.
    """
    ports = [str(port) for port in free_ports(2)]
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as scratch:
        pixels, log = Path(scratch) / "pixels.npy", Path(scratch) / "log.txt"
        np.save(pixels, inputs)
        numbers = map(str, (folder.input_height_px, folder.input_width_px, instances))
        server = await _start(
            python, "server", (str(folder.path / "model.onnx"), *numbers, *ports), log
        )
        client = await _start(python, "client", (str(pixels), ports[0]), log)
        peer = TritonPeer(server, client)
        try:
            await _wait_ready(peer, log)
            yield peer
        finally:
            for process in (client, server):
                await _end(process)


async def _wait_ready(peer: TritonPeer, log: Path) -> None:
    ready = asyncio.ensure_future(peer.ready())
    ended = asyncio.ensure_future(peer.server.wait())
    await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if ready.done() and ready.exception() is None:
        return
    ready.cancel()
    raise PeerAbsent(_last_words(log))


def _last_words(log: Path) -> str:
    return f"nvidia-pytriton {VERSION} does not start: {log.read_text(errors='replace')[-1_000:]}"


async def _start(
    python: Path, part: str, arguments: Sequence[str], log: Path
) -> asyncio.subprocess.Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(str(python), "-m", f"benchmarks.embedding.triton_{part}", *arguments),
            cwd=_ROOT,
            # Triton's helper is linked to libpython, and must find the one whose library it reads.
            env={**os.environ, "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if part == "client" else output,
            stderr=output,
            limit=_ANSWER_MAX_BYTES,
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        print("Triton does not end by itself and is killed", file=sys.stderr)
        process.kill()
        await process.wait()
