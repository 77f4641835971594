"""Health and reflection: what others have written is limited and drained as our own methods are."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from typing import Any

import grpc

from services.servicekit.drain import Drain
from services.servicekit.errors import DeadlinePassed, InvalidInput, Unavailable
from services.servicekit.requests import Parse, each_parsed, only_request_within, parsed
from services.servicekit.unread_limit import UnreadLimit

Handler = Callable[..., Any]

# Health's messages have two bytes: who does not take one reads nothing at all.
_UNREAD_S = 1.0


class ForeignCalls:
    """Wraps the methods of health and reflection.

    Bytes that are no request, and requests that do not come, have the same answers as those of our own methods.
    Streams end with the drain.

    Args:
        drain: Of the server.
        request_s: How long the one request of a call may take to come, seconds.
    """

    def __init__(self, drain: Drain, *, request_s: float) -> None:
        self._drain = drain
        self._request_s = request_s

    def wrapped(self, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """A handler in the place of this one."""
        parse = handler.request_deserializer
        respond = {"response_serializer": handler.response_serializer}
        # Served as streams of requests for the same reason as ours, see CallInterceptor.
        if handler.unary_unary:
            check = self._check(handler.unary_unary, parse)
            return grpc.stream_unary_rpc_method_handler(check, **respond)
        if handler.unary_stream:
            watch = self._watch(handler.unary_stream, parse)
            return grpc.stream_stream_rpc_method_handler(watch, **respond)
        reflect = self._reflect(handler.stream_stream, parse)
        return grpc.stream_stream_rpc_method_handler(reflect, **respond)

    def _check(self, inner: Handler, parse: Parse | None) -> Handler:
        async def call(
            raws: AsyncIterable[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> Any:
            return await inner(await self._request(parse, raws, context), context)

        return call

    def _watch(self, inner: Handler, parse: Parse | None) -> Handler:
        """Health's is a coroutine that writes."""

        async def call(
            raws: AsyncIterable[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> None:
            request = await self._request(parse, raws, context)
            with suppress(Unavailable):
                await self._drain.run(inner(request, _LimitedWrites(context)))

        return call

    def _reflect(self, inner: Handler | None, parse: Parse | None) -> Handler:
        assert inner is not None

        async def call(
            raws: AsyncIterable[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> Any:
            try:
                async for answer in inner(self._drain.until(each_parsed(parse, raws)), context):
                    yield answer
            except InvalidInput as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

        return call

    async def _request(
        self,
        parse: Parse | None,
        raws: AsyncIterable[bytes],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> Any:
        try:
            return parsed(parse, await only_request_within(self._request_s, raws))
        except InvalidInput as error:
            code, message = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except DeadlinePassed as error:
            code, message = grpc.StatusCode.DEADLINE_EXCEEDED, str(error)
        return await context.abort(code, message)


class _LimitedWrites:
    """The context of a watch, which ends when its client does not read.

    Health holds a lock while it writes, which whoever changes a status waits for: readiness, and the drain.
    """

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context
        self._unread = UnreadLimit(context, _UNREAD_S)

    async def write(self, message: Any) -> None:
        """Sends a message."""
        with self._unread.yielding():
            await self._context.write(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
