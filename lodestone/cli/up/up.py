"""`lodestone up`: the four services on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lodestone.cli.checkout import module_command, module_environment, require_checkout
from lodestone.cli.encoder_folders import require_encoder
from lodestone.cli.errors import CliError
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.quiet import GRPC_VERBOSITY, QUIET
from lodestone.cli.running import addresses, transport
from lodestone.cli.up.child import ChildSpec
from lodestone.cli.up.data_folder import locked
from lodestone.cli.up.health import HealthCheck
from lodestone.cli.up.options import (
    AllowAddressOption,
    ContactOption,
    CrawlersOption,
    DetectorOption,
    EncoderOption,
    HostRequestsOption,
    MinPixelsOption,
    WatermarkBackendOption,
)
from lodestone.cli.up.places import Place, places_of
from lodestone.cli.up.ports import health_port, metrics_port, require_free
from lodestone.cli.up.supervisor import Supervisor
from lodestone.client import Addresses, Transport


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `up` was asked for.

    Attributes:
        data: The data folder, absolute.
        encoder: The encoder's name or folder; empty is the embedder's default.
        allowed_addresses: Private addresses that the crawler may fetch from.
        min_pixels: The crawler's smallest image; None is its default.
        contact: How a host can reach whoever runs this; empty leaves the crawler's own setting.
        host_requests_per_s: The crawler's fastest pace for one host; None is its default.
        detector: The watermark detector's name or folder; empty leaves the service's own setting.
        watermark_backend: What computes it; empty leaves the service's own setting.
        crawlers: How many crawlers share the work.
        certificates: Where a folder of certificates for each service is, absolute; None is plaintext.
    """

    data: Path
    encoder: str
    allowed_addresses: tuple[str, ...]
    min_pixels: int | None = None
    contact: str = ""
    host_requests_per_s: float | None = None
    detector: str = ""
    watermark_backend: str = ""
    crawlers: int = 1
    certificates: Path | None = None


