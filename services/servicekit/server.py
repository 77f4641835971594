"""One gRPC server process: health, reflection, limits, and a drain on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import structlog
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from lodestone.client.tls_files import BadTlsFiles, read_tls_files
from services.servicekit.admission import Admission
from services.servicekit.callers import PERSON, Allowed, Callers, require_methods
from services.servicekit.certificates import ServerCertificates
from services.servicekit.drain import Drain
from services.servicekit.errors import (
    Broken,
    ComputationStuck,
    LodestoneError,
    Misconfigured,
    Unavailable,
)
from services.servicekit.heap import Heap
from services.servicekit.interceptors import CallInterceptor
from services.servicekit.metrics import RpcMetrics, new_registry, serve_metrics
from services.servicekit.settings import EXIT_MISCONFIGURED, ServiceSettings
from services.servicekit.stream_limits import StreamLimits
from services.servicekit.token_file import TokenFile

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

LIVENESS = "liveness"
"""The health name that is SERVING while the process answers, whatever the probe says; the others are readiness."""

EXIT_BROKEN = 70
"""The exit status of a process whose work fails for good, or that lacks something at its start which may come back: a
supervisor starts it again (sysexits.h, EX_SOFTWARE)."""

_LAST_CALLS_S = 1.0
# For telling those who watch that it stops.
_LAST_NEWS_S = 2.0
# gRPC adds a tenth to a connection's age or takes it away: a stream that ends a little later is the last on it.
_STREAM_AGES = 1.15
_MAX_METADATA_BYTES = 8_192
# Of a request for health.
_HEALTH_MAX_BYTES = 4_096
# After the drain: what a service holds is closed in far less, unless a computation hangs.
_CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Probing:
    """How a service is watched.

    Attributes:
        every_s: Between two probes, seconds.
        timeout_s: A probe that takes longer has failed, seconds.
        gives_up_s: The process ends when probes have failed for so long for another reason than that something else is
            away, seconds; None lets it go on.
    """

    every_s: float = 5.0
    timeout_s: float = 20.0
    gives_up_s: float | None = None


@dataclass(frozen=True)
class ServiceDefinition:
    """What makes one service different from the others.

    Attributes:
        word: The service's one word, for example `novelty`.
        full_name: Its gRPC name, for example `lodestone.novelty.v1.NoveltyService`.
        register: Adds the servicer to a server.
        probe: Does one piece of real work; the service is ready while it succeeds.
        max_message_bytes: The largest message received.
        unary_deadline_s: The cap on unary calls, seconds.
        resumed: Methods that answer with a stream which its client can have go on, for example `WatchCrawl`: it ends by
            age, as streams of requests do.
        callers: Who may call what where there is TLS, unless the settings say otherwise.
        close: Ends what the servicer holds, after the last call.
        registry: What is counted of it.
        probing: How often and how long it is probed.
    """

    word: str
    full_name: str
    register: Callable[[grpc.aio.Server], None]
    probe: Callable[[], Awaitable[None]]
    max_message_bytes: int
    unary_deadline_s: float = 60.0
    resumed: frozenset[str] = frozenset()
    callers: Allowed = field(default_factory=lambda: {"": (PERSON,)})
    close: Callable[[], Awaitable[None]] | None = None
    registry: CollectorRegistry = field(default_factory=new_registry)
    probing: Probing = Probing()


class ServiceServer:
    """A started server; `run_service` is the whole life of a process.

    Attributes:
        port: Where it serves; 0 before it does.
        broken: Set when its work has failed for as long as `Probing.gives_up_s` allows, or with `Broken`.
    """

    def __init__(self, definition: ServiceDefinition, settings: ServiceSettings) -> None:
        settings.require_safe_bind()
        self._definition = definition
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._ready = False
        self._probing: asyncio.Task[None] | None = None
        self._broken_since_s: float | None = None
        self._drain = Drain()
        interceptor = CallInterceptor(
            RpcMetrics(definition.word, definition.registry),
            self._drain,
            unary_deadline_s=definition.unary_deadline_s,
            stream_limits=StreamLimits(
                settings.stream_idle_s,
                _STREAM_AGES * settings.connection_age_s,
                definition.resumed,
            ),
            admission=_admission(definition, settings),
        )
        self._certificates: ServerCertificates | None = None
        if settings.tls is not None:
            self._certificates = ServerCertificates(
                settings.tls, definition.word, definition.registry
            )
        self._server = grpc.aio.server(
            interceptors=[interceptor], options=_options(definition.max_message_bytes, settings)
        )
        self._health_server: grpc.aio.Server | None = None
        if settings.tls is not None and settings.health_port:
            self._health_server = grpc.aio.server(
                interceptors=[interceptor], options=_options(_HEALTH_MAX_BYTES, settings)
            )
        self.port = 0
        self.broken = asyncio.Event()

    async def start(self) -> None:
        """Binds, serves, and probes once; ready from the first probe on that succeeds.

        Raises:
            Misconfigured: The port is in use.
        """
        definition = self._definition
        definition.register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._settings.reflection:
            names = (definition.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        await self._health.set(LIVENESS, _SERVING)
        await self._set_health(ready=False)
        self.port = self._bind()
        if self._health_server is not None:
            _bind_plaintext(
                self._health_server, self._settings.address_of(self._settings.health_port)
            )
        await self._server.start()
        if self._health_server is not None:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_server)
            await self._health_server.start()
        await self._probe_once()
        self._probing = asyncio.create_task(self._probe_forever())

    async def stop(self) -> None:
        """Drains: not ready, no new calls, the running ones end, then everything is closed."""
        if self._probing is not None:
            self._probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probing
        # Whoever watches without reading holds it up until that is noticed; the drain begins all the same.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_NEWS_S):
                await self._health.enter_graceful_shutdown()
        self._drain.begin()
        await self._server.stop(self._settings.drain_s)
        if self._health_server is not None:
            await self._health_server.stop(None)
        if self._definition.close is not None:
            await self._definition.close()

    async def abort(self) -> None:
        """Answers what it can in a second, and waits for nothing else: its work never ends."""
        self._drain.begin()
        await self._server.stop(_LAST_CALLS_S)

    def _bind(self) -> int:
        _require_free_ports(self._settings)
        address = self._settings.address
        if self._certificates is None:
            return _bind_plaintext(self._server, address)
        try:
            return self._server.add_secure_port(address, self._certificates.credentials())
        except RuntimeError as error:
            raise _not_bound(address) from error

    async def _probe_once(self) -> None:
        try:
            await self._probe()
        except Exception as error:  # noqa: BLE001 - whatever breaks the work makes the service not ready
            if self._ready or self._probing is None:
                cause = str(error) or f"an unexpected {type(error).__name__}"
                structlog.get_logger().error("not_ready", cause=cause)
            await self._set_health(ready=False)
            self._note_broken(error)
            return
        self._broken_since_s = None
        if not self._ready:
            structlog.get_logger().info("ready", address=f"{self._settings.host}:{self.port}")
        await self._set_health(ready=True)

    async def _probe(self) -> None:
        limit_s = self._definition.probing.timeout_s
        try:
            async with asyncio.timeout(limit_s) as limit:
                await self._definition.probe()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ComputationStuck(f"{self._definition.word}'s probe", limit_s) from error

    async def _probe_forever(self) -> None:
        heap = Heap()
        while True:
            await asyncio.sleep(self._definition.probing.every_s)
            await self._probe_once()
            await asyncio.to_thread(heap.look)
            if self._certificates is not None:
                await asyncio.to_thread(self._certificates.look)

    def _note_broken(self, error: Exception) -> None:
        """Something else that is away may come back; what fails in here for long only a new process can mend."""
        if isinstance(error, Unavailable):
            self._broken_since_s = None
            return
        now_s, limit_s = time.monotonic(), self._definition.probing.gives_up_s
        if self._broken_since_s is None:
            self._broken_since_s = now_s
        is_over = limit_s is not None and now_s - self._broken_since_s >= limit_s
        if is_over or isinstance(error, Broken):
            self.broken.set()

    async def _set_health(self, *, ready: bool) -> None:
        self._ready = ready
        status = _SERVING if ready else _NOT_SERVING
        for name in ("", self._definition.full_name):
            await self._health.set(name, status)


def _bind_plaintext(server: grpc.aio.Server, address: str) -> int:
    try:
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise _not_bound(address) from error


def _not_bound(address: str) -> Misconfigured:
    return Misconfigured(f"cannot serve on {address}: the port is in use or not allowed")


def run_service(
    build: Callable[[], Awaitable[ServiceDefinition]], settings: ServiceSettings
) -> None:
    """Runs one service until SIGTERM or SIGINT; a start that fails is one line, and 78 if it would fail again."""
    try:
        asyncio.run(_run(build, settings))
    except (LodestoneError, BadTlsFiles) as error:
        sys.stderr.write(f"error: {error}\n")
        # What is away may be there at the next start.
        sys.exit(EXIT_BROKEN if isinstance(error, Unavailable) else EXIT_MISCONFIGURED)


async def _run(
    build: Callable[[], Awaitable[ServiceDefinition]], settings: ServiceSettings
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    settings.require_safe_bind()
    if settings.tls is not None:
        # Before anything is loaded.
        read_tls_files(settings.tls, "server")
    _require_free_ports(settings)
    definition = await build()
    server = ServiceServer(definition, settings)
    serve_metrics(definition.registry, host=settings.host, port=settings.metrics_port)
    await server.start()
    ends = [asyncio.create_task(event.wait()) for event in (stopping, server.broken)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    if server.broken.is_set():
        structlog.get_logger().error("giving_up", exit_status=EXIT_BROKEN)
        await server.abort()
        # A thread that hangs in a computation would be waited for.
        os._exit(EXIT_BROKEN)
    structlog.get_logger().info("draining")
    try:
        async with asyncio.timeout(settings.drain_s + _CLOSE_S):
            await server.stop()
    except TimeoutError:
        structlog.get_logger().error("not_closed", exit_status=EXIT_BROKEN)
        os._exit(EXIT_BROKEN)


def _admission(definition: ServiceDefinition, settings: ServiceSettings) -> Admission | None:
    """Plaintext knows no names."""
    if settings.tls is None:
        return None
    tokens = TokenFile(settings.tokens_file) if settings.tokens_file is not None else None
    if settings.callers is None:
        return Admission(Callers(definition.callers), tokens)
    service = descriptor_pool.Default().FindServiceByName(definition.full_name)
    methods = [method.name for method in service.methods]
    require_methods(settings.callers, methods, setting=settings.name_of("callers"))
    return Admission(Callers(settings.callers), tokens)


def _require_free_ports(settings: ServiceSettings) -> None:
    """Binds once beforehand: grpc does not say what is wrong, but logs a line of its own."""
    _require_free(settings, settings.port, "PORT")
    if settings.tls is not None and settings.health_port:
        _require_free(settings, settings.health_port, "HEALTH_PORT")


def _require_free(settings: ServiceSettings, port: int, name: str) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, port))
        except OSError as error:
            address = settings.address_of(port)
            message = f"cannot serve on {address} ({settings.name_of(name)}): {error.strerror}"
            raise Misconfigured(message) from error


def _options(max_message_bytes: int, settings: ServiceSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # Between the two gRPC refuses some calls by chance. They hold for a client that has acknowledged them, which
        # it has to soon.
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.http2.settings_timeout", 10_000),
        # By itself gRPC reads ahead ever more of each stream: 256 streams of images took over 1 GB.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 512 * 1024),
        ("grpc.max_concurrent_streams", 64),
        # It counts calls that have ended, too, for a while: of 200 callers at once most were refused (UNAVAILABLE), and
        # not told to wait.
        ("grpc.http.overload_protection", 0),
        # By itself gRPC waits two minutes for the first bytes of a connection.
        ("grpc.server_handshake_timeout_ms", 20_000),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Without it a ping, also one of the above, is waited for a minute.
        ("grpc.http2.ping_timeout_ms", 10_000),
        # Whoever pings more often than this thrice is told ENHANCE_YOUR_CALM, and disconnected.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
        # A client that comes again meets the certificate and the replicas of today. The calls of before go on for as
        # long as they take (a grace would cut off a fit, or a rejudgement); streams end by themselves.
        ("grpc.max_connection_age_ms", round(1000 * settings.connection_age_s)),
        ("grpc.max_connection_idle_ms", 300_000),
        # Two processes on one port would share its calls without a word.
        ("grpc.so_reuseport", 0),
    ]
