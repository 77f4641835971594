"""Server interceptors: errors become status codes in one place, deadlines are capped, calls are counted."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from services.servicekit import errors
from services.servicekit.admission import Admission
from services.servicekit.drain import Drain
from services.servicekit.ending import Ending
from services.servicekit.foreign_calls import ForeignCalls
from services.servicekit.metrics import RpcMetrics
from services.servicekit.requests import (
    Parse,
    each_parsed,
    only_request,
    only_request_within,
    parsed,
)
from services.servicekit.stream_limits import StreamLimits
from services.servicekit.term import Term
from services.servicekit.unread_limit import UnreadLimit

# Twice of what gRPC rounds by.
_ROUNDED_S = 0.002
_ROUNDED_RATIO = 0.02

Handler = Callable[..., Any]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every call of our own services: error mapping, admission, deadline cap, metrics.

    Who may not call is told so before a request is parsed; without an `admission` everybody may.
    Unary calls end `unary_deadline_s` after their headers at the latest, and so does every call whose one request has
    not come by then: every method is served as one with a stream of requests, which grpc.aio calls when the headers
    have come. On the wire it is the same. Streams end when their client has not read an answer for
    the idle limit, and their servicers have limits for requests that do not come. An unexpected exception is logged
    and answered with INTERNAL and an error id only: grpc.aio would send its text to the caller as UNKNOWN. For the
    same reason requests are parsed here. When the server drains, a stream's requests end (what is in flight is
    still answered), a watch ends, a call with a stream of requests is cancelled, and all three answer UNAVAILABLE; a
    listing (`List…`) goes on to its end.
    At its age limit a stream's requests end as they do then, so that its client opens another elsewhere; so does
    a watch that can be resumed.
    Health and reflection have the same limits.
    """

    def __init__(
        self,
        metrics: RpcMetrics,
        drain: Drain,
        *,
        unary_deadline_s: float,
        stream_limits: StreamLimits,
        admission: Admission | None = None,
    ) -> None:
        self._metrics = metrics
        self._drain = drain
        self._admission = admission
        self._unary_deadline_s = unary_deadline_s
        self._stream_limits = stream_limits
        self._foreign = ForeignCalls(drain, request_s=unary_deadline_s, stream_limits=stream_limits)

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Replaces the method's handler by the wrapped one."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None:
            return handler
        if method.startswith("/lodestone."):
            return self._wrapped(handler, method)
        return self._foreign.wrapped(handler, method)

    def _wrapped(
        self, handler: grpc.RpcMethodHandler[Any, Any], method: str
    ) -> grpc.RpcMethodHandler[Any, Any]:
        # Given no deserializer, grpc.aio hands the requests over as bytes.
        respond = {"response_serializer": handler.response_serializer}
        parse = handler.request_deserializer
        if handler.unary_unary:
            call = self._unary(handler.unary_unary, method, parse)
            return grpc.stream_unary_rpc_method_handler(call, **respond)
        if handler.stream_unary:
            collect = self._collect(handler.stream_unary, method, parse)
            return grpc.stream_unary_rpc_method_handler(collect, **respond)
        if handler.unary_stream:
            watch = self._watch(handler.unary_stream, method, parse)
            return grpc.stream_stream_rpc_method_handler(watch, **respond)
        stream = self._stream(handler.stream_stream, method, parse)
        return grpc.stream_stream_rpc_method_handler(stream, **respond)

    def _unary(self, inner: Handler, method: str, parse: Parse | None) -> Handler:
        async def call(
            raws: AsyncIterable[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> Any:
            async with self._guarded(method, context) as outcome:
                self._admit(method, context)
                try:
                    async with asyncio.timeout(self._unary_deadline_s) as deadline:
                        raw = await only_request(raws)
                        try:
                            answer = inner(parsed(parse, raw), context)
                        finally:
                            # This frame lives on in the error that ends the call, see Ending.
                            del raw
                        return await answer
                except TimeoutError as error:
                    if not deadline.expired():
                        raise
                    raise errors.DeadlinePassed(self._unary_deadline_s) from error
            return await outcome.ending.abort(context)

        return call

    def _collect(self, inner: Handler, method: str, parse: Parse | None) -> Handler:
        async def call(
            raws: AsyncIterable[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> Any:
            async with self._guarded(method, context) as outcome:
                self._admit(method, context)
                requests = each_parsed(parse, raws, idle_s=self._stream_limits.idle_s)
                return await self._drain.run(inner(requests, context))
            return await outcome.ending.abort(context)

        return call

    def _watch(self, inner: Handler | None, method: str, parse: Parse | None) -> Handler:
        assert inner is not None
        name = method.rpartition("/")[2]
        # It ends by itself, and soon; a client that has a part of it could not go on elsewhere.
        is_listing = name.startswith("List")
        age_s = self._stream_limits.age_s if name in self._stream_limits.resumed else math.inf

        async def call(
            raws: AsyncIterable[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> Any:
            async with self._guarded(method, context) as outcome:
                self._admit(method, context)
                request = parsed(parse, await only_request_within(self._unary_deadline_s, raws))
                answers = inner(request, context)
                with Term(age_s) as term:
                    events = answers if is_listing else self._drain.until(answers, term)
                    del request
                    async with aclosing(events):
                        async for event in events:
                            with outcome.unread.yielding():
                                yield event
                self._drain.require_whole(term)
            await outcome.ending.abort(context)

        return call

    def _stream(self, inner: Handler | None, method: str, parse: Parse | None) -> Handler:
        assert inner is not None

        async def call(
            raws: AsyncIterable[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> Any:
            async with self._guarded(method, context) as outcome:
                self._admit(method, context)
                with Term(self._stream_limits.age_s) as term:
                    requests = self._drain.until(each_parsed(parse, raws), term)
                    async with aclosing(requests), aclosing(inner(requests, context)) as answers:
                        async for answer in answers:
                            with outcome.unread.yielding():
                                yield answer
                self._drain.require_whole(term)
            await outcome.ending.abort(context)

        return call

    def _admit(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if self._admission is not None:
            self._admission.require(method, context)

    @asynccontextmanager
    async def _guarded(
        self, method: str, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[_Outcome]:
        """Turns an error into an outcome, for the caller to end the call with outside of it."""
        start = time.perf_counter()
        outcome = _Outcome(UnreadLimit(context, self._stream_limits.idle_s))
        try:
            yield outcome
        except (asyncio.CancelledError, GeneratorExit):
            seconds = time.perf_counter() - start
            late = outcome.unread.passed or _is_late(context, seconds)
            code = "DEADLINE_EXCEEDED" if late else "CANCELLED"
            self._metrics.observe(method, code, seconds)
            raise
        except grpc.aio.AbortError:
            self._metrics.observe(method, "ABORTED", time.perf_counter() - start)
            raise
        except Exception as error:  # noqa: BLE001 - the one place that turns every error into a status
            outcome.ending.note(error, method)
        self._metrics.observe(method, outcome.ending.code.name, time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of a call."""

    unread: UnreadLimit
    ending: Ending = field(default_factory=Ending)


def _is_late(context: grpc.aio.ServicerContext[Any, Any], seconds: float) -> bool:
    """Whether a call of so many seconds was cancelled because its client's deadline had passed.

    On its way here gRPC rounds a timeout up, by a hundredth or a millisecond, and the client cancels at its own.
    """
    left_s = context.time_remaining()
    return left_s is not None and left_s <= _ROUNDED_S + _ROUNDED_RATIO * seconds
