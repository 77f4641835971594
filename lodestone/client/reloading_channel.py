"""A channel that shows new certificates: gRPC's own keeps those that it was made with (grpc/grpc issue 15735)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Self

import grpc

from lodestone.client.tls_files import BadTlsFiles, TlsFiles, TlsFolder

_LOOK_EVERY_S: Final = 1.0

Make = Callable[[TlsFiles], grpc.aio.Channel]


class ReloadingChannel(grpc.aio.Channel):
    """Makes its channel anew when the files of a folder have changed; calls that have begun end on the old one.

    Files that are no good change nothing: the servers say what they think of the ones before. Belongs to one event
    loop.

    Args:
        folder: Whose files are shown.
        make: Makes a channel of them.
    """

    def __init__(self, folder: TlsFolder, make: Make) -> None:
        self._folder = folder
        self._make = make
        self._current = _Generation(make(folder.files))
        self._looked_s = time.monotonic()
        # The channels of earlier files, until their calls have ended.
        self._retired: dict[_Generation, asyncio.Task[None]] = {}
        self._is_closed = False

    def generation(self) -> _Generation:
        """The channel of today's files, for a call that begins."""
        now_s = time.monotonic()
        if not self._is_closed and now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            with suppress(BadTlsFiles):
                if self._folder.refresh():
                    self._replace()
        return self._current

    def _replace(self) -> None:
        old, self._current = self._current, _Generation(self._make(self._folder.files))
        self._retired[old] = asyncio.ensure_future(old.retire())
        self._retired[old].add_done_callback(lambda _: self._retired.pop(old, None))

    def unary_unary(self, *given: Any, **named: Any) -> Any:
        """As `grpc.aio.Channel` has it."""
        return _Method(self, "unary_unary", given, named)

    def unary_stream(self, *given: Any, **named: Any) -> Any:
        """As `grpc.aio.Channel` has it."""
        return _Method(self, "unary_stream", given, named)

    def stream_unary(self, *given: Any, **named: Any) -> Any:
        """As `grpc.aio.Channel` has it."""
        return _Method(self, "stream_unary", given, named)

    def stream_stream(self, *given: Any, **named: Any) -> Any:
        """As `grpc.aio.Channel` has it."""
        return _Method(self, "stream_stream", given, named)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's signature
        """Of the channel that the next call would use."""
        return self.generation().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Of the channel that the next call would use."""
        await self.generation().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Of the channel that the next call would use."""
        await self.generation().channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Closes the channels of all files; their calls have `grace` seconds to end, without it none."""
        self._is_closed = True
        retired, self._retired = self._retired, {}
        # A task that has not begun yet would close nothing, and one that closes just now would give no grace.
        for task in retired.values():
            task.cancel()
        await asyncio.gather(*retired.values(), return_exceptions=True)
        generations = (*retired, self._current)
        await asyncio.gather(*(generation.channel.close(grace) for generation in generations))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(None)


class _Generation:
    """The channel of one set of files.

    Attributes:
        channel: The channel.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._calls: set[grpc.aio.Call] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def began(self, call: grpc.aio.Call) -> None:
        """Notes a call until it ends."""
        self._calls.add(call)
        self._idle.clear()
        call.add_done_callback(self._ended)

    def _ended(self, call: grpc.aio.Call) -> None:
        self._calls.discard(call)
        if not self._calls:
            self._idle.set()

    async def retire(self) -> None:
        """Closes the channel once its calls have ended, however long the longest goes on."""
        await self._idle.wait()
        await self.channel.close(None)


class _Method:
    """A method of a stub, on whichever channel is there when it is called."""

    def __init__(
        self, channel: ReloadingChannel, kind: str, given: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._kind = kind
        self._given = given
        self._named = named
        self._made: tuple[_Generation, Callable[..., Any]] | None = None

    def __call__(self, *given: Any, **named: Any) -> Any:
        generation = self._channel.generation()
        if self._made is None or self._made[0] is not generation:
            make = getattr(generation.channel, self._kind)
            self._made = (generation, make(*self._given, **self._named))
        call = self._made[1](*given, **named)
        generation.began(call)
        return call
