"""The processes that draw the marks of the next batches while the network learns."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from services.servicekit.errors import LodestoneError
from services.watermark.train.batches import Batch, BatchSource
from services.watermark.train.losses import TensorBatch
from services.watermark.train.photos import PhotoLost

_WAITING_BATCHES = 6
_ENDING = (signal.SIGINT, signal.SIGTERM)
# What torch begins its errors with: it has no class of its own for them.
_LOST = ("DataLoader worker", "Pin memory thread")


class DrawerLost(LodestoneError):
    """A process that draws marks was ended by something else than its training.

    Attributes:
        reason: What was seen of it.
    """

    def __init__(self, reason: str) -> None:
        reason = " ".join(reason.split()).rstrip(".")
        super().__init__(
            f"a process that draws marks was lost ({reason}): if memory is short, fewer --workers need less; "
            "--resume goes on from the last checkpoint"
        )
        self.reason = reason


def drawn_batches(
    source: BatchSource, steps: Sequence[int], workers: int, *, pinned: bool
) -> Iterator[TensorBatch]:
    """The batches of these steps, in their order.

    Args:
        source: Draws them.
        steps: From 0.
        workers: Processes; 0 draws when a batch is asked for.
        pinned: Whether they are to lie where a GPU can fetch them.

    Raises:
        PhotoLost: A photo is not what it was when the training began.
        DrawerLost: A process is gone, and what it had drawn with it.
    """
    if not workers:
        return (_as_tensors(source[step]) for step in steps)
    loader: DataLoader[TensorBatch | PhotoLost] = DataLoader(
        _Sent(source),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=_WAITING_BATCHES,
        # A forked process would inherit torch's threads half.
        multiprocessing_context="spawn",
        collate_fn=_as_sent,
        worker_init_fn=_stay_deaf,
        pin_memory=pinned,
    )
    with _born_deaf():
        batches = iter(loader)
    return _received(batches)


@contextmanager
def drawers_watched() -> Iterator[None]:
    """A process that is gone, which torch tells at any point of what is inside, is an error of its own.

    Raises:
        DrawerLost: One is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith(_LOST):
            raise
        raise DrawerLost(str(error)) from error


def _as_tensors(batch: Batch) -> TensorBatch:
    arrays = (batch.pixels, batch.marked, batch.places, batch.images)
    return TensorBatch(*map(torch.from_numpy, arrays))


@dataclass(frozen=True, slots=True)
class _Sent:
    """Batches for another process. An error goes as a value: torch would make one long text of it."""

    source: BatchSource

    def __getitem__(self, step: int) -> Batch | PhotoLost:
        try:
            return self.source[step]
        except PhotoLost as error:
            return error


def _as_sent(batch: Batch | PhotoLost) -> TensorBatch | PhotoLost:
    return batch if isinstance(batch, PhotoLost) else _as_tensors(batch)


def _received(batches: Iterator[TensorBatch | PhotoLost]) -> Iterator[TensorBatch]:
    while True:
        try:
            batch = next(batches, None)
        except (OSError, EOFError) as error:
            # It went while a batch was fetched from it.
            raise DrawerLost(str(error) or type(error).__name__) from error
        if batch is None:
            return
        if isinstance(batch, PhotoLost):
            raise batch
        yield batch


@contextmanager
def _born_deaf() -> Iterator[None]:
    """Processes that are started meanwhile do not hear Ctrl-C, which reaches them too: this one ends them."""
    before = [signal.signal(number, signal.SIG_IGN) for number in _ENDING]
    try:
        yield
    finally:
        for number, handler in zip(_ENDING, before, strict=True):
            signal.signal(number, handler)


def _stay_deaf(_worker: int) -> None:
    # torch gives its processes a handler of SIGTERM that ends them, before it calls this.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    # Errors go to the training as values; what is left to print is that it ended before a batch was sent.
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
