"""A small service of our own kind: what its methods do is given by each test."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.wrappers_pb2 import StringValue

from services.servicekit.server import ServiceDefinition
from services.servicekit.streams import answer_stream

FULL_NAME = "lodestone.echo.v1.EchoService"

_METHODS = ("Unary", "Collect", "Watch", "ListTexts", "Stream")


def _describe() -> None:
    """Tells protobuf of the service, as stubs do."""
    package, _, name = FULL_NAME.rpartition(".")
    text = StringValue.DESCRIPTOR
    file = FileDescriptorProto(name="tests/echo.proto", package=package, syntax="proto3")
    file.dependency.append(text.file.name)
    service = file.service.add(name=name)
    for method in _METHODS:
        service.method.add(
            name=method, input_type=f".{text.full_name}", output_type=f".{text.full_name}"
        )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


_describe()


async def _nothing() -> None:
    pass


async def _echo(text: str) -> str:
    return text


@dataclass
class EchoService:
    """Unary, Collect (stream to one), Watch and ListTexts (one to stream) and Stream, all of StringValue.

    Attributes:
        answer: Answers one text; Collect joins the texts before.
        watch: Answers one text with several.
        probe: What makes the service ready.
    """

    answer: Callable[[str], Awaitable[str]] = _echo
    watch: Callable[[str], AsyncIterator[str]] | None = None
    probe: Callable[[], Awaitable[None]] = _nothing
    closed: list[bool] = field(default_factory=list)

    def definition(self, **changes: Any) -> ServiceDefinition:
        async def close() -> None:
            self.closed.append(True)

        facts = {"max_message_bytes": 4_096, "close": close, "probe": self.probe, **changes}
        return ServiceDefinition("echo", FULL_NAME, self._register, **facts)

    def _register(self, server: grpc.aio.Server) -> None:
        codecs = {
            "request_deserializer": StringValue.FromString,
            "response_serializer": StringValue.SerializeToString,
        }
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self._unary, **codecs),
            "Collect": grpc.stream_unary_rpc_method_handler(self._collect, **codecs),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, **codecs),
            "ListTexts": grpc.unary_stream_rpc_method_handler(self._watch, **codecs),
            "Stream": grpc.stream_stream_rpc_method_handler(self._stream, **codecs),
        }
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(FULL_NAME, handlers),)
        )

    async def _unary(self, request: StringValue, context: Any) -> StringValue:
        return StringValue(value=await self.answer(request.value))

    async def _collect(self, requests: AsyncIterable[StringValue], context: Any) -> StringValue:
        texts = [request.value async for request in requests]
        return StringValue(value=await self.answer("".join(texts)))

    async def _watch(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        assert self.watch is not None
        async for text in self.watch(request.value):
            yield StringValue(value=text)

    async def _stream(
        self, requests: AsyncIterable[StringValue], context: Any
    ) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield StringValue(value=await self.answer(request.value))


class EagerEchoService(EchoService):
    """Reads on while it answers, as our services do."""

    async def _stream(
        self, requests: AsyncIterable[StringValue], context: Any
    ) -> AsyncIterator[StringValue]:
        async def answer(request: StringValue) -> StringValue:
            return StringValue(value=await self.answer(request.value))

        async for answered in answer_stream(requests, answer, idle_s=60.0):
            yield answered


class EchoClient:
    """Calls EchoService; `raw` sends bytes as they are."""

    def __init__(self, channel: grpc.aio.Channel, *, raw: bool = False) -> None:
        codecs = {
            "request_serializer": None
            if raw
            else lambda text: StringValue(value=text).SerializeToString(),
            "response_deserializer": lambda answer: StringValue.FromString(answer).value,
        }
        self.unary = channel.unary_unary(f"/{FULL_NAME}/Unary", **codecs)
        self.collect = channel.stream_unary(f"/{FULL_NAME}/Collect", **codecs)
        self.watch = channel.unary_stream(f"/{FULL_NAME}/Watch", **codecs)
        self.list_texts = channel.unary_stream(f"/{FULL_NAME}/ListTexts", **codecs)
        self.stream = channel.stream_stream(f"/{FULL_NAME}/Stream", **codecs)