def up(
    encoder: EncoderOption = "",
    allow_address: AllowAddressOption = None,
    min_pixels: MinPixelsOption = None,
    contact: ContactOption = "",
    host_requests_per_s: HostRequestsOption = None,
    detector: DetectorOption = "",
    watermark_backend: WatermarkBackendOption = "",
    crawlers: CrawlersOption = 1,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Run the four services in the foreground until Ctrl-C.

    Prints their addresses and `ready` once all serve. Their output goes to DATA/logs; one that dies is started
    again. LODESTONE_EMBEDDER=127.0.0.1:6001 (and _NOVELTY, _WATERMARK, _CRAWLER) choose other ports, here and for the
    other commands; every other setting of a service comes from its own variables, for example
    LODESTONE_CRAWLER_CONTACT. With LODESTONE_TLS=DIR/person they serve with TLS and the certificates in DIR, as
    `lodestone certs DIR` makes them.
    """
    options = UpOptions(
        data.absolute(),
        encoder,
        tuple(allow_address or ()),
        min_pixels,
        contact,
        host_requests_per_s,
        detector,
        watermark_backend,
        crawlers,
        _certificates(transport()),
    )
    checkout = require_checkout()
    where = addresses()
    places = places_of(where, crawlers=crawlers)
    tls = options.certificates is not None
    _require_server(crawlers)
    if encoder:
        require_encoder(encoder, options.data, checkout)
    if not options.data.exists():
        # What cannot start makes no folder; in one that is there, its lock has the clearer answer.
        require_free(places, tls=tls)
    with locked(options.data):
        require_free(places, tls=tls)
        asyncio.run(_up(Output(as_json=as_json), options, checkout, where))


def _certificates(reached: Transport) -> Path | None:
    """The folder beside a person's in which each service has its own."""
    if reached.tls is None:
        return None
    folder = reached.tls.absolute().parent
    for word in asdict(Addresses()):
        if not (folder / word).is_dir():
            message = (
                f"the {word} service has no certificate: {folder / word} is not there; `lodestone certs DIR` makes "
                "one for each, and LODESTONE_TLS=DIR/person is yours"
            )
            raise CliError(message)
    return folder


def _require_server(crawlers: int) -> None:
    names = ("LODESTONE_CRAWLER_CATALOGUE", "LODESTONE_CRAWLER_CATALOGUE_FILE")
    if crawlers > 1 and not any(os.environ.get(name) for name in names):
        message = (
            f"{crawlers} crawlers need a catalogue that they can share: set {names[0]} (or {names[1]}) to the address "
            "of a PostgreSQL database; docs/catalogue.md"
        )
        raise CliError(message)


async def _up(output: Output, options: UpOptions, checkout: Path, where: Addresses) -> None:
    stopping = asyncio.Event()
    environment = module_environment(checkout, os.environ)
    places = places_of(where, crawlers=options.crawlers)
    specs = []
    checks = []
    for place in places:
        check = HealthCheck(place.address, transport())
        checks.append(check)
        specs.append(
            ChildSpec(
                word=place.name,
                command=tuple(module_command(f"services.{place.word}")),
                environment=service_environment(place, where, options, environment),
                log=options.data / "logs" / f"{place.name}.log",
                is_healthy=check.is_serving,
            )
        )
    supervisor = Supervisor(specs, note=output.note)
    _stop_on_signals(stopping, supervisor)
    output.aside(f"starting the four services; what they say goes to {options.data / 'logs'}")
    try:
        await supervisor.run(stopping, lambda: _announce(output, supervisor, places, options.data))
    finally:
        for check in checks:
            await check.close()


def service_environment(
    place: Place, where: Addresses, options: UpOptions, environment: Mapping[str, str]
) -> dict[str, str]:
    """The environment of one process: what `up` was started with, and what it was asked for."""
    word, host, port = place.word, place.host, place.port
    prefix = f"LODESTONE_{word.upper()}_"
    settings = {
        "LODESTONE_DATA": str(options.data),
        f"{prefix}HOST": "127.0.0.1" if host == "localhost" else host,
        f"{prefix}PORT": str(port),
        f"{prefix}METRICS_PORT": str(metrics_port(port)),
        **{f"LODESTONE_{other.upper()}": address for other, address in asdict(where).items()},
    }
    if options.certificates is not None:
        settings["LODESTONE_TLS"] = str(options.certificates / word)
        settings[f"{prefix}HEALTH_PORT"] = str(health_port(port))
    if word == "embedder" and options.encoder:
        settings[f"{prefix}ENCODER"] = options.encoder
    if word == "watermark":
        settings |= _watermark_settings(prefix, options)
    if word == "crawler":
        settings |= _crawler_settings(prefix, options)
    # What belongs to another service may be a secret of its.
    others = tuple(f"LODESTONE_{other.upper()}_" for other in asdict(where) if other != word)
    own = {name: value for name, value in environment.items() if not name.startswith(others)}
    if own.get(GRPC_VERBOSITY) == QUIET:
        # A service has the reason why it refuses a connection from gRPC's lines alone.
        del own[GRPC_VERBOSITY]
    return {**own, **settings}


def _watermark_settings(prefix: str, options: UpOptions) -> dict[str, str]:
    settings = {}
    if options.detector:
        settings[f"{prefix}DETECTOR"] = options.detector
    if options.watermark_backend:
        settings[f"{prefix}BACKEND"] = options.watermark_backend
    return settings


def _crawler_settings(prefix: str, options: UpOptions) -> dict[str, str]:
    settings = {}
    if options.allowed_addresses:
        settings[f"{prefix}ALLOWED_ADDRESSES"] = json.dumps(options.allowed_addresses)
    if options.min_pixels is not None:
        settings[f"{prefix}MIN_PIXELS"] = str(options.min_pixels)
    if options.contact:
        settings[f"{prefix}CONTACT"] = options.contact
    if options.host_requests_per_s is not None:
        settings[f"{prefix}HOST_REQUESTS_PER_S"] = str(options.host_requests_per_s)
    return settings


def _announce(output: Output, supervisor: Supervisor, places: Sequence[Place], data: Path) -> None:
    services = [
        {
            "service": place.name,
            "address": place.address,
            "pid": child.pid,
            "log": str(child.spec.log),
        }
        for place, child in zip(places, supervisor.children, strict=True)
    ]
    if output.as_json:
        output.object({"ready": True, "data": str(data), "services": services})
        return
    rows = [(str(one["service"]), str(one["address"]), str(one["log"])) for one in services]
    output.table(("service", "address", "~log"), rows)
    output.text("ready")


def _stop_on_signals(stopping: asyncio.Event, supervisor: Supervisor) -> None:
    def stop() -> None:
        if stopping.is_set():
            supervisor.kill()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
