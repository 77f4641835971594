"""Health and reflection: what others have written is limited and drained as our own methods are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

import grpc

from services.servicekit.drain import Drain
from services.servicekit.ending import Ending
from services.servicekit.errors import LodestoneError, StreamAged, Unavailable
from services.servicekit.requests import Parse, each_parsed, only_request_within, parsed
from services.servicekit.stream_limits import StreamLimits
from services.servicekit.term import Term
from services.servicekit.unread_limit import UnreadLimit

Handler = Callable[..., Any]
Context = grpc.aio.ServicerContext[Any, Any]

# Health's messages have two bytes: who does not take one reads nothing at all.
_UNREAD_S = 1.0


class ForeignCalls:
    """Wraps the methods of health and reflection.

    Bytes that are no request, and requests that do not come, have the same answers as those of our own methods.
    Streams end with the drain, and by age, as ours do; reflection's by the idle limit as well. A watch of health, which
    says nothing while nothing changes, has none.

    Args:
        drain: Of the server.
        request_s: How long the one request of a call may take to come, seconds.
        stream_limits: How long streams last.
    """

    def __init__(self, drain: Drain, *, request_s: float, stream_limits: StreamLimits) -> None:
        self._drain = drain
        self._request_s = request_s
        self._limits = stream_limits

    def wrapped(
        self, handler: grpc.RpcMethodHandler[Any, Any], method: str
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """A handler in the place of this one."""
        parse = handler.request_deserializer
        respond = {"response_serializer": handler.response_serializer}
        # Served as streams of requests for the same reason as ours, see CallInterceptor.
        if handler.unary_unary:
            check = self._check(handler.unary_unary, method, parse)
            return grpc.stream_unary_rpc_method_handler(check, **respond)
        if handler.unary_stream:
            watch = self._watch(handler.unary_stream, method, parse)
            return grpc.stream_stream_rpc_method_handler(watch, **respond)
        reflect = self._reflect(handler.stream_stream, method, parse)
        return grpc.stream_stream_rpc_method_handler(reflect, **respond)

    def _check(self, inner: Handler, method: str, parse: Parse | None) -> Handler:
        async def call(raws: AsyncIterable[bytes], context: Context) -> Any:
            with _noted(method) as ending:
                return await inner(await self._request(parse, raws), context)
            return await ending.abort(context)

        return call

    def _watch(self, inner: Handler, method: str, parse: Parse | None) -> Handler:
        """Health's is a coroutine that writes."""

        async def call(raws: AsyncIterable[bytes], context: Context) -> None:
            with _noted(method) as ending:
                request = await self._request(parse, raws)
                # The watcher has heard of the drain.
                with suppress(Unavailable):
                    await self._drain.run(self._for_a_term(inner, request, context))
            await ending.abort(context)

        return call

    def _reflect(self, inner: Handler | None, method: str, parse: Parse | None) -> Handler:
        assert inner is not None

        async def call(raws: AsyncIterable[bytes], context: Context) -> Any:
            unread = UnreadLimit(context, self._limits.idle_s)
            with _noted(method) as ending:
                with Term(self._limits.age_s) as term:
                    each = each_parsed(parse, raws, idle_s=self._limits.idle_s)
                    requests = self._drain.until(each, term)
                    async with aclosing(requests), aclosing(inner(requests, context)) as answers:
                        async for answer in answers:
                            with unread.yielding():
                                yield answer
                # All that was asked is answered.
                with suppress(Unavailable):
                    self._drain.require_whole(term)
            await ending.abort(context)

        return call

    async def _request(self, parse: Parse | None, raws: AsyncIterable[bytes]) -> Any:
        return parsed(parse, await only_request_within(self._request_s, raws))

    async def _for_a_term(self, inner: Handler, request: Any, context: Context) -> None:
        limit_s = self._limits.age_s
        try:
            async with asyncio.timeout(limit_s) as term:
                await inner(request, _LimitedWrites(context))
        except TimeoutError as error:
            if not term.expired():
                raise
            raise StreamAged(limit_s) from error


@contextmanager
def _noted(method: str) -> Iterator[Ending]:
    ending = Ending()
    try:
        yield ending
    except LodestoneError as error:
        ending.note(error, method)


class _LimitedWrites:
    """The context of a watch, which ends when its client does not read.

    Health holds a lock while it writes, which whoever changes a status waits for: readiness, and the drain.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._unread = UnreadLimit(context, _UNREAD_S)

    async def write(self, message: Any) -> None:
        """Sends a message."""
        with self._unread.yielding():
            await self._context.write(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
