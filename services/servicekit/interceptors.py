"""Server interceptors: errors become status codes in one place, deadlines are capped, calls are counted."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import structlog

from services.servicekit import errors
from services.servicekit.metrics import RpcMetrics

_CODES: tuple[tuple[type[errors.LodestoneError], grpc.StatusCode], ...] = (
    (errors.InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.ItemRejected, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.FailedPrecondition, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.IdleStream, grpc.StatusCode.DEADLINE_EXCEEDED),
)

Handler = Callable[..., Any]


class CallInterceptor(grpc.aio.ServerInterceptor[Any, Any]):
    """Wraps every call of our own services: deadline cap, error mapping, metrics.

    Health and reflection pass untouched. Unary calls end after `unary_deadline_s` at the latest; streams have idle
    limits in their servicers instead. An unexpected exception is logged and answered with INTERNAL and an error id
    only: grpc.aio would send its text to the caller as UNKNOWN.
    """

    def __init__(self, metrics: RpcMetrics, *, unary_deadline_s: float) -> None:
        self._metrics = metrics
        self._unary_deadline_s = unary_deadline_s

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Replaces the method's handler by the wrapped one."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or not method.startswith("/lodestone."):
            return handler
        return self._wrapped(handler, method)

    def _wrapped(
        self, handler: grpc.RpcMethodHandler[Any, Any], method: str
    ) -> grpc.RpcMethodHandler[Any, Any]:
        codecs = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary:
            call = self._unary(handler.unary_unary, method, self._unary_deadline_s)
            return grpc.unary_unary_rpc_method_handler(call, **codecs)
        if handler.stream_unary:
            call = self._unary(handler.stream_unary, method, None)
            return grpc.stream_unary_rpc_method_handler(call, **codecs)
        if handler.unary_stream:
            stream = self._stream(handler.unary_stream, method)
            return grpc.unary_stream_rpc_method_handler(stream, **codecs)
        stream = self._stream(handler.stream_stream, method)
        return grpc.stream_stream_rpc_method_handler(stream, **codecs)

    def _unary(self, inner: Handler, method: str, deadline_s: float | None) -> Handler:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self._guarded(method, context))
                await stack.enter_async_context(asyncio.timeout(deadline_s))
                return await inner(request, context)

        return call

    def _stream(self, inner: Handler, method: str) -> Handler:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with self._guarded(method, context):
                answers = inner(request, context)
                if inspect.isawaitable(answers):
                    await answers
                    return
                async for answer in answers:
                    yield answer

        return call

    @asynccontextmanager
    async def _guarded(
        self, method: str, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[None]:
        start = time.perf_counter()
        code = grpc.StatusCode.OK
        message = ""
        try:
            yield
        except asyncio.CancelledError:
            self._metrics.observe(method, "CANCELLED", time.perf_counter() - start)
            raise
        except grpc.aio.AbortError:
            self._metrics.observe(method, "ABORTED", time.perf_counter() - start)
            raise
        except Exception as error:  # noqa: BLE001 - the one place that turns every error into a status
            code, message = _status(error, method)
        self._metrics.observe(method, code.name, time.perf_counter() - start)
        if code is not grpc.StatusCode.OK:
            await context.abort(code, message)


def _status(error: Exception, method: str) -> tuple[grpc.StatusCode, str]:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code, str(error)
    if isinstance(error, TimeoutError):
        return grpc.StatusCode.DEADLINE_EXCEEDED, "the server's deadline for this call passed"
    error_id = uuid.uuid4().hex[:12]
    structlog.get_logger().error(
        "call_failed",
        method=method,
        error_id=error_id,
        exc_info=(type(error), error, error.__traceback__),
    )
    return grpc.StatusCode.INTERNAL, f"internal error {error_id}"
