"""Certificates that change or expire under load: nothing is lost, and nobody is restarted."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import itertools
import ssl

import pytest
import structlog

from lodestone.cli.certs.authority import Authority, Lifetime
from lodestone.client import EmbedderClient, Transport, reloading_channel
from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import embedder_service_pb2_grpc as grpc_stubs
from lodestone.image.v1.image_pb2 import Image
from services.servicekit.callers import CRAWLER
from services.servicekit.server import Probing, ServiceDefinition
from tests.fakes.certificate_files import issue, write
from tests.servicekit.tls_servers import serving_tls

_CALLERS = 4


class Echo(grpc_stubs.EmbedderServiceServicer):
    """Answers with the number of an image's bytes, and notes who connects."""

    def __init__(self):
        self.peers = set()

    async def GetEncoder(self, request, context):  # noqa: N802 - the contract's name
        self.peers.add(context.peer())
        return pb.GetEncoderResponse()

    async def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        self.peers.add(context.peer())
        async for request in requests:
            value = {"values": [float(len(request.image.encoded))]}
            yield pb.StreamEmbedImagesResponse(id=request.id, result={"value": value})


@pytest.fixture(autouse=True)
def logs(monkeypatch):
    monkeypatch.setattr(reloading_channel, "_LOOK_EVERY_S", 0.02)
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
async def one(echo, tmp_path):
    """A server whose connections live for a quarter of a second, and the folder of who calls it."""

    async def probe():
        pass

    definition = ServiceDefinition(
        "embedder",
        "lodestone.embedder.v1.EmbedderService",
        lambda server: grpc_stubs.add_EmbedderServiceServicer_to_server(echo, server),
        probe,
        max_message_bytes=100_000,
        callers={"": (CRAWLER,)},
        probing=Probing(every_s=0.05),
    )
    folder = tmp_path / "embedder"
    async with serving_tls(definition, folder, connection_age_s=0.25) as started:
        write(tmp_path / "crawler", issue(started.authority, "crawler"), started.authority)
        yield started


@contextlib.asynccontextmanager
async def load(one, tmp_path):
    """Calls and a stream for as long as the block lasts; yields how many of each were answered, by name."""
    ending = asyncio.Event()
    counts = {"calls": 0, "streamed": 0}
    sizes = itertools.count(1)

    async def call(client):
        while not ending.is_set():
            await client.get_encoder()
            counts["calls"] += 1

    async def stream(client):
        while not ending.is_set():
            size = next(sizes) % 1_000
            result = await client.embed(Image(encoded=bytes(size)))
            assert result.value.values == [size]
            counts["streamed"] += 1

    async with (
        EmbedderClient(one.address, transport=Transport(tmp_path / "crawler")) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for work in (call, stream):
            for _ in range(_CALLERS):
                tasks.create_task(work(client))
        yield counts
        ending.set()


async def more(counts, count):
    """Returns when so many more of each were answered."""
    goal = {name: before + count for name, before in counts.items()}
    async with asyncio.timeout(30):
        while any(counts[name] < goal[name] for name in goal):
            await asyncio.sleep(0.01)


async def shown(one):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", one.server.port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(found).encode()


def rotate(one, tmp_path, authority, believed):
    """New certificates on both sides, file by file; returns the server's."""
    pair = issue(authority, "embedder")
    for folder, own in (("embedder", pair), ("crawler", issue(authority, "crawler"))):
        write(tmp_path / folder, own, authority)
        pem = b"".join(one.pair.certificate for one in believed)
        (tmp_path / folder / "ca.crt").write_bytes(pem)
    return pair


async def test_certificates_and_the_authority_change_under_load(one, echo, tmp_path, logs):
    """Every call and every message is answered, over ever new connections."""
    old, new = one.authority, Authority.create()
    steps = [(old, [old]), (old, [old, new]), (new, [old, new]), (new, [new]), (new, [new])]
    async with load(one, tmp_path) as counts:
        await more(counts, 40)
        for authority, believed in steps:
            pair = rotate(one, tmp_path, authority, believed)
            seen = set(echo.peers)
            await more(counts, 60)
            async with asyncio.timeout(30):
                while len(echo.peers - seen) < 2:
                    await asyncio.sleep(0.01)
            assert await shown(one) == pair.certificate
    assert counts["calls"] >= 300
    assert counts["streamed"] >= 300
    assert len(echo.peers) >= 2 * len(steps)
    assert "certificate_reloaded" in [entry["event"] for entry in logs]


async def test_a_certificate_that_expires_holds_calls_up_until_it_is_renewed(one, tmp_path, logs):
    """The log says so once; what waits on the stream meanwhile is answered then."""
    begin = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2) - dt.timedelta(days=1)
    pair = issue(one.authority, "embedder", lifetime=Lifetime(1, begin))
    write(tmp_path / "embedder", pair, one.authority)
    answered = itertools.count()

    async def ask(client):
        while True:
            await client.embed(Image(encoded=b"abc"))
            next(answered)

    transport = Transport(tmp_path / "crawler")
    async with EmbedderClient(one.address, transport=transport) as client:
        asking = asyncio.create_task(ask(client))
        async with asyncio.timeout(30):
            while "CERTIFICATE_VERIFY_FAILED" not in (client._stream.waiting_for or ""):
                await asyncio.sleep(0.01)
            before = next(answered)
            assert before > 0
            while "certificate_expired" not in [entry["event"] for entry in logs]:
                await asyncio.sleep(0.01)
            assert next(answered) == before + 1
            write(tmp_path / "embedder", issue(one.authority, "embedder"), one.authority)
            while next(answered) < before + 100:
                await asyncio.sleep(0.01)
        assert not asking.done()
        asking.cancel()
    assert [entry["event"] for entry in logs].count("certificate_expired") == 1
